"""Exact ranks of gold documents and the exact top k, in blocks of bounded memory and one pass over the documents.

A gold's rank is 1 + the number of documents that score above it: no index, no approximation. Scores are inner products.
Blocks of them come from a float32 matrix product; where its rounding could decide, they are computed again in float64
(`blocks`). So a ranking depends on the vectors alone, identical vectors always tie, and ties are ordered by the pool's
tie keys. Documents can be looked at in parts, anywhere, and the parts joined.

With a balance, ranks in the merged list come from the same counts, by language (`isoglot.ranking.balance`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from isoglot.platform.arrays import Bools, Floats, Ints, Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.balance import check_balance, merge_lists, merged_before
from isoglot.ranking.blocks import WIDTH, Counts, Given, Products, Scores, Top, check_finite, nonzero

BLOCK_BYTES = 16 * 2**20
BEYOND = 2**31 - 1
"""The rank of a gold that is not in its query's run: all that is known is that it is below the run's depth."""


@dataclass(frozen=True)
class Ranking:
    """What ranking q queries against n documents in L languages found.

    Attributes:
        gold_ranks: (q, g) ranks from 1; 0 where a query has no further gold, `BEYOND` where a run
            ends before it.
        gold_tied: (q, g) whether the tie keys decided the gold's rank: another document has exactly its score.
            With a balance: one of its own language, or the one with the same turn in another language's list.
        top: (q, k) positions of the best documents, best first; k is at most n. Filled up with -1 where a run ends.
        top_scores: (q, k) their scores.
        above: (q, L) how many non-gold documents of each language rank above the worst-placed gold.
        ranked: (q,) how many documents are ranked for each query: n, or as many as a run has.
    """

    gold_ranks: Ints
    gold_tied: Bools
    top: Ints
    top_scores: Vectors
    above: Ints
    ranked: Ints


def rank(
    queries: Vectors,
    documents: NDArray[Any],
    golds: Ints,
    *,
    languages: Ints | None = None,
    tie_keys: Ints | None = None,
    balance: str = "none",
    top_k: int = 10,
    block_bytes: int = BLOCK_BYTES,
) -> Ranking:
    """Rank every document for every query by inner product.

    Args:
        queries: (q, d) float32.
        documents: (n, d) float16 or float32; may be mapped from a file, it is read block by block.
        golds: (q, g) positions of the gold documents, filled up with -1; at least one a query.
        languages: (n,) language numbers from 0, not decreasing; None: one language.
        tie_keys: (n,) distinct numbers, smaller ranks first among equal scores; None: the documents' order.
        balance: How the languages' lists are merged (`isoglot.ranking.balance`); no change if there is one language.
        top_k: How many of the best documents to return; 0: none.
        block_bytes: About how much memory a block of scores may take; the result does not depend on it.

    Raises:
        IsoglotError: A vector is not finite, the pool is empty, or the balance is unknown.
    """
    if not len(documents) or not len(queries):
        raise IsoglotError("the pool is empty: there is nothing to rank")
    check_finite(queries, "query")
    pool = Pooled(golds, len(documents), languages, tie_keys, balance, top_k)
    gold_scores = exact_gold_scores(queries, documents, golds)
    return join([look(queries, documents, pool, gold_scores, block_bytes=block_bytes)], pool)


class Pooled:
    """What is asked of a pool of n documents in L languages.

    Args:
        golds: As for `rank`, like all that follows.
        n: How many documents there are.
        languages: Likewise.
        tie_keys: Likewise.
        balance: Likewise.
        top_k: Likewise.

    Attributes:
        bounds: (L + 1,) where each language's documents begin, and n.
        keys: (n,) tie keys.
    """

    def __init__(
        self, golds: Ints, n: int, languages: Ints | None, tie_keys: Ints | None, balance: str, top_k: int
    ) -> None:
        check_balance(balance)
        self.golds, self.balance, self.top_k = golds, balance, min(top_k, n)
        self.bounds = _language_bounds(np.zeros(n, dtype=np.int64) if languages is None else languages)
        self.keys = np.arange(n) if tie_keys is None else tie_keys


@dataclass(frozen=True)
class Part:
    """What some of a pool's documents add to the ranking of q queries.

    Attributes:
        before: (3, q, g, L) how many documents of each language are before each gold: if it won all ties, if the keys
            decide, if it lost all ties.
        tops: The best of these documents: (q, k) positions and scores; with a balance, of each language.
    """

    before: Ints
    tops: tuple[tuple[Ints, Floats], ...]


def exact_gold_scores(queries: Vectors, documents: NDArray[Any], golds: Ints, positions: Ints | None = None) -> Floats:
    """(q, g) the golds' scores in float64; minus infinity where there is no gold among these documents.

    Args:
        queries: (q, d) float32.
        documents: (m, d) float16 or float32.
        golds: As for `rank`.
        positions: (m,) where in the pool the documents stand, increasing; None: they are the pool.
    """
    scores = np.full(golds.shape, -np.inf)
    here = golds >= 0 if positions is None else np.isin(golds, positions)
    rows, columns = np.nonzero(here)
    scores[rows, columns] = Products(queries, documents, positions).exact(rows, golds[rows, columns])
    return scores


def look(
    queries: Vectors,
    documents: NDArray[Any],
    pool: Pooled,
    gold_scores: Floats,
    *,
    positions: Ints | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Part:
    """What m of a pool's documents add to its ranking; threads share out the queries.

    Args:
        queries: (q, d) float32.
        documents: (m, d) float16 or float32.
        pool: What is asked.
        gold_scores: (q, g) of `exact_gold_scores`, over the whole pool.
        positions: (m,) where in the pool the documents stand, increasing; None: they are the pool.
        block_bytes: As for `rank`.

    Raises:
        IsoglotError: A vector is not finite.
    """
    width = max(1, min(WIDTH, block_bytes // 4))
    threads = max((library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"), default=1)
    rows = max(1, min(block_bytes // (4 * width), -(-len(queries) // threads)))

    def some(at: int) -> Part:
        part = slice(at, at + rows)
        scores = Products(queries[part], documents, positions)
        return _look(scores, width, pool, pool.golds[part], gold_scores[part], positions)

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as executor:
        return _stacked(list(executor.map(some, range(0, len(queries), rows))))


def join(parts: Sequence[Part], pool: Pooled) -> Ranking:
    """The ranking of a pool, of whose documents each is in one part."""
    before = np.sum([part.before for part in parts], axis=0)
    golds, valid = pool.golds, pool.golds >= 0
    sizes = np.diff(pool.bounds)
    languages = np.repeat(np.arange(len(sizes)), sizes)
    if pool.balance != "none":
        before = merged_before(before, languages[golds], sizes, pool.balance)
    ties_won, by_keys, ties_lost = before.sum(axis=-1)
    ranks = np.where(valid, by_keys + 1, 0)
    worst = ranks.argmax(axis=1)
    above_worst = before[1, np.arange(len(golds)), worst]
    for column in range(golds.shape[1]):
        counted = valid[:, column] & (ranks[:, column] < ranks.max(axis=1))
        np.subtract.at(above_worst, (np.flatnonzero(counted), languages[golds[counted, column]]), 1)
    lists = [_best(found, pool.keys, pool.top_k) for found in zip(*(part.tops for part in parts), strict=True)]
    top, top_scores = (
        lists[0] if pool.balance == "none" else merge_lists(lists, sizes, pool.keys, pool.balance, pool.top_k)
    )
    ranked = np.full(len(golds), len(pool.keys))
    return Ranking(ranks, valid & (ties_won < ties_lost), top, top_scores.astype(np.float32), above_worst, ranked)


def rank_scores(
    score: Callable[[int, int], Vectors],
    golds: Ints,
    *,
    languages: Ints,
    tie_keys: Ints,
    balance: str = "none",
    top_k: int = 10,
) -> Ranking:
    """As `rank`, by any scores.

    Args:
        score: Gives (end - start, n) float32 scores of all documents for the queries from start to end.
        golds: As for `rank`, like all that follows.
    """
    pool = Pooled(golds, len(languages), languages, tie_keys, balance, top_k)
    rows = max(1, BLOCK_BYTES // (4 * len(languages)))
    parts = []
    for at in range(0, len(golds), rows):
        some = golds[at : at + rows]
        scores = Given(score(at, at + len(some)))
        gold_scores = np.full(some.shape, -np.inf)
        there = np.nonzero(some >= 0)
        gold_scores[there] = scores.exact(there[0], some[there])
        parts.append(_look(scores, WIDTH, pool, some, gold_scores, None))
    return join([_stacked(parts)], pool)


def _look(scores: Scores, width: int, pool: Pooled, golds: Ints, gold_scores: Floats, positions: Ints | None) -> Part:
    """What documents add to the ranking of some queries, in blocks of at most `width` documents of one language."""
    bounds = pool.bounds if positions is None else np.searchsorted(positions, pool.bounds)
    counts = Counts(scores, golds, gold_scores, pool.keys, len(bounds) - 1)
    tops = [Top(scores, len(golds), pool.keys, pool.top_k) for _ in (bounds[1:] if pool.balance != "none" else [None])]
    for language, (first, last) in enumerate(pairwise(bounds.tolist())):
        top = tops[language if pool.balance != "none" else 0]
        for start in range(first, last, width):
            end = min(start + width, last)
            here = np.arange(start, end) if positions is None else positions[start:end]
            block, tolerance = scores.block(start, end)
            top.see(block, tolerance)
            high = block >= np.minimum(counts.floor(tolerance), top.floor)[:, None]
            if np.count_nonzero(high) * 16 > high.size:  # a gold is far down: nearly all are above it
                counts.add_all(block, tolerance, here, language)
                rows, places = nonzero(block >= top.floor[:, None])
            else:
                rows, places = nonzero(high)
                counts.add(rows, here[places], block[rows, places], tolerance, language)
            top.add(rows, here[places], block[rows, places])
    return Part(counts.before, tuple(top.finish() for top in tops))


def _stacked(parts: Sequence[Part]) -> Part:
    """One part of the parts that different queries have in the same documents."""
    tops = (
        (np.concatenate([found for found, _ in lists]), np.concatenate([scores for _, scores in lists]))
        for lists in zip(*(part.tops for part in parts), strict=True)
    )
    return Part(np.concatenate([part.before for part in parts], axis=1), tuple(tops))


def _best(found: Sequence[tuple[Ints, Floats]], keys: Ints, k: int) -> tuple[Ints, Floats]:
    """The first k of several lists of positions and scores: by score, then by tie key."""
    top, scores = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    order = np.lexsort((keys[top], -scores))[:, :k]
    return np.take_along_axis(top, order, axis=1), np.take_along_axis(scores, order, axis=1)


def _language_bounds(languages: Ints) -> Ints:
    """(L + 1,) where each language's documents begin, and n."""
    if np.any(np.diff(languages) < 0):
        raise ValueError("documents must be grouped by language")
    return np.searchsorted(languages, np.arange(languages[-1] + 2)).astype(np.int64)
