"""Ranking a pool in parts: what some of its documents add for some of its queries, and how parts are joined.

`isoglot.ranking.exact` ranks a whole pool with it; a cluster ranks each part on another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from isoglot.platform.arrays import Floats, Ints, Vectors
from isoglot.ranking.balance import merge_lists, merged_before
from isoglot.ranking.blocks import WIDTH, Products
from isoglot.ranking.result import Ranking
from isoglot.ranking.task import Part, Peaks, RankingTask
from isoglot.ranking.walks import KEPT_BYTES, count_part, count_scaled, find_tops, kept_scores, usual_of

BLOCK_BYTES = 16 * 2**20
SCALED_BYTES = 64 * 2**20
"""About how many bytes of scores a thread keeps with ``scaled``, unless that is too little for 64 queries."""


def exact_gold_scores(queries: Vectors, documents: NDArray[Any], golds: Ints, positions: Ints | None = None) -> Floats:
    """The golds' scores in float64: (q, g); minus infinity where there is no gold among these documents.

    Args:
        queries: (q, d) float32.
        documents: (m, d) float16, float32 or int8.
        golds: (q, g) positions in the pool, filled up with -1.
        positions: (m,) where in the pool the documents stand, increasing; None: they are the pool.
    """
    scores = np.full(golds.shape, -np.inf)
    present = golds >= 0 if positions is None else np.isin(golds, positions)
    rows, columns = np.nonzero(present)
    scores[rows, columns] = Products(queries, documents, positions).exact(rows, golds[rows, columns])
    return scores


def find_peaks(
    queries: Vectors,
    documents: NDArray[Any],
    task: RankingTask,
    *,
    positions: Ints | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Peaks:
    """Find the best of m of a pool's documents and the sums of their scores, which ``scaled`` needs before it counts.

    Args:
        queries: (q, d) float32.
        documents: (m, d) float16, float32 or int8.
        task: What is to be ranked.
        positions: (m,) where in the pool the documents stand, increasing; None: they are the pool.
        block_bytes: About how much memory a block of scores may take.

    Raises:
        IsoglotError: A vector is not finite.
    """
    width = max(1, min(WIDTH, block_bytes // 4))
    totals = _totals(queries, documents, task, positions)

    def work(rows: slice) -> tuple[tuple[Ints, Floats], ...]:
        scores = task.found(Products(queries[rows], documents, positions), rows, positions)
        return find_tops(scores, width, task, positions)

    return Peaks(_stack_tops(_in_threads(work, len(queries), block_bytes // (4 * width))), totals)


def rank_part(
    queries: Vectors,
    documents: NDArray[Any],
    task: RankingTask,
    gold_scores: Floats,
    *,
    usual: Floats | None = None,
    positions: Ints | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Part:
    """Compute what m of a pool's documents add to its ranking; threads share out the queries.

    Args:
        queries: (q, d) float32.
        documents: (m, d) float16, float32 or int8.
        task: What is to be ranked.
        gold_scores: (q, g) of `exact_gold_scores`, over the whole pool.
        usual: (q, L) of `usual_scores_of` over the whole pool; required for ``scaled``, unless the documents are the
            pool.
        positions: (m,) where in the pool the documents stand, increasing; None: they are the pool.
        block_bytes: About how much memory a block of scores may take.

    Raises:
        IsoglotError: A vector is not finite.
    """
    width = max(1, min(WIDTH, block_bytes // 4))
    most = block_bytes // (4 * width)
    totals = None
    if task.balance.name == "scaled" and usual is None:
        totals = _totals(queries, documents, task, positions)
        most = min(most, max(64, SCALED_BYTES // (KEPT_BYTES * int(kept_scores(task).sum()))))
    longest: dict[tuple[int, int], float] = {}

    def work(rows: slice) -> Part:
        scores = task.found(Products(queries[rows], documents, positions, longest), rows, positions)
        golds = task.golds[rows]
        if totals is not None:
            return count_scaled(scores, width, task, golds, gold_scores[rows], totals[rows])
        known = None if usual is None else usual[rows]
        return count_part(scores, width, task, golds, gold_scores[rows], usual=known, positions=positions)

    return stack_parts(_in_threads(work, len(queries), most))


def usual_scores_of(peaks: Sequence[Peaks], task: RankingTask) -> tuple[Peaks, Floats]:
    """Join the peaks of all parts of a pool, and find what is usual for each language and query: (q, L)."""
    joined = Peaks(
        tuple(_best(lists, task.keys, task.depth) for lists in zip(*(part.tops for part in peaks), strict=True)),
        np.sum([part.totals for part in peaks if part.totals is not None], axis=0),
    )
    return joined, usual_of(joined, task)


def join(parts: Sequence[Part], task: RankingTask, peaks: Peaks | None = None) -> Ranking:
    """The ranking of a pool, of whose documents each is in one part.

    Args:
        parts: All parts of the pool.
        task: What is ranked.
        peaks: Those of the whole pool, where they were found before the parts; else the parts have theirs.
    """
    before = np.sum([part.before for part in parts], axis=0)
    golds, valid, gold_languages = task.golds, task.golds >= 0, task.gold_languages
    if task.balance.name in ("equal", "proportional"):
        before = merged_before(before, gold_languages, task.sizes, task.balance)
    ties_won, by_keys, ties_lost = before.sum(axis=-1)
    ranks = np.where(valid, by_keys + 1, 0)
    worst = ranks.argmax(axis=1)
    above_worst = before[1, np.arange(len(golds)), worst]
    for column in range(golds.shape[1]):
        counted = valid[:, column] & (ranks[:, column] < ranks.max(axis=1))
        np.subtract.at(above_worst, (np.flatnonzero(counted), gold_languages[counted, column]), 1)
    tops, usual = _tops(parts, task, peaks)
    top, top_scores = tops[0]
    if task.balance.by_language:
        top, top_scores = merge_lists(tops, task.sizes, task.keys, task.balance, task.top_k, usual)
    if task.ignored is not None:
        top, top_scores = _without(top, top_scores, task.ignored)
    return Ranking(
        gold_ranks=ranks,
        gold_tied=valid & (ties_won < ties_lost),
        top=top,
        top_scores=top_scores.astype(np.float32),
        above=above_worst,
        ranked=np.full(len(golds), len(task.keys)),
    )


def _without(top: Ints, scores: Floats, ignored: Ints) -> tuple[Ints, Floats]:
    """The best documents (q, k) with -1 in place of those that are ignored, at the end."""
    gone = top == ignored[:, None]
    order = np.argsort(gone, axis=1, kind="stable")
    top, scores = np.where(gone, -1, top), np.where(gone, np.nan, scores)
    return np.take_along_axis(top, order, axis=1), np.take_along_axis(scores, order, axis=1)


def _in_threads(work: Callable[[slice], Any], queries: int, most: int) -> list[Any]:
    """The results of `work` on all queries, at most so many in each call; BLAS runs single-threaded in each thread."""
    blas = ThreadpoolController().select(user_api="blas")  # finding the libraries takes milliseconds
    threads = max((library["num_threads"] for library in blas.info()), default=1)
    step = _step(queries, most, threads)
    with blas.limit(limits=1), ThreadPoolExecutor(threads) as executor:
        return list(executor.map(lambda start: work(slice(start, start + step)), range(0, queries, step)))


def _step(queries: int, most: int, threads: int) -> int:
    """How many queries a thread takes at a time: at most so many, and all threads as many, as often as each other."""
    rounds = -(-queries // (max(1, most) * threads))
    return max(1, -(-queries // (max(1, rounds) * threads)))


def _totals(queries: Vectors, documents: NDArray[Any], task: RankingTask, positions: Ints | None) -> Floats:
    """The sums (q, L) of the scores of each language's documents: the product with the sum of their vectors."""
    bounds = task.bounds if positions is None else np.searchsorted(positions, task.bounds)
    sums = np.zeros((len(task.sizes), queries.shape[1]))
    for language, (first, last) in enumerate(pairwise(bounds.tolist())):
        for start in range(first, last, WIDTH):
            sums[language] += documents[start : min(start + WIDTH, last)].sum(axis=0, dtype=np.float64)
    return np.asarray(queries.astype(np.float64) @ sums.T)


