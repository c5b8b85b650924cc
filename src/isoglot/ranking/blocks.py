"""Blocks of scores: how they are computed, which of them count above a gold, and the best so far.

A float32 product rounds differently from one machine, block size and position to another. So each block states how far
its scores may be off, and scores that are too close to each other to be ordered are computed again in float64.
"""

from __future__ import annotations

from copy import copy
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from isoglot.platform.arrays import Bools, Floats, Ints, Vectors
from isoglot.platform.errors import IsoglotError

WIDTH = 8 * 255
"""Most documents in a block: its scores for a thousand queries stay in a processor's cache while they are used."""


class Scores(Protocol):
    """The scores of some queries for some documents.

    Attributes:
        queries: Number of queries, q.
    """

    queries: int

    def block(self, start: int, end: int) -> tuple[Vectors, Floats]:
        """The scores (q, end - start) of the documents from start to end, and how far they may be off (q,)."""

    def exact(self, queries: Ints, documents: Ints) -> Floats:
        """The scores (p,) of p pairs of a query and a position in the pool."""

    def of(self, queries: Ints) -> Scores:
        """The scores of some of the queries."""


class Products:
    """Scores that are inner products.

    A float32 product of d terms is off by at most d u |q| |x|, u = 2^-24, whatever the order of its sums
    (Higham 2002, Accuracy and Stability of Numerical Algorithms, 3.5); a little more covers the bounds' own rounding.

    Args:
        queries: (q, d) float32.
        documents: (m, d) float16, float32 or int8.
        positions: (m,) where in the pool the documents stand, increasing; None: they are the pool.
        longest: The length of the longest document of each block, by its bounds, as far as it is known: shared by those
            that multiply the same documents with other queries.
    """

    def __init__(
        self,
        queries: Vectors,
        documents: NDArray[Any],
        positions: Ints | None = None,
        longest: dict[tuple[int, int], float] | None = None,
    ) -> None:
        self.queries = len(queries)
        self._longest = {} if longest is None else longest
        self._queries = np.ascontiguousarray(queries, dtype=np.float32)
        self._documents, self._positions = documents, positions
        lengths = np.linalg.norm(self._queries.astype(np.float64), axis=1)
        self._rounding = 1.01 * (queries.shape[1] + 4) * 2.0**-24 * lengths

    def block(self, start: int, end: int) -> tuple[Vectors, Floats]:
        """Compute a block; `start` and `end` count these documents."""
        documents = np.ascontiguousarray(self._documents[start:end], dtype=np.float32)
        if (start, end) not in self._longest:
            self._longest[start, end] = self._longest_of(documents)
        if self.queries < 16:  # a thin product is faster the other way round
            scores = np.ascontiguousarray((documents @ self._queries.T).T)
        else:
            scores = self._queries @ documents.T
        return scores, self._rounding * self._longest[start, end]

    def of(self, queries: Ints) -> Products:
        """The products of some of the queries."""
        return Products(self._queries[queries], self._documents, self._positions, self._longest)

    def _longest_of(self, documents: Vectors) -> float:
        longest = np.einsum("ij,ij->i", documents, documents).max()
        if not np.isfinite(longest):
            check_finite(self._documents, "document")
            longest = np.square(documents, dtype=np.float64).sum(axis=1).max()
        return float(np.sqrt(longest))

    def exact(self, queries: Ints, documents: Ints) -> Floats:
        """Compute the scores of pairs in float64; `documents` are positions in the pool."""
        if self._positions is not None:
            documents = np.searchsorted(self._positions, documents)
        scores = np.empty(len(queries))
        for start in range(0, len(queries), 256):
            part = slice(start, start + 256)  # few enough that what is copied stays in the cache
            left, right = self._queries[queries[part]], self._documents[documents[part]]
            scores[part] = np.einsum("ij,ij->i", left.astype(np.float64), right.astype(np.float64))
        return scores


class Given:
    """Scores that exist already.

    Args:
        scores: (q, n) float32 or float64, of which blocks are rounded to float32.
    """

    def __init__(self, scores: Vectors | Floats) -> None:
        self.queries = len(scores)
        self._scores = scores
        is_exact = scores.dtype == np.float32
        self._rounding = np.zeros(len(scores)) if is_exact else 2.0**-23 * np.abs(scores).max(axis=1)

    def block(self, start: int, end: int) -> tuple[Vectors, Floats]:
        """A part of the scores."""
        return self._scores[:, start:end].astype(np.float32, copy=False), self._rounding

    def exact(self, queries: Ints, documents: Ints) -> Floats:
        """The scores of pairs."""
        return self._scores[queries, documents].astype(np.float64)

    def of(self, queries: Ints) -> Given:
        """The scores of some of the queries."""
        return Given(self._scores[queries])

    def totals(self, bounds: Ints) -> Floats:
        """The sums (q, L) of the scores of each language, whose documents begin at `bounds` (L + 1,)."""
        return np.stack([self._scores[:, a:b].sum(axis=1, dtype=np.float64) for a, b in pairwise(bounds)], axis=1)


