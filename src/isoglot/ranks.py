"""Exact ranks of gold documents and the exact top k, in blocks of bounded memory and one pass over the documents.

A gold's rank is 1 + the number of documents that score above it: no index, no approximation. Scores are inner products.
Blocks of them come from a float32 matrix product, which rounds differently from one machine, block size and position to
another; wherever its rounding could decide, the scores are computed again, one by one, in float64. So a ranking depends
on the vectors alone, identical vectors always tie, and ties are ordered by the pool's tie keys.

Balanced retrieval merges the languages' own lists by rank: the best document of every language, then the second best of
every language, and so on. It needs no list either: the r-th document of a language ranks before a gold if and only if
at least r documents of that language do, so the same counts give the gold's place in the merged list.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from isoglot.errors import IsoglotError

BLOCK_BYTES = 16 * 2**20
WIDTH = 8 * 255
"""Most documents in a block: its scores for a thousand queries stay in a processor's cache while they are looked at."""
Vectors = NDArray[np.float32]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """What ranking q queries against n documents in L languages found.

    Attributes:
        gold_ranks: (q, g) ranks from 1; 0 where a query has no further gold, `isoglot.measures.BEYOND` where a run
            ends before it.
        gold_tied: (q, g) whether the tie keys decided the gold's rank: another document has exactly its score.
            Balanced: one of its own language, or the one with the same rank in another language's list.
        top: (q, k) positions of the best documents, best first; k is at most n. Filled up with -1 where a run ends.
        top_scores: (q, k) their scores.
        above: (q, L) how many non-gold documents of each language rank above the worst-placed gold.
        ranked: (q,) how many documents are ranked for each query: n, or as many as a run has.
    """

    gold_ranks: Ints
    gold_tied: NDArray[np.bool_]
    top: Ints
    top_scores: Vectors
    above: Ints
    ranked: Ints


class Scores(Protocol):
    """The scores of some queries."""

    def block(self, start: int, end: int) -> tuple[Vectors, Floats]:
        """(q, end - start) scores of the documents from start to end, and (q,) how far they may be off."""

    def exact(self, queries: Ints, documents: Ints) -> Floats:
        """(p,) the scores of p pairs."""


