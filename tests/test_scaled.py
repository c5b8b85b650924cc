"""Scaling by language against scores that are computed one by one, and what must hold of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isoglot
from isoglot import Audit, Collection, Document, IsoglotError, Query
from isoglot.ranking import parts, walks
from isoglot.ranking.balance import Balance, order, parse_balance, scaling_notes, top
from isoglot.ranking.exact import rank, rank_scores
from isoglot.ranking.result import Ranking
from tests.test_balanced import Problem, problems

OPTIONS = st.builds(
    "scaled(k={}, weight={}, prefer={})".format,
    st.integers(1, 7),
    st.sampled_from([0, 0.5, 1]),
    st.sampled_from([0, 0, 0.25, 2]),
)
ASKED_IN = 1
"""The number of the language that problems are asked in; some have no document in it."""


def scaled_scores(problem: Problem, balance: Balance) -> np.ndarray:
    """(q, n) by the definition, language by language; the scores are whole numbers, so that few sums round."""
    scores = (problem.queries @ problem.documents.T).astype(np.float64)
    for query in scores:
        for language in set(problem.languages.tolist()):
            own = query[problem.languages == language].copy()
            best = np.sort(own)[::-1][: balance.k]
            query[problem.languages == language] -= balance.weight * best.mean() + (1 - balance.weight) * own.mean()
            query[problem.languages == language] += balance.prefer * (language == ASKED_IN)
    return scores


def ranked(problem: Problem, balance: str, **options: int) -> Ranking:
    queries, documents, golds, languages, keys = problem
    return rank(
        queries,
        documents,
        golds,
        languages=languages,
        tie_keys=keys,
        balance=balance,
        query_language=ASKED_IN,
        **options,
    )


@settings(deadline=None, max_examples=150)
@given(problems(), OPTIONS, st.integers(1, 35))
def test_ranks_are_those_of_scores_less_what_is_usual(problem: Problem, balance: str, k: int) -> None:
    found = ranked(problem, balance, top_k=k)
    for query, scores in enumerate(scaled_scores(problem, parse_balance(balance))):
        for column, gold in enumerate(problem.golds[query].tolist()):
            if gold < 0:
                assert found.gold_ranks[query, column] == 0
                continue
            surely = np.count_nonzero(scores > scores[gold] + 1e-9)  # equal scores of two languages may round apart
            perhaps = np.count_nonzero(scores >= scores[gold] - 1e-9)
            assert surely < found.gold_ranks[query, column] <= perhaps
        np.testing.assert_allclose(found.top_scores[query], np.sort(scores)[::-1][:k], atol=1e-6)
        np.testing.assert_allclose(scores[found.top[query]], found.top_scores[query], atol=1e-6)
        above = found.gold_ranks[query].max() - np.count_nonzero(problem.golds[query] >= 0)
        assert found.above[query].sum() == above


@settings(deadline=None)
@given(problems(), OPTIONS)
def test_the_order_within_a_language_is_that_of_the_scores(problem: Problem, balance: str) -> None:
    queries, documents, _, languages, keys = problem
    plain, scaled = (ranked(problem, name, top_k=len(keys)) for name in ("none", balance))
    for query in range(len(queries)):
        for language in set(languages.tolist()):
            one, two = (ranking.top[query][languages[ranking.top[query]] == language] for ranking in (plain, scaled))
            assert one.tolist() == two.tolist()
    one_language = problem._replace(languages=np.zeros_like(languages))
    assert (ranked(one_language, balance).gold_ranks == ranked(one_language, "none").gold_ranks).all()
    assert (ranked(one_language, balance).gold_tied == ranked(one_language, "none").gold_tied).all()
    assert documents.shape[1] == 3


@settings(deadline=None)
@given(problems(), OPTIONS, st.integers(1, 14), st.integers(1, 7))
def test_neither_blocks_nor_what_is_kept_changes_anything(
    problem: Problem, balance: str, width: int, fewest: int
) -> None:
    one = ranked(problem, balance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walks, "FEWEST_KEPT", fewest)
        two = ranked(problem, balance, block_bytes=4 * width)
    scores = problem.queries @ problem.documents.T
    given_ = rank_scores(
        lambda start, end: scores[start:end],
        problem.golds,
        languages=problem.languages,
        tie_keys=problem.keys,
        balance=balance,
        query_language=ASKED_IN,
    )
    for name in Ranking.__dataclass_fields__:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
        assert np.array_equal(getattr(one, name), getattr(given_, name)), name


@pytest.mark.parametrize("block_bytes", [4 * 500, parts.BLOCK_BYTES])
@pytest.mark.parametrize("ordered", [False, True])
def test_golds_anywhere_in_a_large_pool_have_exact_ranks(ordered: bool, block_bytes: int) -> None:
    """Also where the first block of a language tells little of the others, as in a corpus that is sorted."""
    generator = np.random.default_rng(0)
    documents = generator.normal(size=(9000, 8)) + np.repeat(generator.normal(size=(3, 8)), 3000, axis=0)
    queries = generator.normal(size=(80, 8)).astype(np.float32)
    if ordered:
        documents = documents[np.lexsort((documents @ queries[0], np.arange(9000) // 3000))]
    documents = documents.astype(np.float32)
    languages = np.arange(9000) // 3000
    golds = generator.integers(0, 9000, (80, 3))
    found = rank(queries, documents, golds, languages=languages, balance="scaled", block_bytes=block_bytes)
    scores = queries.astype(np.float64) @ documents.T.astype(np.float64)
    for own in np.split(scores, 3, axis=1):
        own -= 0.7 * np.sort(own, axis=1)[:, -5:].mean(axis=1, keepdims=True) + 0.3 * own.mean(axis=1, keepdims=True)
    of_golds = np.take_along_axis(scores, golds, axis=1)
    assert found.gold_ranks.max() > 6000
    assert (found.gold_ranks == 1 + (scores[:, None, :] > of_golds[:, :, None]).sum(axis=2)).all()


@settings(deadline=None)
@given(problems(), OPTIONS, st.integers(1, 35))
def test_a_search_orders_as_an_audit_does(problem: Problem, balance: str, k: int) -> None:
    found = ranked(problem, balance, top_k=k)
    by_key = np.argsort(problem.keys)
    sizes, languages = np.bincount(problem.languages), problem.languages[by_key]
    for query, scores in enumerate((problem.queries @ problem.documents.T)[:, by_key]):
        found_first = top(scores, languages, sizes, balance, k, ASKED_IN)
        for positions in (found_first, order(scores, languages, sizes, balance, ASKED_IN)[:k]):
            assert by_key[positions].tolist() == found.top[query].tolist()


def test_worked_example_of_the_docs() -> None:
    """English scores .9 .8 .7, Chinese .75 .3; k 2, weight .5: usual are .5 (.85 + .8) and .5 (.525 + .525)."""
    scores = np.array([[0.9, 0.8, 0.7, 0.75, 0.3]], dtype=np.float32)
    found = rank_scores(
        lambda start, end: scores[start:end],
        np.array([[0, 3]]),
        languages=np.array([0, 0, 0, 1, 1]),
        tie_keys=np.arange(5),
        balance="scaled(k=2, weight=0.5)",
        top_k=5,
    )
    assert found.top.tolist() == [[3, 0, 1, 2, 4]]
    np.testing.assert_allclose(found.top_scores, [[0.225, 0.075, -0.025, -0.125, -0.225]], atol=1e-6)
    assert found.gold_ranks.tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scaled", Balance("scaled")),
        ("scaled(k=3, weight=0.25)", Balance("scaled", 3, 0.25)),
        ("scaled(k=10,weight=1)", Balance("scaled", 10, 1.0)),
        ("scaled(k=5, weight=0.7, prefer=0.02)", Balance("scaled", prefer=0.02)),
        ("scaled(k=5, weight=0.7, prefer=0.00001)", Balance("scaled", prefer=1e-5)),
        ("equal", Balance("equal")),
    ],
)
def test_a_balance_is_read_and_written(text: str, expected: Balance) -> None:
    assert parse_balance(text) == expected
    assert parse_balance(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fair", "unknown balance 'fair'; choose none, equal, proportional, scaled"),
        ("scaled(k=0, weight=1)", "k is 0; it must be at least 1"),
        ("scaled(k=2, weight=1.5)", r"the weight is 1\.5; it must be from 0 to 1"),
        ("scaled(k=2, weight=1, prefer=-1)", "unknown balance 'scaled"),
        ("scaled(3)", r"unknown balance 'scaled\(3\)'"),
    ],
)
def test_a_wrong_balance_is_refused(text: str, message: str) -> None:
    with pytest.raises(IsoglotError, match=message):
        parse_balance(text)


def test_worked_example_of_a_margin_for_the_query_language() -> None:
    """The example above, asked in English: .075 + .2 is before the Chinese .225, which is right behind."""
    scores = np.array([[0.9, 0.8, 0.7, 0.75, 0.3]], dtype=np.float32)

    def ranks(query_language: int | None) -> list[list[int]]:
        ranking = rank_scores(
            lambda start, end: scores[start:end],
            np.array([[0, 3]]),
            languages=np.array([0, 0, 0, 1, 1]),
            tie_keys=np.arange(5),
            balance="scaled(k=2, weight=0.5, prefer=0.2)",
            query_language=query_language,
        )
        return [row.tolist() for row in ranking.gold_ranks]

    assert ranks(0) == [[1, 2]]
    assert ranks(1) == [[2, 1]]
    assert ranks(None) == [[2, 1]]
    with pytest.raises(IsoglotError, match="the margin is -1; it must be 0 or more"):
        Balance("scaled", prefer=-1)


FEW = "Scaled balance, languages with fewer than 5 documents: {}. What is usual for them is the mean of fewer scores."
RARE = (
    "Scaled balance, languages with less than 1 in 100 of another's documents: {}. They may stand too high where only "
    "the other one has the answer."
)
UNKNOWN = "Scaled balance, documents of no known language: {}. They are scaled as if they were all in one language."


@pytest.mark.parametrize(
    ("pools", "expected"),
    [
        ([{"en": 500, "de": 5}], []),
        ([{"en": 5, "de": 4}], [FEW.format("de (4)")]),
        ([{"en": 501, "de": 5}], [RARE.format("de (5 beside 501 in en)")]),
        ([{"en": 9, "und": 8, "": 7}], [UNKNOWN.format("und (8), without a tag (7)")]),
        (
            [{"en": 900, "mul": 2}, {"en": 900, "zho_Hans": 8}],
            [
                FEW.format("mul (2)"),
                RARE.format("mul (2 beside 900 in en), zho_Hans (8 beside 900 in en)"),
                UNKNOWN.format("mul (2)"),
            ],
        ),
        ([{"en": 1}, {"und": 1}, {}, {"en": 9, "de": 0}], []),
    ],
)
def test_what_scaling_cannot_know_is_said(pools: list[dict[str, int]], expected: list[str]) -> None:
    assert list(scaling_notes(pools, "scaled")) == expected
    assert scaling_notes(pools, "equal") == scaling_notes(pools, "none") == ()


def test_fewer_than_k_documents_depend_on_k() -> None:
    assert scaling_notes([{"en": 5, "de": 4}], "scaled(k=4, weight=1)") == ()


class Lengths:
    """Scores a document by its length."""

    def scores(self, queries: Sequence[Query], documents: Sequence[Document]) -> np.ndarray:
        return np.tile([len(document.text) for document in documents], (len(queries), 1))


def test_an_audit_keeps_and_shows_what_scaling_could_not_know(tmp_path: Path) -> None:
    documents = [
        Document(f"{tag}{n}", tag, "t" * (n + 1)) for tag, size in (("en", 600), ("und", 3)) for n in range(size)
    ]
    collection = Collection("mixed", documents, [Query("q", "en", "t")], {"q": ("en0",)})
    plain, scaled = (
        isoglot.audit(Lengths(), collection, balance=balance, output=tmp_path / balance)
        for balance in ("none", "scaled")
    )
    assert plain.notes == ()
    assert "notes" not in json.loads((tmp_path / "none" / "audit.json").read_text())
    assert scaled.notes == tuple(
        note.format(named)
        for note, named in ((FEW, "und (3)"), (RARE, "und (3 beside 600 in en)"), (UNKNOWN, "und (3)"))
    )
    assert Audit.load(tmp_path / "scaled").notes == scaled.notes
    assert all(f"- {note}" in isoglot.to_markdown(scaled) for note in scaled.notes)