class Without:
    """Scores of which each query has a document that it does not find: its score is minus infinity.

    Args:
        scores: Of q queries. Their blocks are changed in place.
        ignored: (q,) positions in the pool of these documents; -1: none.
        positions: (m,) where in the pool the documents stand, increasing; None: they are the pool.
    """

    def __init__(self, scores: Scores, ignored: Ints, positions: Ints | None = None) -> None:
        self.queries = scores.queries
        self._scores, self._ignored = scores, ignored
        self._places = ignored
        if positions is not None:
            places = np.minimum(np.searchsorted(positions, ignored), len(positions) - 1)
            self._places = np.where(positions[places] == ignored, places, -1)

    def block(self, start: int, end: int) -> tuple[Vectors, Floats]:
        """A block of the scores."""
        block, tolerance = self._scores.block(start, end)
        rows = np.flatnonzero((self._places >= start) & (self._places < end))
        block[rows, self._places[rows] - start] = -np.inf
        return block, tolerance

    def exact(self, queries: Ints, documents: Ints) -> Floats:
        """The scores of pairs."""
        return np.where(self._ignored[queries] == documents, -np.inf, self._scores.exact(queries, documents))

    def of(self, queries: Ints) -> Without:
        """The scores of some of the queries."""
        some = copy(self)
        some.queries, some._scores = len(queries), self._scores.of(queries)
        some._ignored, some._places = self._ignored[queries], self._places[queries]
        return some


class Counts:
    """Counts the documents of each language that score above each gold.

    Args:
        scores: Of q queries.
        golds: (q, g) positions in the pool, filled up with -1.
        thresholds: (q, g, L) the score at which a document of each language ties with each gold.
        keys: (n,) tie keys.

    Attributes:
        before: (3, q, g, L) counts: if the gold won all ties, if the keys decide, if it lost all ties.
    """

    def __init__(self, scores: Scores, golds: Ints, thresholds: Floats, keys: Ints) -> None:
        self._scores, self._golds, self._keys = scores, golds, keys
        self._thresholds = np.where(golds[..., None] >= 0, thresholds, np.inf)
        self.before = np.zeros((3, *thresholds.shape), dtype=np.int64)

    def floor(self, tolerance: Floats, language: int) -> Vectors:
        """The scores (q,) below which a document of a language is below all of a query's golds."""
        return _down(self._thresholds[..., language].min(axis=1) - tolerance)

    def add(self, rows: Ints, documents: Ints, values: Vectors, tolerance: Floats, language: int) -> None:
        """Count those of p documents of a language that are above a gold."""
        for column, thresholds in enumerate(self._thresholds[..., language].T):
            low, high = _down(thresholds - tolerance), up(thresholds + tolerance)
            surely = values > high[rows]
            close = (values >= low[rows]) & ~surely
            self.before[:, :, column, language] += np.bincount(rows[surely], minlength=len(low))
            self._decide(rows[close], documents[close], column, language)

    def add_all(self, block: Vectors, tolerance: Floats, positions: Ints, language: int) -> None:
        """Count those of a whole block of a language's documents, at these positions, that are above a gold."""
        for column, thresholds in enumerate(self._thresholds[..., language].T):
            low, high = _down(thresholds - tolerance), up(thresholds + tolerance)
            surely = _row_counts(block > high[:, None])
            close = np.flatnonzero(_row_counts(block >= low[:, None]) > surely)
            self.before[:, :, column, language] += surely
            near = block[close]
            rows, places = nonzero((near >= low[close, None]) & (near <= high[close, None]))
            self._decide(close[rows], positions[places], column, language)

    def _decide(self, rows: Ints, documents: Ints, column: int, language: int) -> None:
        """Count documents whose scores in float32 are too close to the threshold, by their scores in float64."""
        others = documents != self._golds[rows, column]
        rows, documents = rows[others], documents[others]
        exact, thresholds = self._scores.exact(rows, documents), self._thresholds[rows, column, language]
        tied = exact == thresholds
        won = self._keys[documents] < self._keys[self._golds[rows, column]]
        for number, above in enumerate((exact > thresholds, (exact > thresholds) | (tied & won), exact >= thresholds)):
            self.before[number, :, column, language] += np.bincount(rows[above], minlength=len(self._golds))