def _tops(
    parts: Sequence[Part], task: RankingTask, peaks: Peaks | None
) -> tuple[list[tuple[Ints, Floats]], Floats | None]:
    """Join the best documents of all parts; of each language where there is a balance."""
    if peaks is None:
        found = [part.peaks for part in parts if part.peaks is not None]
        if task.balance.name != "scaled":
            lists = zip(*(part.tops for part in found), strict=True)
            return [_best(list_, task.keys, task.top_k) for list_ in lists], None
        peaks, usual = usual_scores_of(found, task)
    else:
        usual = usual_of(peaks, task)
    return [(positions[:, : task.top_k], scores[:, : task.top_k]) for positions, scores in peaks.tops], usual


def stack_parts(parts: Sequence[Part]) -> Part:
    """Make one part of the parts that different queries have in the same documents."""
    before = np.concatenate([part.before for part in parts], axis=1)
    found = [part.peaks for part in parts if part.peaks is not None]
    if not found:
        return Part(before, None)
    totals = [peaks.totals for peaks in found if peaks.totals is not None]
    return Part(before, Peaks(_stack_tops([peaks.tops for peaks in found]), np.concatenate(totals) if totals else None))


def _stack_tops(tops: Sequence[tuple[tuple[Ints, Floats], ...]]) -> tuple[tuple[Ints, Floats], ...]:
    return tuple(
        (np.concatenate([positions for positions, _ in lists]), np.concatenate([scores for _, scores in lists]))
        for lists in zip(*tops, strict=True)
    )


def _best(lists: Sequence[tuple[Ints, Floats]], keys: Ints, k: int) -> tuple[Ints, Floats]:
    """The first k of several lists of positions and scores: by score, then by tie key."""
    positions, scores = (np.concatenate(parts, axis=1) for parts in zip(*lists, strict=True))
    best_first = np.lexsort((keys[positions], -scores))[:, :k]
    return np.take_along_axis(positions, best_first, axis=1), np.take_along_axis(scores, best_first, axis=1)
