"""Rank correlation: whether a question finds the same documents in the same order, whatever language it is asked in.

MRC, the mean rank correlation (Yang et al., MRL 2024), is the mean over questions and languages of Spearman's
correlation between the ranking for a question in one language and those for it in each other one. Here it is made from
the first K documents of each ranking: those behind them tie, each at the mean of the ranks that are left, as ties do in
Spearman's correlation. With K documents or fewer in the pool, that is the correlation of the whole rankings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.platform.arrays import Floats, Ints
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking


def rank_correlations(
    collection: Collection, pools: Sequence[Pool], rankings: Sequence[Ranking], k: int
) -> list[Floats]:
    """Correlate the ranking for each question with those for the same question in other languages.

    Args:
        collection: What the pools' positions point into.
        pools: Pools, of which those with the same documents belong together.
        rankings: Their rankings, with at least the first k documents.
        k: How many of the first documents of each ranking count.

    Returns:
        For each pool (q,) the mean correlation of each query with the others, -100 to 100. NaN where the question is
        asked in one language only; infinite where a run ends before k.
    """
    found = [np.full(len(pool.queries), np.nan) for pool in pools]
    together: dict[tuple[tuple[str, ...], bytes], list[int]] = defaultdict(list)
    for number, pool in enumerate(pools):
        together[pool.languages, pool.documents.tobytes()].append(number)
    for numbers in together.values():
        asked: dict[str, list[tuple[int, int]]] = defaultdict(list)  # query id -> pool and row
        for number in numbers:
            for row, query in enumerate(pools[number].queries):
                asked[collection.queries[query].query_id].append((number, row))
        total = len(pools[numbers[0]].documents)
        for places in asked.values():
            lists = [_first(rankings[number], row, k) for number, row in places]
            pairs = np.zeros((len(lists), len(lists)))
            for one, other in combinations(range(len(lists)), 2):
                pairs[one, other] = pairs[other, one] = spearman(lists[one], lists[other], total)
            for (number, row), correlations in zip(places if len(places) > 1 else (), pairs, strict=False):
                found[number][row] = 100 * correlations.sum() / (len(places) - 1)
    for pool, ranking, values in zip(pools, rankings, found, strict=True):
        if ranking.ranked.max() < min(k, len(pool.documents)):
            values[~np.isnan(values)] = np.inf
    return found


def spearman(one: Ints, other: Ints, total: int) -> float:
    """Spearman's correlation of two rankings of which the beginnings are known; what is behind them ties.

    Args:
        one: The first documents of one ranking, best first.
        other: The first documents of the other.
        total: Number of documents that both rank.

    Returns:
        From -1 to 1; NaN where one of them tells no document from another.
    """
    (first, first_rest), (second, second_rest) = _deviations(len(one), total), _deviations(len(other), total)
    _, in_one, in_other = np.intersect1d(one, other, return_indices=True)
    only_one, only_other = np.delete(first, in_one), np.delete(second, in_other)
    neither = total - len(in_one) - len(only_one) - len(only_other)
    products = first[in_one] @ second[in_other] + only_one.sum() * second_rest + only_other.sum() * first_rest
    squares = [d @ d + (total - len(d)) * rest**2 for d, rest in ((first, first_rest), (second, second_rest))]
    with np.errstate(invalid="ignore"):
        return float((products + neither * first_rest * second_rest) / np.sqrt(np.prod(squares)))


def _deviations(known: int, total: int) -> tuple[Floats, float]:
    """By how much the ranks of the first documents differ from the mean rank, and that of each one behind them."""
    middle = (total + 1) / 2
    return np.asarray(np.arange(1, known + 1) - middle), (known + 1 + total) / 2 - middle


def _first(ranking: Ranking, row: int, k: int) -> Ints:
    top = ranking.top[row, :k]
    return top[top >= 0]