class Top:
    """Keeps the best k documents of each query, of those seen.

    Args:
        scores: Of the queries.
        queries: Number of queries, q.
        keys: (n,) tie keys.
        k: How many documents to keep for each query.
    """

    def __init__(self, scores: Scores, queries: int, keys: Ints, k: int) -> None:
        self._scores, self._keys, self._k = scores, keys, k
        self._cut = np.full(queries, -np.inf, dtype=np.float32)
        self._slack = np.zeros(queries)
        self._rows, self._documents = (np.empty(0, dtype=np.int64) for _ in range(2))
        self._values: NDArray[Any] = np.empty(0, dtype=np.float32)
        self._waiting: list[tuple[Ints, Ints, Vectors]] = []

    @property
    def floor(self) -> Vectors:
        """The scores (q,) below which a document is not among the best; scores 2 tolerances apart are in order."""
        return _down(self._cut - self._slack) if self._k else np.full(len(self._cut), np.inf, dtype=np.float32)

    def see(self, block: Vectors, tolerance: Floats, reached: Vectors | None = None) -> None:
        """Note how far scores may be off and, from the first block, how high the best are at least.

        Args:
            block: Scores (q, w) of the next documents.
            tolerance: How far they may be off: (q,).
            reached: Scores (q,) that at least k of them reach, if these are known.
        """
        self._slack = np.maximum(self._slack, 2 * tolerance)
        if 0 < self._k < block.shape[1] and not len(self._values) and not self._waiting:
            self._cut = kth(block, self._k) if reached is None else reached

    def add(self, rows: Ints, documents: Ints, values: Vectors) -> None:
        """Keep those of p documents that may be among the best."""
        kept = values >= self.floor[rows]
        self._waiting.append((rows[kept], documents[kept], values[kept]))
        if sum(len(part) for part, _, _ in self._waiting) > len(self._cut) * self._k:
            self._narrow()

    def finish(self) -> tuple[Ints, Floats]:
        """The positions (q, k) and scores (q, k), by score, then by tie key; fewer columns if fewer were seen."""
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
            self._cut = np.maximum(self._cut, kth(table, self._k))
            kept = values >= self.floor[rows]
            rows, documents, values = rows[kept], documents[kept], values[kept]
        if exactly or len(rows) > 4 * self._k * len(self._cut):  # so many only where vectors are much alike
            scores = self._scores.exact(rows, documents)
            order = np.lexsort((self._keys[documents], -scores, rows))
            order = order[_places(rows, len(self._cut)) < self._k]
            rows, documents, values = rows[order], documents[order], scores[order]
        self._rows, self._documents, self._values = rows, documents, values if exactly else values.astype(np.float32)


def _row_counts(mask: Bools) -> Ints:
    """Count the true values of each row: (r,); by eights, in a fraction of the time that numpy takes along an axis."""
    if mask.shape[1] % 8 or mask.shape[1] > WIDTH:
        return np.asarray(np.count_nonzero(mask, axis=1))
    eights = mask.view(np.uint64).sum(axis=1)  # eight counters of one byte each, at most 255
    return np.asarray(eights.view(np.uint8).reshape(-1, 8).sum(axis=1, dtype=np.int64))


def nonzero(mask: Bools) -> tuple[Ints, Ints]:
    """Find the row and column numbers of true values in a contiguous array, faster than ``mask.nonzero()``."""
    rows, places = np.divmod(np.flatnonzero(mask), mask.shape[1])
    return rows, places


def _places(rows: Ints, count: int) -> Ints:
    """The place (p,) of each of p sorted row numbers among its equals, from 0."""
    return np.arange(len(rows)) - np.searchsorted(rows, np.arange(count))[rows]


def kth(scores: Vectors, k: int) -> Vectors:
    """Find the k-th greatest score of each row: (q,)."""
    width = scores.shape[1]
    return np.partition(scores, width - k, axis=1)[:, width - k]


def _down(values: NDArray[Any]) -> Vectors:
    """Round down to float32."""
    return np.nextafter(values.astype(np.float32), np.float32(-np.inf))


def up(values: NDArray[Any]) -> Vectors:
    """Round up to float32."""
    return np.nextafter(values.astype(np.float32), np.float32(np.inf))


def check_finite(vectors: NDArray[Any], what: str) -> None:
    """Check that (n, d) vectors are finite.

    Raises:
        IsoglotError: One is not; the message names `what` they are and how many are not.
    """
    broken = sum(
        np.count_nonzero(~np.isfinite(vectors[at : at + 65536]).all(axis=1)) for at in range(0, len(vectors), 65536)
    )
    if broken:
        raise IsoglotError(f"the model gave {broken} {what} vectors that are not finite (NaN or infinite)")
