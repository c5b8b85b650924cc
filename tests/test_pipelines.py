"""Pipelines: fused lists, cut lists and rerankers, against what is worked out by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import isoglot
from isoglot import IsoglotError
from isoglot.corpora.collection import Collection, Document, Query
from isoglot.evaluation.results import Audit
from isoglot.ranking.pools import Pool, build_pools
from isoglot.retrievers.pipelines import Cut, Fusion, Reranking, is_pipeline, parse_pipeline
from isoglot.retrievers.registry import as_retriever
from isoglot.retrievers.scorer import ScorerRetriever
from tests import command_line

LANGUAGES = ("en", "zh")


class Scores:
    """Scores out of a matrix by the numbers that texts end with."""

    def __init__(self, matrix: np.ndarray[Any, Any], name: str = "scores", finds_by_terms: bool = False) -> None:
        self.matrix, self.name, self.fingerprint = matrix, name, name

    def scores(self, queries: Sequence[Query], documents: Sequence[Document]) -> np.ndarray[Any, Any]:
        rows, columns = ([int(each.text.split()[-1]) for each in texts] for texts in (queries, documents))
        return self.matrix[np.ix_(rows, columns)]


def collection_of(contents: int) -> Collection:
    """Contents in two languages, documents 0, 1 ... in English and then in Chinese, and a question about each."""
    documents = [
        Document(f"c{number}", language, f"document {number + contents * side}")
        for side, language in enumerate(LANGUAGES)
        for number in range(contents)
    ]
    queries = [Query(f"q{number}", "en", f"question {number}") for number in range(contents)]
    return Collection("small", documents, queries, {query.query_id: [f"c{query.query_id[1:]}"] for query in queries})


def mixed(collection: Collection) -> Pool:
    (pool,) = build_pools(
        collection,
        pools=[LANGUAGES],
        query_languages=["en"],
        scenarios=["multi"],
        documents_mode="dedup",
        limit=None,
        seed=0,
    )
    return pool


def ranked(retriever: Any, collection: Collection, balance: str = "none") -> list[list[str]]:
    """The texts of each query's list."""
    pool = mixed(collection)
    (ranking,) = retriever.rankings(collection, [pool], balance=balance, top_k=99, show_progress=False)
    return [
        [collection.documents[pool.documents[place]].text for place in top if place >= 0]
        for _, top in sorted(zip(pool.queries, ranking.top, strict=True), key=lambda pair: int(pair[0]))
    ]


def test_fusion_adds_reciprocal_ranks() -> None:
    one = Scores(np.array([[5.0, 4, 3, 2], [1, 2, 3, 4]]))  # documents 0 1 (English) 2 3 (Chinese)
    two = Scores(np.array([[1.0, 4, 2, 3], [4, 1, 3, 2]]))
    fused = Fusion([ScorerRetriever(one), ScorerRetriever(two)], k=0)
    # question 0: ranks 1 2 3 4 and 4 1 3 2, so 1 + 1/4, 1/2 + 1, 2/3, 1/4 + 1/2
    # question 1: ranks 4 3 2 1 and 1 4 2 3, so 1/4 + 1, 1/3 + 1/4, 1, 1 + 1/3
    assert ranked(fused, collection_of(2)) == [
        [f"document {number}" for number in order] for order in ([1, 0, 3, 2], [3, 0, 2, 1])
    ]


def test_what_shares_no_term_with_a_question_gets_nothing_for_it() -> None:
    documents = [
        Document("c0", "en", "apples and pears"),
        Document("c1", "en", "a bridge of stone"),
        Document("c0", "zh", "苹果和梨"),
        Document("c1", "zh", "一座石桥"),
    ]
    collection = Collection("fruit", documents, [Query("q", "en", "apples")], {"q": ["c0"]})
    (pool,) = build_pools(
        collection,
        pools=[LANGUAGES],
        query_languages=None,
        scenarios=["multi"],
        documents_mode="dedup",
        limit=None,
        seed=0,
    )
    (ranking,) = Fusion([as_retriever("bm25"), as_retriever("bm25")]).rankings(
        collection, [pool], balance="none", top_k=4, show_progress=False
    )
    assert [documents[pool.documents[place]].text for place in ranking.top[0] if place >= 0] == ["apples and pears"]
    assert ranking.ranked.tolist() == [1]


