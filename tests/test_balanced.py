"""Balances against lists that are sorted, merged and searched, and what must hold of them."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.ranking.balance import order, top
from isoglot.ranking.exact import rank
from isoglot.ranking.result import Ranking
from tests.test_measures import DOCUMENTS, EN, RANKED, ZH

MERGED = st.sampled_from(["equal", "proportional"])


class Problem(NamedTuple):
    """The arguments of `rank`; small whole numbers, so that products are exact and many documents tie."""

    queries: np.ndarray
    documents: np.ndarray
    golds: np.ndarray
    languages: np.ndarray
    keys: np.ndarray


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Up to 30 documents of up to 5 languages, some of them without documents; up to 3 golds a query."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    documents, languages = draw(st.integers(1, 30)), draw(st.integers(1, 5))
    golds = np.full((4, 3), -1)
    for row in golds:
        found = generator.choice(documents, generator.integers(1, min(3, documents) + 1), replace=False)
        row[: len(found)] = found
    return Problem(
        generator.integers(-1, 2, (4, 3)).astype(np.float32),
        generator.integers(-1, 2, (documents, 3)).astype(np.float32),
        golds,
        np.sort(generator.integers(0, languages, documents)),
        generator.permutation(documents),
    )


def balanced(problem: Problem, balance: str = "equal", **options: int) -> Ranking:
    queries, documents, golds, languages, keys = problem
    return rank(queries, documents, golds, languages=languages, tie_keys=keys, balance=balance, **options)


def merged(scores: np.ndarray, languages: np.ndarray, keys: np.ndarray, balance: str) -> list[int]:
    """One query's documents by their turns, which are fractions here, then by score."""

    def by_score(at: int) -> tuple[float, int]:
        return -scores[at], keys[at]

    turns = {}
    for number in set(languages.tolist()):
        own = sorted(np.flatnonzero(languages == number).tolist(), key=by_score)
        for rank_, at in enumerate(own, start=1):
            turns[at] = Fraction(rank_) if balance == "equal" else Fraction(2 * rank_ - 1, 2 * len(own))
    return sorted(turns, key=lambda at: (turns[at], *by_score(at)))


@settings(deadline=None, max_examples=150)
@given(problems(), st.integers(1, 35), MERGED)
def test_ranks_ties_top_and_above_are_those_of_the_merged_lists(problem: Problem, k: int, balance: str) -> None:
    found = balanced(problem, balance, top_k=k)
    for query, scores in enumerate(problem.queries @ problem.documents.T):
        expected = merged(scores, problem.languages, problem.keys, balance)
        assert found.top[query].tolist() == expected[:k]
        assert found.top_scores[query].tolist() == scores[expected[:k]].tolist()
        for column, gold in enumerate(problem.golds[query].tolist()):
            if gold < 0:
                assert (found.gold_ranks[query, column], found.gold_tied[query, column]) == (0, False)
                continue
            assert found.gold_ranks[query, column] == expected.index(gold) + 1
            first, last = problem.keys.copy(), problem.keys.copy()
            first[gold], last[gold] = -1, len(expected)
            places = [merged(scores, problem.languages, keys, balance).index(gold) for keys in (first, last)]
            assert found.gold_tied[query, column] == (places[0] < places[1])
        above = [at for at in expected[: found.gold_ranks[query].max()] if at not in problem.golds[query]]
        count = np.bincount(problem.languages[above], minlength=problem.languages.max() + 1)
        assert found.above[query].tolist() == count.tolist()


@settings(deadline=None)
@given(problems(), st.integers(1, 35), MERGED)
def test_a_search_orders_as_an_audit_does(problem: Problem, k: int, balance: str) -> None:
    found = balanced(problem, balance, top_k=k)
    sizes = np.bincount(problem.languages)
    by_key = np.argsort(problem.keys)
    for query, scores in enumerate((problem.queries @ problem.documents.T)[:, by_key]):
        languages = problem.languages[by_key]
        assert by_key[top(scores, languages, sizes, balance, k)].tolist() == found.top[query].tolist()
        assert by_key[order(scores, languages, sizes, balance)[:k]].tolist() == found.top[query].tolist()


@settings(deadline=None)
@given(problems(), st.integers(1, 14), MERGED)
def test_the_block_size_changes_nothing(problem: Problem, width: int, balance: str) -> None:
    one, two = balanced(problem, balance), balanced(problem, balance, block_bytes=4 * 64 * width)
    for name in Ranking.__dataclass_fields__:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


