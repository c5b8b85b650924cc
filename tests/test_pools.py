"""Which documents compete for which queries, in every scenario."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoglot import Collection, Document, IsoglotError, Query, load_collection
from isoglot.ranking.exact import rank
from isoglot.ranking.pools import Pool, PoolBuilder

LANGUAGES = ("en", "de", "zh")


def collection(contents: int = 12) -> Collection:
    """Contents 0 .. n-1 in three languages with a question each; content 0 has no German, content 1 is English only."""
    missing = {("0", "de"), ("1", "de"), ("1", "zh")}
    pairs = [(str(c), tag) for c in range(contents) for tag in LANGUAGES]
    documents = [Document(c, tag, f"{c} in {tag}") for c, tag in pairs if (c, tag) not in missing]
    queries = [Query(f"q{c}", tag, f"{c} in {tag}?") for c, tag in pairs]
    return Collection("three", documents, queries, {f"q{c}": (str(c),) for c in range(contents)})


def contents(found: Collection, pool: Pool) -> list[tuple[str, str]]:
    return [(found.documents[at].content_id, found.documents[at].language) for at in pool.documents]


def golds(found: Collection, pool: Pool) -> dict[str, set[tuple[str, str]]]:
    inside = contents(found, pool)
    return {
        found.queries[query].query_id: {inside[at] for at in row if at >= 0}
        for query, row in zip(pool.queries, pool.golds, strict=True)
    }


def one(found: Collection, scenario: str, languages: list[str], asked: str, **options: object) -> Pool:
    builder = PoolBuilder(found, **options)  # type: ignore[arg-type]
    return next(p for p in builder.build([scenario], [languages], [asked]) if p.query_language == asked)


def _build(found: Collection, options: dict[str, object]) -> list[Pool]:
    return PoolBuilder(found, **options).build()  # type: ignore[arg-type]


def test_multi_holds_all_documents_of_its_languages_and_every_version_is_gold() -> None:
    found = collection()
    pool = one(found, "multi", ["en", "zh"], "zh")
    assert sorted(contents(found, pool)) == sorted(
        (d.content_id, d.language) for d in found.documents if d.language in ("en", "zh")
    )
    assert golds(found, pool)["q5"] == {("5", "en"), ("5", "zh")}
    assert golds(found, pool)["q1"] == {("1", "en")}


def test_three_languages_without_english_and_a_query_language_outside_the_pool() -> None:
    found = collection()
    assert golds(found, one(found, "multi", ["en", "de", "zh"], "de"))["q7"] == {("7", tag) for tag in LANGUAGES}
    outside = one(found, "multi", ["de", "zh"], "en")
    assert golds(found, outside)["q7"] == {("7", "de"), ("7", "zh")}
    assert "q1" not in golds(found, outside)


def test_queries_in_a_language_without_documents_are_asked_in_every_pool_unless_others_are_named() -> None:
    """The layout of NeuCLIR: questions in one language, documents in others."""
    documents = [Document("a", tag, f"{tag} a") for tag in ("de", "zh")]
    queries = [Query("a", "en", "a?")]
    found = Collection("topics", documents, queries, {"a": ("a",)})
    cells = {(pool.scenario, pool.languages, pool.query_language) for pool in PoolBuilder(found).build()}
    assert cells == {
        ("multi", ("de", "zh"), "en"),
        ("mono-cross", ("de",), "en"),
        ("mono-cross", ("zh",), "en"),
        ("control", ("de", "zh"), "en"),
    }
    with pytest.raises(IsoglotError, match="no query has a gold document"):
        PoolBuilder(found).build(query_languages=["de"])


def test_mono_same_and_mono_cross_have_documents_of_one_language() -> None:
    found = collection()
    cells = [(p.languages, p.query_language) for p in PoolBuilder(found).build(["mono-same"], [["en", "de"]])]
    assert cells == [(("en",), "en"), (("de",), "de")]
    cells = [(p.languages, p.query_language) for p in PoolBuilder(found).build(["mono-cross"], [["en", "de"]])]
    assert cells == [(("en",), "de"), (("de",), "en")]
    cross = one(found, "mono-cross", ["de"], "zh")
    assert {language for _, language in contents(found, cross)} == {"de"}
    assert "q0" not in golds(found, cross)


@pytest.mark.parametrize("languages", [["en", "zh"], ["en", "de", "zh"]])
def test_control_keeps_each_content_once_balanced_and_chosen_by_seed(languages: list[str]) -> None:
    found = collection(40)
    pool = one(found, "control", languages, "zh")
    kept = contents(found, pool)
    assert sorted(content for content, _ in kept) == sorted(str(c) for c in range(40))
    shares = Counter(language for _, language in kept)
    assert max(shares.values()) - min(shares.values()) <= 1
    assert ("1", "en") in kept
    assert all(len(of) == 1 for of in golds(found, pool).values())
    assert contents(found, one(found, "control", languages, "en")) == kept
    assert contents(found, one(found, "control", languages, "zh", seed=1)) != kept


@given(st.lists(st.sampled_from(["en", "zh", "both"]), min_size=2, max_size=25), st.integers(0, 100))
def test_control_is_as_balanced_as_contents_of_one_language_allow(where: list[str], seed: int) -> None:
    have = [(str(c), tag) for c, tags in enumerate(where) for tag in ("en", "zh") if tags in (tag, "both")]
    queries = [Query(f"q{c}", "en", f"{c}?") for c in range(len(where))]
    documents = [Document(c, tag, f"{c} in {tag}") for c, tag in have]
    found = Collection("partly", documents, queries, {f"q{c}": (str(c),) for c in range(len(where))})
    kept = contents(found, one(found, "control", ["en", "zh"], "en", seed=seed))
    assert sorted(content for content, _ in kept) == sorted(map(str, range(len(where))))
    share = Counter(language for _, language in kept)
    both, alone = where.count("both"), abs(where.count("en") - where.count("zh"))
    assert abs(share["en"] - share["zh"]) == (alone - both if alone > both else (both - alone) % 2)


def test_equal_scores_favour_no_language_over_many_seeds() -> None:
    found = collection()
    places = []
    for seed in range(300):
        pool = one(found, "multi", ["en", "zh"], "zh", seed=seed)
        same = np.ones((len(pool.documents), 4), dtype=np.float32)
        ranking = rank(
            np.ones((len(pool.queries), 4), dtype=np.float32),
            same,
            pool.golds,
            languages=pool.document_languages,
            tie_keys=pool.tie_keys,
        )
        parallel = (pool.golds >= 0).all(axis=1)
        places.append(ranking.gold_ranks[parallel].mean(axis=0))
    english, chinese = np.mean(places, axis=0)  # of 23 documents the mean place is 12
    assert (english, chinese) == pytest.approx((12, 12), abs=0.4)


def test_a_language_without_golds_stands_in_the_pool_and_is_not_asked_alone() -> None:
    documents = [Document(c, tag, f"{c} in {tag}") for c, tag in (("a", "en"), ("a", "de"), ("b", "zh"), ("c", "zh"))]
    found = Collection("bystander", documents, [Query("q", tag, "?") for tag in LANGUAGES], {"q": ("a",)})
    pool = one(found, "multi", ["en", "de", "zh"], "zh")
    assert len(pool.documents) == 4
    assert golds(found, pool) == {"q": {("a", "en"), ("a", "de")}}
    cells = [p.languages for p in PoolBuilder(found).build(["mono-same"], [list(LANGUAGES)])]
    assert cells == [("en",), ("de",)]


@pytest.mark.parametrize("mode", ["dedup", "per-question"])
def test_a_gold_named_twice_counts_once(mode: str) -> None:
    found = replace(collection(3), golds={"q0": ("0",), "q1": ("1",), "q2": ("2", "2")})
    pool = one(found, "multi", ["en", "zh"], "en", documents_mode=mode)
    assert (pool.golds >= 0).sum(axis=1).max() == 2
    assert Counter(contents(found, pool))[("2", "en")] == 1


def test_rows_in_a_control_pool_keep_all_copies_of_a_content_in_one_language() -> None:
    found = collection(20)
    again = [Query(f"again{c}", "en", f"{c} once more?") for c in range(20)]
    found = replace(
        found,
        queries=[*found.queries, *again],
        golds={**found.golds, **{f"again{c}": (str(c),) for c in range(20)}},
    )
    copies = Counter(contents(found, one(found, "control", ["en", "zh"], "en", documents_mode="per-question")))
    assert len({content for content, _ in copies}) == len(copies) == 20
    assert set(copies.values()) == {2}


def test_default_pools_are_english_with_each_other_language_and_all_together_without_english() -> None:
    found = collection()
    assert PoolBuilder(found).default_pools() == [("en", "de"), ("en", "zh")]
    documents = [d for d in found.documents if d.language != "en"]
    rest = {d.content_id for d in documents}
    queries = [q for q in found.queries if found.golds[q.query_id][0] in rest]
    assert PoolBuilder(replace(found, documents=documents, queries=queries)).default_pools() == [("de", "zh")]


def test_each_cell_is_built_once_though_english_is_in_every_pair() -> None:
    cells = [(p.scenario, p.languages, p.query_language) for p in PoolBuilder(collection()).build()]
    assert len(cells) == len(set(cells))


@pytest.mark.parametrize("options", [{}, {"documents_mode": "per-question"}, {"limit": 5}])
def test_shuffling_the_collection_changes_no_pool(options: dict[str, object]) -> None:
    found = collection()
    generator = random.Random(0)
    documents, queries = list(found.documents), list(found.queries)
    generator.shuffle(documents)
    generator.shuffle(queries)
    shuffled = replace(found, documents=documents, queries=queries)
    for a, b in zip(_build(found, options), _build(shuffled, options), strict=True):
        assert contents(found, a) == contents(shuffled, b)
        assert (a.golds == b.golds).all()
        assert (a.tie_keys == b.tie_keys).all()
        assert [found.queries[q] for q in a.queries] == [shuffled.queries[q] for q in b.queries]


def test_tie_keys_are_a_permutation_that_the_seed_decides_and_languages_are_grouped() -> None:
    pool = one(collection(), "multi", ["en", "zh"], "en")
    assert sorted(pool.tie_keys) == list(range(len(pool.documents)))
    assert (np.diff(pool.document_languages) >= 0).all()
    other = one(collection(), "multi", ["en", "zh"], "en", seed=5)
    assert sorted(other.documents) == sorted(pool.documents)
    assert other.documents.tolist() != pool.documents.tolist()


def test_limit_asks_the_same_questions_in_every_language_and_keeps_all_documents() -> None:
    found = collection()
    pools = PoolBuilder(found, limit=4).build(["multi"], [["en", "zh"], ["en", "de"]])
    asked = [[found.queries[q].query_id for q in pool.queries] for pool in pools]
    assert len(asked[0]) == 4
    assert all(ids == asked[0] for ids in asked)
    assert len(pools[0].documents) == 23


def test_rows_have_one_document_for_each_question_and_only_the_own_copy_is_gold() -> None:
    found = collection(3)
    queries = [*found.queries, Query("again", "en", "2 once more?")]
    found = replace(found, queries=queries, golds={**found.golds, "again": ("2",)})
    pool = one(found, "multi", ["en", "zh"], "en", documents_mode="per-question")
    assert Counter(contents(found, pool))[("2", "en")] == 2
    assert (pool.golds >= 0).sum(axis=1).max() == 2
    own = {found.queries[q].query_id: set(row) for q, row in zip(pool.queries, pool.golds, strict=True)}
    assert not own["again"] & own["q2"]


def test_xquad_has_240_documents_a_language_and_1190_in_rows(shared_data: Path) -> None:
    found = load_collection(f"xquad:{shared_data / 'xquad'}")
    for mode, documents in (("dedup", 480), ("per-question", 2380)):
        pool = one(found, "multi", ["en", "zh"], "zh", documents_mode=mode)
        assert (len(pool.documents), len(pool.queries)) == (documents, 1190)
        assert Counter(pool.document_languages.tolist()) == {0: documents // 2, 1: documents // 2}
        assert ((pool.golds >= 0).sum(axis=1) == 2).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"documents_mode": "raw"}, "unknown documents mode 'raw'"),
        ({"limit": 0}, "must be at least 1"),
    ],
)
def test_wrong_settings_are_told(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(IsoglotError, match=message):
        PoolBuilder(collection(), **arguments)  # type: ignore[arg-type]


def test_unknown_scenario_and_a_pool_that_answers_nothing_are_told() -> None:
    with pytest.raises(IsoglotError, match="unknown scenario 'mixed'"):
        PoolBuilder(collection()).build(["mixed"])
    only = Collection(
        "only", [Document("a", "en", "x"), Document("b", "de", "y")], [Query("q", "en", "z")], {"q": ("b",)}
    )
    with pytest.raises(IsoglotError, match="no query has a gold document in any of the pools"):
        PoolBuilder(only).build(["mono-same"], [["en"]])
