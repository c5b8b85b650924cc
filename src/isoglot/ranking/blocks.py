"""Blocks of scores: float32 products, what of them counts above a gold, and the best so far.

A float32 product rounds differently from one machine, block size and position to another. So each block says how far
its scores may be off, and those that are too close to each other to tell are computed again, one by one, in float64.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from isoglot.platform.arrays import Bools, Floats, Ints, Vectors
from isoglot.platform.errors import IsoglotError

WIDTH = 8 * 255
"""Most documents in a block: its scores for a thousand queries stay in a processor's cache while they are looked at."""


class Scores(Protocol):
    """The scores of some queries."""

    def block(self, start: int, end: int) -> tuple[Vectors, Floats]:
        """(q, end - start) scores of the documents from start to end, and (q,) how far they may be off."""

    def exact(self, queries: Ints, documents: Ints) -> Floats:
        """(p,) the scores of p pairs."""


class Products:
    """Inner products.

    A float32 product of d terms is off by at most d u |q| |x|, u = 2^-24, whatever the order of its sums
    (Higham 2002, Accuracy and Stability of Numerical Algorithms, 3.5); a little more covers the bounds' own rounding.
    """

    def __init__(self, queries: Vectors, documents: NDArray[Any], positions: Ints | None = None) -> None:
        self._queries = np.ascontiguousarray(queries, dtype=np.float32)
        self._documents, self._positions = documents, positions
        lengths = np.linalg.norm(self._queries.astype(np.float64), axis=1)
        self._rounding = 1.01 * (queries.shape[1] + 4) * 2.0**-24 * lengths

    def block(self, start: int, end: int) -> tuple[Vectors, Floats]:
        """As `Scores.block`; `start` and `end` count the documents that are here."""
        documents = np.ascontiguousarray(self._documents[start:end], dtype=np.float32)
        longest = np.einsum("ij,ij->i", documents, documents).max()
        if not np.isfinite(longest):
            check_finite(self._documents, "document")
            longest = np.square(documents, dtype=np.float64).sum(axis=1).max()
        return self._queries @ documents.T, self._rounding * np.sqrt(longest)

    def exact(self, queries: Ints, documents: Ints) -> Floats:
        """As `Scores.exact`; `documents` are positions in the pool."""
        if self._positions is not None:
            documents = np.searchsorted(self._positions, documents)
        scores = np.empty(len(queries))
        for at in range(0, len(queries), 256):
            part = slice(at, at + 256)  # few enough that what is copied stays in the cache
            ours, theirs = self._queries[queries[part]], self._documents[documents[part]]
            scores[part] = np.einsum("ij,ij->i", ours.astype(np.float64), theirs.astype(np.float64))
        return scores


class Given:
    """Scores that are there already."""

    def __init__(self, scores: Vectors) -> None:
        self._scores, self._exact = scores, np.zeros(len(scores))

    def block(self, start: int, end: int) -> tuple[Vectors, Floats]:
        """As `Scores.block`."""
        return self._scores[:, start:end], self._exact

    def exact(self, queries: Ints, documents: Ints) -> Floats:
        """As `Scores.exact`."""
        return self._scores[queries, documents].astype(np.float64)


class Counts:
    """How many documents of each language score above each gold.

    Attributes:
        before: (3, q, g, L): if the gold won all ties, if the keys decide, if it lost all ties.
    """

    def __init__(self, scores: Scores, golds: Ints, gold_scores: Floats, keys: Ints, languages: int) -> None:
        self._scores, self._golds, self._keys = scores, golds, keys
        self._gold_scores = np.where(golds >= 0, gold_scores, np.inf)
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

    def add_all(self, block: Vectors, tolerance: Floats, here: Ints, language: int) -> None:
        """As `add`, of a whole block of the documents `here`."""
        for column, gold_scores in enumerate(self._gold_scores.T):
            low, high = _down(gold_scores - tolerance), _up(gold_scores + tolerance)
            surely = _row_counts(block > high[:, None])
            close = np.flatnonzero(_row_counts(block >= low[:, None]) > surely)
            self.before[:, :, column, language] += surely
            near = block[close]
            rows, places = nonzero((near >= low[close, None]) & (near <= high[close, None]))
            self._decide(close[rows], here[places], column, language)

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


class Top:
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

    def see(self, block: Vectors, tolerance: Floats) -> None:
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


def _row_counts(mask: Bools) -> Ints:
    """(r,) true values in each row; by eights, in a fraction of the time that numpy takes along an axis."""
    if mask.shape[1] % 8 or mask.shape[1] > WIDTH:
        return np.asarray(np.count_nonzero(mask, axis=1))
    eights = mask.view(np.uint64).sum(axis=1)  # eight counters of one byte each, at most 255
    return np.asarray(eights.view(np.uint8).reshape(-1, 8).sum(axis=1, dtype=np.int64))


def nonzero(mask: Bools) -> tuple[Ints, Ints]:
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


def check_finite(vectors: NDArray[Any], what: str) -> None:
    """Raises:
    IsoglotError: One of (n, d) vectors is not finite; the message says of `what` and how many.
    """
    broken = sum(
        np.count_nonzero(~np.isfinite(vectors[at : at + 65536]).all(axis=1)) for at in range(0, len(vectors), 65536)
    )
    if broken:
        raise IsoglotError(f"the model gave {broken} {what} vectors that are not finite (NaN or infinite)")