@settings(deadline=None)
@given(problems(), MERGED)
def test_a_pool_of_one_language_is_left_as_it_is(problem: Problem, balance: str) -> None:
    queries, documents, golds, languages, keys = problem
    one = balanced(problem._replace(languages=np.zeros_like(languages)), balance)
    two = rank(queries, documents, golds, tie_keys=keys)
    for name in Ranking.__dataclass_fields__:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


@settings(deadline=None)
@given(problems(), st.integers(0, 2**32))
def test_shuffling_the_documents_of_each_language_changes_nothing(problem: Problem, seed: int) -> None:
    queries, documents, golds, languages, keys = problem
    shuffle = np.lexsort((np.random.default_rng(seed).random(len(keys)), languages))
    moved = np.where(golds < 0, -1, np.argsort(shuffle)[golds])
    one, two = balanced(problem), balanced(Problem(queries, documents[shuffle], moved, languages, keys[shuffle]))
    assert (one.top == shuffle[two.top]).all()
    for name in ("gold_ranks", "gold_tied", "top_scores", "above"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


@settings(deadline=None)
@given(problems())
def test_a_gold_is_at_most_as_many_times_further_down_as_there_are_languages(problem: Problem) -> None:
    queries, documents, golds, languages, keys = problem
    found = balanced(problem).gold_ranks
    for number in range(languages.max() + 1):
        own = np.flatnonzero(languages == number)
        mine = np.where((golds >= 0) & (languages[golds] == number), golds, -1)
        alone = np.where(mine >= 0, mine - own[:1].sum(), -1)
        if len(own):
            within = rank(queries, documents[own], alone, tie_keys=keys[own]).gold_ranks
            assert (found[mine >= 0] <= len(np.unique(languages)) * within[mine >= 0]).all()
            assert (found[mine >= 0] >= within[mine >= 0]).all()


def test_a_language_that_has_run_out_is_passed_over() -> None:
    """By hand: language 0 has the scores 9 8 7 6, language 1 has 5, language 2 has 9.5 and 1."""
    scores = np.array([[9], [8], [7], [6], [5], [9.5], [1]], dtype=np.float32)
    golds = np.array([[3, 4, 6]])
    found = rank(
        np.ones((1, 1), dtype=np.float32),
        scores,
        golds,
        languages=np.array([0, 0, 0, 0, 1, 2, 2]),
        balance="equal",
        top_k=7,
    )
    assert scores[found.top[0], 0].tolist() == [9.5, 9, 5, 8, 1, 7, 6]
    assert found.gold_ranks.tolist() == [[7, 3, 5]]
    assert found.above.tolist() == [[3, 0, 1]]


def test_equal_scores_of_other_rounds_are_no_ties() -> None:
    """Languages with the scores 9 5 and 5 1: the second of the first and the first of the second never compete."""
    scores = np.array([[9], [5], [5], [1]], dtype=np.float32)
    found = rank(
        np.ones((1, 1), dtype=np.float32), scores, np.array([[1, 2]]), languages=np.array([0, 0, 1, 1]), balance="equal"
    )
    assert found.gold_ranks.tolist() == [[3, 2]]
    assert not found.gold_tied.any()


@pytest.mark.parametrize(
    ("query", "expected", "ranks"),
    [
        (0, "a-zh a-en b-zh b-en c-zh c-en d-zh d-en", [2, 1]),
        (1, "c-zh b-en b-zh a-en a-zh c-en d-zh d-en", [2, 3]),
        (2, "c-en c-zh d-zh a-en a-zh b-en b-zh d-en", [1, 2]),
    ],
)
def test_worked_example_of_the_docs(query: int, expected: str, ranks: list[int]) -> None:
    languages = np.array([language for _, language in DOCUMENTS])
    names = [f"{content}-{'en' if language == EN else 'zh'}" for content, language in DOCUMENTS]
    scores = np.array([[-RANKED[query].split().index(name)] for name in names], dtype=np.float32)
    golds = np.array([[DOCUMENTS.index(("abc"[query], language)) for language in (EN, ZH)]])
    found = rank(np.ones((1, 1), dtype=np.float32), scores, golds, languages=languages, balance="equal")
    assert [names[at] for at in found.top[0]] == expected.split()
    assert found.gold_ranks[0].tolist() == ranks
