"""Exact ranks of gold documents and the exact top k, in blocks of bounded memory.

A gold's rank is 1 + the number of documents that score above it: no index, no approximation. Equal scores are ordered
by the pool's tie keys, and identical vectors always get one score: a matrix product may round them differently by
their position, so each distinct vector is multiplied once.

Balanced retrieval merges the languages' own lists by rank: the best document of every language, then the second best of
every language, and so on. It needs no list either: the r-th document of a language ranks before a gold if and only if
at least r documents of that language do, so the same counts give the gold's place in the merged list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from isoglot.errors import IsoglotError

BLOCK_BYTES = 128 * 2**20
Vectors = NDArray[np.float32]
Ints = NDArray[np.int64]
Slices = Callable[[], Iterable[tuple[int, Vectors]]]
"""Gives (first position, (b, w) scores) for each slice of the documents, each time it is called the same."""


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


def rank(
    queries: Vectors,
    documents: Vectors,
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
        documents: (n, d) float32.
        golds: (q, g) positions of the gold documents, filled up with -1; at least one a query.
        languages: (n,) language numbers from 0, not decreasing; None: one language.
        tie_keys: (n,) distinct numbers, smaller ranks first among equal scores; None: the documents' order.
        balanced: Whether every language gets an equal share of the results; no change if there is one language.
        top_k: How many of the best documents to return.
        block_bytes: About how much memory a block of scores may take; the result does not depend on it but for
            the rounding of the products.

    Raises:
        IsoglotError: A vector is not finite, or the pool is empty.
    """
    if not len(documents) or not len(queries):
        raise IsoglotError("the pool is empty: there is nothing to rank")
    for vectors, what in ((queries, "query"), (documents, "document")):
        broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(broken):
            raise IsoglotError(f"the model gave {len(broken)} {what} vectors that are not finite (NaN or infinite)")
    n = len(documents)
    scorer = _Scorer(documents, width=max(1, min(n, block_bytes // (4 * 64))))
    rows = max(1, block_bytes // (4 * scorer.columns))

    def slices(start: int, end: int) -> Slices:
        if scorer.width < n:
            return lambda: scorer.slices(queries[start:end])
        single = list(scorer.slices(queries[start:end]))  # fits: computed once, else twice
        return lambda: single

    return _rank_blocks(slices, rows, golds, n, languages, tie_keys, balanced, top_k)


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
    rows = max(1, BLOCK_BYTES // (4 * n))

    def slices(start: int, end: int) -> Slices:
        whole = [(0, score(start, min(end, len(golds))))]
        return lambda: whole

    return _rank_blocks(slices, rows, golds, n, languages, tie_keys, balanced, top_k)


def _rank_blocks(
    slices: Callable[[int, int], Slices],
    rows: int,
    golds: Ints,
    n: int,
    languages: Ints | None,
    tie_keys: Ints | None,
    balanced: bool,
    top_k: int,
) -> Ranking:
    """The ranking of all queries, from the slices of scores of `rows` queries at a time."""
    keys = np.arange(n) if tie_keys is None else tie_keys
    bounds = _language_bounds(np.zeros(n, dtype=np.int64) if languages is None else languages)
    parts = [
        _rank_block(slices(at, at + rows), golds[at : at + rows], keys, bounds, min(top_k, n), balanced)
        for at in range(0, len(golds), rows)
    ]
    return Ranking(*(np.concatenate([getattr(part, name) for part in parts]) for name in Ranking.__dataclass_fields__))


class _Scorer:
    """Scores of all documents for some queries, in slices of at most `width` documents."""

    def __init__(self, documents: Vectors, width: int) -> None:
        self.width = width
        first, self._copies = _distinct(documents)
        self._distinct = documents if len(first) == len(documents) else documents[first]
        later = np.arange(len(documents)) // width != first[self._copies] // width
        self._spread = np.unique(self._copies[later])  # in several slices, which would each round its score anew
        self.columns = width + len(self._spread)

    def slices(self, queries: Vectors) -> Iterator[tuple[int, Vectors]]:
        """(first position, (q, w) scores) for each slice; computed again, a slice has the same bits."""
        spread_scores = queries @ self._distinct[self._spread].T
        for start in range(0, len(self._copies), self.width):
            wanted = self._copies[start : start + self.width]
            if len(self._distinct) == len(self._copies):
                yield start, queries @ self._distinct[start : start + self.width].T
            else:
                needed, where = np.unique(wanted, return_inverse=True)
                scores = queries @ self._distinct[needed].T
                _, ours, theirs = np.intersect1d(needed, self._spread, assume_unique=True, return_indices=True)
                scores[:, ours] = spread_scores[:, theirs]
                yield start, scores[:, where]


def _rank_block(slices: Slices, golds: Ints, keys: Ints, bounds: Ints, top_k: int, balanced: bool) -> Ranking:
    valid = golds >= 0
    gold_scores = np.full(golds.shape, np.inf, dtype=np.float32)
    lists = bounds if balanced else bounds[[0, -1]]
    tops = [(np.empty((len(golds), 0), np.int64), np.empty((len(golds), 0), np.float32)) for _ in lists[1:]]
    for start, scores in slices():
        here = valid & (golds >= start) & (golds < start + scores.shape[1])
        gold_scores[here] = scores[np.nonzero(here)[0], golds[here] - start]
        for number, low, high in _spans(lists, start, scores.shape[1]):
            tops[number] = _merge_top(*tops[number], scores[:, low:high], start + low, keys, top_k)

    languages = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    before = np.zeros((3, *golds.shape, len(bounds) - 1), dtype=np.int64)  # ties: all won, by their keys, all lost
    for start, scores in slices():
        for column in range(golds.shape[1]):
            gold, gold_score = golds[:, column], gold_scores[:, column, None]
            above = scores > gold_score
            for language, low, high in _spans(bounds, start, scores.shape[1]):
                before[:, :, column, language] += np.count_nonzero(above[:, low:high], axis=1)
            for row, tied in _ties(scores == gold_score, start, gold):
                won = tied[keys[tied] < keys[gold[row]]]
                before[1, row, column] += np.bincount(languages[won], minlength=before.shape[-1])
                before[2, row, column] += np.bincount(languages[tied], minlength=before.shape[-1])
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
    return Ranking(ranks, valid & (ties_won < ties_lost), *_merge_lists(tops, keys, top_k), above_worst, ranked)


def _spans(bounds: Ints, start: int, width: int) -> list[tuple[int, int, int]]:
    """(number, first, end) of the columns that each part between `bounds` has in a slice, if it has any."""
    edges = np.clip(bounds - start, 0, width).tolist()
    return [(number, low, high) for number, (low, high) in enumerate(pairwise(edges)) if low < high]


def _ties(equal: NDArray[np.bool_], start: int, gold: Ints) -> Iterator[tuple[int, Ints]]:
    """(query, positions of the other documents with its gold's score) where there are any in a slice."""
    inside = np.flatnonzero((gold >= start) & (gold < start + equal.shape[1]))
    equal[inside, gold[inside] - start] = False
    for row in map(int, np.flatnonzero(equal.any(axis=1))):
        yield row, start + np.flatnonzero(equal[row])


def _merged_before(before: Ints, gold_languages: Ints, sizes: Ints) -> Ints:
    """(3, q, g, L) documents before each gold in the merged list, from those that score above it.

    With r documents of its own language above it, the gold is in round r + 1. Before it are the r first documents of
    every language, as far as there are any, and the document of its round where more than r score above the gold.
    """
    rounds = np.take_along_axis(before, gold_languages[None, :, :, None], axis=3)
    return np.asarray(np.minimum(rounds, sizes) + (before > rounds))


def _merge_lists(lists: list[tuple[Ints, Vectors]], keys: Ints, k: int) -> tuple[Ints, Vectors]:
    """The first k of several lists of positions and scores: by rank in the list, then by score, then by tie key."""
    top, scores = (np.concatenate(parts, axis=1) for parts in zip(*lists, strict=True))
    ranks = np.concatenate([np.arange(found.shape[1]) for found, _ in lists])
    order = np.lexsort((keys[top], -scores, np.broadcast_to(ranks, top.shape)))[:, :k]
    return np.take_along_axis(top, order, axis=1), np.take_along_axis(scores, order, axis=1)


def _merge_top(top: Ints, top_scores: Vectors, scores: Vectors, start: int, keys: Ints, k: int) -> tuple[Ints, Vectors]:
    """The best k of the best so far and of a slice's scores, by score, then by tie key."""
    new_top = np.empty((len(scores), min(k, top.shape[1] + scores.shape[1])), dtype=np.int64)
    new_scores = np.empty(new_top.shape, dtype=np.float32)
    width = scores.shape[1]
    cut = np.partition(scores, width - k, axis=1)[:, width - k] if k < width else np.full(len(scores), -np.inf)
    for row, score in enumerate(scores):
        best = np.flatnonzero(score >= cut[row])
        candidates = np.concatenate([top[row], start + best])
        values = np.concatenate([top_scores[row], score[best]])
        order = np.lexsort((keys[candidates], -values))[: new_top.shape[1]]
        new_top[row], new_scores[row] = candidates[order], values[order]
    return new_top, new_scores


def _language_bounds(languages: Ints) -> Ints:
    """(L + 1,) where each language's documents begin, and n."""
    if np.any(np.diff(languages) < 0):
        raise ValueError("documents must be grouped by language")
    return np.searchsorted(languages, np.arange(languages[-1] + 2)).astype(np.int64)


def _distinct(vectors: Vectors) -> tuple[Ints, Ints]:
    """(u,) first position of each distinct row, in order, and (n,) which of those each row equals, bit by bit."""
    generator = np.random.default_rng(0)
    odd = np.asarray(generator.integers(0, 2**63, vectors.shape[1], dtype=np.uint64) * 2 + 1)
    hashes = np.concatenate([_row_hashes(block, odd) for block in np.array_split(vectors, len(vectors) // 4096 + 1)])
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    return first[order].astype(np.int64), number[inverse]


def _row_hashes(vectors: Vectors, odd: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A 64-bit hash of each row's bits."""
    mixed = np.ascontiguousarray(vectors).view(np.uint32) * odd
    mixed ^= mixed >> np.uint64(32)  # else rows that differ in signs alone would use only the top half of the hash
    mixed *= odd
    return np.asarray(mixed.sum(axis=1, dtype=np.uint64))