def rank(
    queries: Vectors,
    documents: NDArray[Any],
    golds: Ints,
    *,
    languages: Ints | None = None,
    tie_keys: Ints | None = None,
    balanced: bool = False,
    top_k: int = 10,
    block_bytes: int = BLOCK_BYTES,
) -> Ranking:
    """Rank every document for every query by inner product.

    Balanced, a query's documents are ordered by their rank in their own language's list, those of equal rank by score.

    Args:
        queries: (q, d) float32.
        documents: (n, d) float16 or float32; may be mapped from a file, it is read block by block.
        golds: (q, g) positions of the gold documents, filled up with -1; at least one a query.
        languages: (n,) language numbers from 0, not decreasing; None: one language.
        tie_keys: (n,) distinct numbers, smaller ranks first among equal scores; None: the documents' order.
        balanced: Whether every language gets an equal share of the results; no change if there is one language.
        top_k: How many of the best documents to return; 0: none.
        block_bytes: About how much memory a block of scores may take; the result does not depend on it.

    Raises:
        IsoglotError: A vector is not finite, or the pool is empty.
    """
    if not len(documents) or not len(queries):
        raise IsoglotError("the pool is empty: there is nothing to rank")
    _check_finite(queries, "query")
    width = max(1, min(WIDTH, block_bytes // 4))

    def scores(start: int, end: int) -> Scores:
        return _Products(queries[start:end], documents)

    threads = max((library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"), default=1)
    rows = max(1, min(block_bytes // (4 * width), -(-len(queries) // threads)))
    with threadpool_limits(1, "blas"):  # the threads share out the queries, so that all of the work is in parallel
        return _rank_all(scores, rows, width, golds, len(documents), languages, tie_keys, balanced, top_k, threads)


def rank_scores(
    score: Callable[[int, int], Vectors],
    golds: Ints,
    *,
    languages: Ints,
    tie_keys: Ints,
    balanced: bool = False,
    top_k: int = 10,
) -> Ranking:
    """As `rank`, by any scores.

    Args:
        score: Gives (end - start, n) float32 scores of all documents for the queries from start to end.
        golds: As for `rank`, like all that follows.
    """
    n = len(languages)

    def scores(start: int, end: int) -> Scores:
        return _Given(score(start, min(end, len(golds))))

    rows = max(1, BLOCK_BYTES // (4 * n))
    return _rank_all(scores, rows, WIDTH, golds, n, languages, tie_keys, balanced, top_k)


class _Products:
    """Inner products.

    A float32 product of d terms is off by at most d u |q| |x|, u = 2^-24, whatever the order of its sums
    (Higham 2002, Accuracy and Stability of Numerical Algorithms, 3.5); a little more covers the bounds' own rounding.
    """

    def __init__(self, queries: Vectors, documents: NDArray[Any]) -> None:
        self._queries, self._documents = np.ascontiguousarray(queries, dtype=np.float32), documents
        lengths = np.linalg.norm(self._queries.astype(np.float64), axis=1)
        self._rounding = 1.01 * (queries.shape[1] + 4) * 2.0**-24 * lengths

    def block(self, start: int, end: int) -> tuple[Vectors, Floats]:
        documents = np.ascontiguousarray(self._documents[start:end], dtype=np.float32)
        longest = np.einsum("ij,ij->i", documents, documents).max()
        if not np.isfinite(longest):
            _check_finite(self._documents, "document")
            longest = np.square(documents, dtype=np.float64).sum(axis=1).max()
        return self._queries @ documents.T, self._rounding * np.sqrt(longest)

    def exact(self, queries: Ints, documents: Ints) -> Floats:
        scores = np.empty(len(queries))
        for at in range(0, len(queries), 256):
            part = slice(at, at + 256)  # few enough that what is copied stays in the cache
            ours, theirs = self._queries[queries[part]], self._documents[documents[part]]
            scores[part] = np.einsum("ij,ij->i", ours.astype(np.float64), theirs.astype(np.float64))
        return scores


class _Given:
    """Scores that are there already."""

    def __init__(self, scores: Vectors) -> None:
        self._scores, self._exact = scores, np.zeros(len(scores))

    def block(self, start: int, end: int) -> tuple[Vectors, Floats]:
        return self._scores[:, start:end], self._exact

    def exact(self, queries: Ints, documents: Ints) -> Floats:
        return self._scores[queries, documents].astype(np.float64)


def _rank_all(
    scores: Callable[[int, int], Scores],
    rows: int,
    width: int,
    golds: Ints,
    n: int,
    languages: Ints | None,
    tie_keys: Ints | None,
    balanced: bool,
    top_k: int,
    threads: int = 1,
) -> Ranking:
    """The ranking of all queries, `rows` at a time, in blocks of at most `width` documents of one language."""
    keys = np.arange(n) if tie_keys is None else tie_keys
    bounds = _language_bounds(np.zeros(n, dtype=np.int64) if languages is None else languages)

    def some(at: int) -> Ranking:
        return _rank_some(scores(at, at + rows), width, golds[at : at + rows], keys, bounds, min(top_k, n), balanced)

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(some, range(0, len(golds), rows)))
    return Ranking(*(np.concatenate([getattr(part, name) for part in parts]) for name in Ranking.__dataclass_fields__))


def _rank_some(
    scores: Scores, width: int, golds: Ints, keys: Ints, bounds: Ints, top_k: int, balanced: bool
) -> Ranking:
    valid = golds >= 0
    counts = _Counts(scores, golds, keys, len(bounds) - 1)
    tops = [_Top(scores, len(golds), keys, top_k) for _ in (bounds[1:] if balanced else [None])]
    for language, (first, last) in enumerate(pairwise(bounds.tolist())):
        for start in range(first, last, width):
            block, tolerance = scores.block(start, min(start + width, last))
            top = tops[language if balanced else 0]
            top.look(block, tolerance)
            floor = np.minimum(counts.floor(tolerance), top.floor)
            seen = block >= floor[:, None]
            if np.count_nonzero(seen) * 16 > seen.size:  # a gold that is far down: nearly all are above it
                counts.add_all(block, tolerance, start, language)
                rows, places = _nonzero(block >= top.floor[:, None])
            else:
                rows, places = _nonzero(seen)
                counts.add(rows, start + places, block[rows, places], tolerance, language)
            top.add(rows, start + places, block[rows, places])

    before = counts.before
    languages = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    if balanced:
        before = _merged_before(before, languages[golds], np.diff(bounds))
    ties_won, by_keys, ties_lost = before.sum(axis=-1)
    ranks = np.where(valid, by_keys + 1, 0)
    worst = ranks.argmax(axis=1)
    above_worst = before[1, np.arange(len(golds)), worst]
    for column in range(golds.shape[1]):
        counted = valid[:, column] & (ranks[:, column] < ranks.max(axis=1))
        np.subtract.at(above_worst, (np.flatnonzero(counted), languages[golds[counted, column]]), 1)
    ranked = np.full(len(golds), len(keys))
    best, best_scores = _merge_lists([part.finish() for part in tops], keys, top_k)
    return Ranking(ranks, valid & (ties_won < ties_lost), best, best_scores, above_worst, ranked)


class _Counts:
    """How many documents of each language score above each gold.

    Attributes:
        before: (3, q, g, L): if the gold won all ties, if the keys decide, if it lost all ties.
    """

    def __init__(self, scores: Scores, golds: Ints, keys: Ints, languages: int) -> None:
        self._scores, self._golds, self._keys = scores, golds, keys
        self._gold_scores = np.full(golds.shape, np.inf)
        there = np.nonzero(golds >= 0)
        self._gold_scores[there] = scores.exact(there[0], golds[there])
        self.before = np.zeros((3, *golds.shape, languages), dtype=np.int64)

    def floor(self, tolerance: Floats) -> Vectors:
        """(q,) scores below which a document is below all of a query's golds."""
        return _down(self._gold_scores.min(axis=1) - tolerance)

    def add(self, rows: Ints, documents: Ints, values: Vectors, tolerance: Floats, language: int) -> None:
        """Count those of p documents that are above a gold."""
        for column, gold_scores in enumerate(self._gold_scores.T):
            low, high = _down(gold_scores - tolerance), _up(gold_scores + tolerance)
            surely = values > high[rows]
            close = (values >= low[rows]) & ~surely
            self.before[:, :, column, language] += np.bincount(rows[surely], minlength=len(low))
            self._decide(rows[close], documents[close], column, language)

    def add_all(self, block: Vectors, tolerance: Floats, start: int, language: int) -> None:
        """As `add`, of a whole block."""
        for column, gold_scores in enumerate(self._gold_scores.T):
            low, high = _down(gold_scores - tolerance), _up(gold_scores + tolerance)
            surely = _row_counts(block > high[:, None])
            close = np.flatnonzero(_row_counts(block >= low[:, None]) > surely)
            self.before[:, :, column, language] += surely
            near = block[close]
            rows, places = _nonzero((near >= low[close, None]) & (near <= high[close, None]))
            self._decide(close[rows], start + places, column, language)

    def _decide(self, rows: Ints, documents: Ints, column: int, language: int) -> None:
        """Count documents whose scores in float32 are too close to the gold's."""
        others = documents != self._golds[rows, column]
        rows, documents = rows[others], documents[others]
        exact, gold_scores = self._scores.exact(rows, documents), self._gold_scores[rows, column]
        tied = exact == gold_scores
        won = self._keys[documents] < self._keys[self._golds[rows, column]]
        for number, above in enumerate(
            (exact > gold_scores, (exact > gold_scores) | (tied & won), exact >= gold_scores)
        ):
            self.before[number, :, column, language] += np.bincount(rows[above], minlength=len(self._golds))


class _Top:
    """The best k documents of each query, of those seen."""

    def __init__(self, scores: Scores, queries: int, keys: Ints, k: int) -> None:
        self._scores, self._keys, self._k = scores, keys, k
        self._cut = np.full(queries, -np.inf, dtype=np.float32)
        self._slack = np.zeros(queries)
        self._rows, self._documents = (np.empty(0, dtype=np.int64) for _ in range(2))
        self._values: NDArray[Any] = np.empty(0, dtype=np.float32)
        self._waiting: list[tuple[Ints, Ints, Vectors]] = []

    @property
    def floor(self) -> Vectors:
        """(q,) scores below which a document is not among the best; scores 2 tolerances apart are surely in order."""
        return _down(self._cut - self._slack) if self._k else np.full(len(self._cut), np.inf, dtype=np.float32)

    def look(self, block: Vectors, tolerance: Floats) -> None:
        """Learn how far scores may be off and, from the first block, how high the best are at least."""
        self._slack = np.maximum(self._slack, 2 * tolerance)
        if 0 < self._k < block.shape[1] and not len(self._values) and not self._waiting:
            self._cut = _kth(block, self._k)

    def add(self, rows: Ints, documents: Ints, values: Vectors) -> None:
        """Keep those of p documents that may be among the best."""
        kept = values >= self.floor[rows]
        self._waiting.append((rows[kept], documents[kept], values[kept]))
        if sum(len(part) for part, _, _ in self._waiting) > len(self._cut) * self._k:
            self._narrow()

    def finish(self) -> tuple[Ints, Floats]:
        """(q, k) positions and scores, by score, then by tie key; fewer columns if fewer documents were seen."""
        self._narrow(exactly=True)
        shape = len(self._cut), len(self._rows) // len(self._cut)
        return self._documents.reshape(shape), self._values.reshape(shape)

    def _narrow(self, exactly: bool = False) -> None:
        parts: list[tuple[NDArray[Any], ...]] = [(self._rows, self._documents, self._values), *self._waiting]
        self._waiting = []
        rows, documents, values = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.argsort(rows, kind="stable")
        rows, documents, values = rows[order], documents[order], values[order]
        places = _places(rows, len(self._cut))
        if len(rows) and places.max() >= self._k:
            table = np.full((len(self._cut), places.max() + 1), -np.inf, dtype=np.float32)
            table[rows, places] = values
            self._cut = np.maximum(self._cut, _kth(table, self._k))
            kept = values >= self.floor[rows]
            rows, documents, values = rows[kept], documents[kept], values[kept]
        if exactly or len(rows) > 4 * self._k * len(self._cut):  # so many only where vectors are much alike
            scores = self._scores.exact(rows, documents)
            order = np.lexsort((self._keys[documents], -scores, rows))
            order = order[_places(rows, len(self._cut)) < self._k]
            rows, documents, values = rows[order], documents[order], scores[order]
        self._rows, self._documents, self._values = rows, documents, values if exactly else values.astype(np.float32)


def _row_counts(mask: NDArray[np.bool_]) -> Ints:
    """(r,) true values in each row; by eights, in a fraction of the time that numpy takes along an axis."""
    if mask.shape[1] % 8 or mask.shape[1] > WIDTH:
        return np.asarray(np.count_nonzero(mask, axis=1))
    eights = mask.view(np.uint64).sum(axis=1)  # eight counters of one byte each, at most 255
    return np.asarray(eights.view(np.uint8).reshape(-1, 8).sum(axis=1, dtype=np.int64))


def _nonzero(mask: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """As ``mask.nonzero()`` of a contiguous array, in a fraction of the time."""
    rows, places = np.divmod(np.flatnonzero(mask), mask.shape[1])
    return rows, places


def _places(rows: Ints, count: int) -> Ints:
    """(p,) the place of each of p sorted row numbers among its equals, from 0."""
    return np.arange(len(rows)) - np.searchsorted(rows, np.arange(count))[rows]


def _kth(scores: Vectors, k: int) -> Vectors:
    """(q,) the k-th greatest of each row."""
    width = scores.shape[1]
    return np.partition(scores, width - k, axis=1)[:, width - k]


def _down(values: NDArray[Any]) -> Vectors:
    """As float32, rounded down."""
    return np.nextafter(values.astype(np.float32), np.float32(-np.inf))


def _up(values: NDArray[Any]) -> Vectors:
    """As float32, rounded up."""
    return np.nextafter(values.astype(np.float32), np.float32(np.inf))


def _check_finite(vectors: NDArray[Any], what: str) -> None:
    broken = sum(
        np.count_nonzero(~np.isfinite(vectors[at : at + 65536]).all(axis=1)) for at in range(0, len(vectors), 65536)
    )
    if broken:
        raise IsoglotError(f"the model gave {broken} {what} vectors that are not finite (NaN or infinite)")


def _merged_before(before: Ints, gold_languages: Ints, sizes: Ints) -> Ints:
    """(3, q, g, L) documents before each gold in the merged list, from those that score above it.

    With r documents of its own language above it, the gold is in round r + 1. Before it are the r first documents of
    every language, as far as there are any, and the document of its round where more than r score above the gold.
    """
    rounds = np.take_along_axis(before, gold_languages[None, :, :, None], axis=3)
    return np.asarray(np.minimum(rounds, sizes) + (before > rounds))


def _merge_lists(lists: list[tuple[Ints, Floats]], keys: Ints, k: int) -> tuple[Ints, Vectors]:
    """The first k of several lists of positions and scores: by rank in the list, then by score, then by tie key."""
    top, scores = (np.concatenate(parts, axis=1) for parts in zip(*lists, strict=True))
    ranks = np.concatenate([np.arange(found.shape[1]) for found, _ in lists])
    order = np.lexsort((keys[top], -scores, np.broadcast_to(ranks, top.shape)))[:, :k]
    return np.take_along_axis(top, order, axis=1), np.take_along_axis(scores, order, axis=1).astype(np.float32)


def _language_bounds(languages: Ints) -> Ints:
    """(L + 1,) where each language's documents begin, and n."""
    if np.any(np.diff(languages) < 0):
        raise ValueError("documents must be grouped by language")
    return np.searchsorted(languages, np.arange(languages[-1] + 2)).astype(np.int64)