def test_a_reranker_orders_the_candidates_and_ends_with_them() -> None:
    first = Scores(np.array([[4.0, 3, 2, 1], [1, 2, 3, 4]]), "first")
    second = Scores(np.array([[1.0, 2, 3, 4], [4, 3, 2, 1]]), "second")
    pipeline = Reranking(ScorerRetriever(first), ScorerRetriever(second), candidates=3)
    assert pipeline.describe().name == "first %3 >> second"
    assert ranked(pipeline, collection_of(2)) == [
        [f"document {number}" for number in order] for order in ([2, 1, 0], [1, 2, 3])
    ]
    audit = isoglot.audit(pipeline, collection_of(2), pools=[LANGUAGES], scenarios=["multi"])
    (result,) = audit.scenarios
    assert result.cut is not None
    assert (result.cut.depth, result.cut.golds, result.cut.beyond) == (3, 4, {"en": 0, "zh": 0})
    assert result.judged is not None
    assert np.sort(result.judged.ranks, axis=1).tolist() == [[1, 3], [1, 3]]


def test_a_list_that_is_not_cut_is_the_retrievers_own() -> None:
    whole = isoglot.audit("bm25", "mini@demo", pools=[("en", "de")])
    same = isoglot.audit("e5-small-q4", "mini@demo", pools=[("en", "zh")], scenarios=["multi"])
    cut = isoglot.audit("e5-small-q4 %80", "mini@demo", pools=[("en", "zh")], scenarios=["multi"])
    assert [each.judged.ranks.tolist() for each in same.scenarios if each.judged] == [
        each.judged.ranks.tolist() for each in cut.scenarios if each.judged
    ]
    assert whole.stages == ()


@given(st.integers(0, 10**6), st.sampled_from(["none", "scaled", "equal", "proportional"]))
def test_a_cut_list_is_the_beginning_of_the_whole_one(seed: int, balance: str) -> None:
    matrix = np.random.default_rng(seed).normal(size=(5, 10))
    retriever, collection = ScorerRetriever(Scores(matrix)), collection_of(5)
    whole = ranked(Cut(retriever, 10), collection, balance)
    assert ranked(Cut(retriever, 4), collection, balance) == [found[:4] for found in whole]
    assert whole == ranked(retriever, collection, balance)


@given(st.integers(0, 10**6))
def test_scaling_keeps_the_fused_order_within_a_language(seed: int) -> None:
    draw = np.random.default_rng(seed)
    parts = [ScorerRetriever(Scores(draw.normal(size=(4, 8)), name)) for name in "ab"]
    collection = collection_of(4)
    plain, scaled = (ranked(Fusion(parts), collection, balance) for balance in ("none", "scaled"))
    for one, other in zip(plain, scaled, strict=True):
        for side in (range(4), range(4, 8)):
            of_language = {f"document {number}" for number in side}
            assert [text for text in one if text in of_language] == [text for text in other if text in of_language]


def test_scaling_finds_candidates_of_both_languages_and_merges_them_again() -> None:
    biased = np.array([[9.0, 8, 2, 1], [8, 9, 1, 2]])  # English documents are 7 points above Chinese ones
    pipeline = Reranking(ScorerRetriever(Scores(biased, "a")), ScorerRetriever(Scores(biased, "b")), candidates=2)
    plain, scaled = (
        isoglot.audit(pipeline, collection_of(2), pools=[LANGUAGES], scenarios=["multi"], balance=balance)
        for balance in ("none", "scaled(k=2, weight=1)")
    )
    assert plain.scenarios[0].cut is not None
    assert plain.scenarios[0].cut.beyond == {"en": 0, "zh": 2}
    assert scaled.scenarios[0].cut is not None
    assert scaled.scenarios[0].cut.beyond == {"en": 0, "zh": 0}


@given(st.integers(0, 10**6))
def test_a_large_margin_puts_the_query_language_first_in_fused_and_reranked_lists(seed: int) -> None:
    draw = np.random.default_rng(seed)
    parts = [ScorerRetriever(Scores(draw.normal(size=(4, 8)), name)) for name in "ab"]
    collection = collection_of(4)
    for pipeline in (Fusion(parts), Reranking(*parts, candidates=8)):
        for found in ranked(pipeline, collection, "scaled(k=5, weight=0.7, prefer=100)"):
            assert {int(text.split()[-1]) < 4 for text in found[:4]} == {True}


def test_stages_say_which_one_loses_the_other_version(tmp_path: Any) -> None:
    fair = Scores(np.array([[4.0, 1, 3, 2], [1, 4, 2, 3]]), "fair")
    biased = Scores(np.array([[4.0, 3, 2, 1], [3, 4, 1, 2]]), "biased")
    audit = isoglot.audit(
        Reranking(ScorerRetriever(fair), ScorerRetriever(biased), candidates=4),
        collection_of(2),
        pools=[LANGUAGES],
        scenarios=["multi", "mono-same"],
        measures=["complete@2"],
        output=tmp_path / "audit",
    )
    assert [(stage.stage, stage.result.measures["complete@2"].mean, stage.lost) for stage in audit.stages] == [
        ("fair", 100.0, 100.0),
        ("fair %4", 100.0, 100.0),
        ("all", 0.0, 0.0),
    ]
    assert Audit.load(tmp_path / "audit").to_json() == audit.to_json()
    assert audit.stages[1].gained == 0.0


def described(named: str) -> str:
    """The parts of a pipeline, as they are nested."""

    def shown(part: Any) -> str:
        inner = ", ".join(map(shown, getattr(part, "parts", ())))
        return f"{type(part).__name__}({inner})" if inner else part.describe().name

    return shown(parse_pipeline(named, lambda name: ScorerRetriever(Scores(np.zeros((1, 1)), name))))


@pytest.mark.parametrize(
    ("named", "parts"),
    [
        ("a + b", "Fusion(a, b)"),
        ("a + b + c+d", "Fusion(a, b, c+d)"),
        ("a %5", "Cut(a)"),
        ("a %5 + b %7", "Fusion(Cut(a), Cut(b))"),
        ("a >> b", "Reranking(Cut(a), b)"),
        ("a %9 >> b", "Reranking(Cut(a), b)"),
        ("a + b >> c", "Reranking(Cut(Fusion(a, b)), c)"),
        ("(a + b) %9 >> c", "Reranking(Cut(Fusion(a, b)), c)"),
        ("a >> b >> c", "Reranking(Cut(Reranking(Cut(a), b)), c)"),
        ("a + (b >> c)", "Fusion(a, Reranking(Cut(b), c))"),
        ("my model(v2) + b", "Fusion(my model(v2), b)"),
        ("(a + my(1)) %3 >> c", "Reranking(Cut(Fusion(a, my(1))), c)"),
    ],
)
def test_pipelines_are_read_as_in_pyterrier(named: str, parts: str) -> None:
    assert is_pipeline(named)
    assert described(named) == parts


def test_names_are_those_that_make_the_pipeline_again() -> None:
    for named in ("bm25 + bm25", "(bm25 + bm25) %9 >> bm25", "bm25 + (bm25 %3 >> bm25)"):
        assert as_retriever(named).describe().name == named


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("bm25 +", "a retriever is missing before the end"),
        ("bm25 + + bm25", "a retriever is missing before +"),
        ("(bm25 + bm25", "a parenthesis is not closed"),
        ("bm25 + bm25 )", "a parenthesis"),
        ("bm25 %0", "%0 leaves no document"),
        ("bm25 %3 %4", "%4 is one too many"),
        ("bm25 + nowhere/at/all", "no such model folder"),
    ],
)
def test_a_pipeline_that_cannot_be_read_is_refused_in_one_line(named: str, message: str) -> None:
    done = command_line.isoglot("audit", named, "--data", "mini@demo")
    assert done.returncode == 2
    assert message.removeprefix("a parenthesis") in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_prompts_of_a_pipeline_cannot_be_chosen() -> None:
    with pytest.raises(IsoglotError, match="prompts cannot be chosen for a pipeline"):
        as_retriever("bm25 + e5-small-q4", prompts={"query": "q: "})


def test_a_folder_may_be_called_like_a_pipeline(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a + b").mkdir()
    assert not is_pipeline("a + b")
    assert not is_pipeline("e5-small-q4+aligned")
