"""Ranking a pool in parts: what some of its documents add for some of its queries, and how parts are joined.

`isoglot.ranking.exact` ranks a whole pool with it; a cluster ranks each part on another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from isoglot.platform.arrays import Floats, Ints, Vectors
from isoglot.ranking.balance import merge_lists, merged_before, parse_balance, usual_scores
from isoglot.ranking.blocks import WIDTH, Counts, Kept, Products, Scores, Top, Without, nonzero
from isoglot.ranking.result import Ranking

BLOCK_BYTES = 16 * 2**20
KEPT_BYTES = 128 * 2**20
"""``scaled`` uses every score twice; between the two, a thread keeps at most so many bytes of scores. More would make
products a little faster, and cost more than that: memory is slow where a process touches it first."""
FEWEST_KEPT = 64
"""Where the scores of fewer queries fit into a thread's share, they are computed twice: thin products are slow."""


class RankingTask:
    """What is to be ranked: a pool of n documents in L languages, and the golds of q queries.

    Args:
        golds: (q, g) positions of the gold documents, filled up with -1.
        n: Number of documents.
        languages: (n,) language numbers from 0, not decreasing; None: one language.
        tie_keys: (n,) distinct numbers, smaller ranks first among equal scores; None: the documents' order.
        balance: As `parse_balance` reads it.
        top_k: How many of the best documents to return; 0: none.
        ignored: (q,) positions of documents that their queries do not find, -1 for none; None: none at all.

    Attributes:
        bounds: (L + 1,) where each language's documents begin, and n.
        sizes: (L,) number of documents of each language.
        keys: (n,) tie keys.
        depth: How many of the best documents each part has to return (of each language, with a balance).

    Raises:
        IsoglotError: The balance is unknown.
    """

    def __init__(
        self,
        golds: Ints,
        n: int,
        *,
        languages: Ints | None = None,
        tie_keys: Ints | None = None,
        balance: str = "none",
        top_k: int = 10,
        ignored: Ints | None = None,
    ) -> None:
        self.ignored = ignored if ignored is not None and (ignored >= 0).any() else None
        self.golds, self.balance, self.top_k = golds, parse_balance(balance), min(top_k, n)
        self.bounds = _language_bounds(np.zeros(n, dtype=np.int64) if languages is None else languages)
        self.sizes = np.diff(self.bounds)
        self.keys = np.arange(n) if tie_keys is None else tie_keys
        self.depth = max(self.top_k, self.balance.k) if self.balance.name == "scaled" else self.top_k

    def found(self, scores: Scores, rows: slice, positions: Ints | None = None) -> Scores:
        """The scores of some queries, of which none finds the document that it ignores."""
        return scores if self.ignored is None else Without(scores, self.ignored[rows], positions)

    @property
    def gold_languages(self) -> Ints:
        """(q, g) language numbers of the golds; of -1 that of the last document."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)[self.golds]


@dataclass(frozen=True)
class Peaks:
    """What some of a pool's documents tell about the usual scores of each language, for q queries.

    Attributes:
        tops: The best of these documents: (q, m) positions and scores, of each language; without a balance of all.
        totals: (q, L) sums of the scores of each language; None unless the balance is ``scaled``.
    """

    tops: tuple[tuple[Ints, Floats], ...]
    totals: Floats | None = None


@dataclass(frozen=True)
class Part:
    """What some of a pool's documents add to the ranking of q queries.

    Attributes:
        before: (3, q, g, L) number of documents of each language before each gold: if it won all ties, if the keys
            decide, if it lost all ties.
        peaks: The best of these documents; None where they were found before.
    """

    before: Ints
    peaks: Peaks | None


def exact_gold_scores(queries: Vectors, documents: NDArray[Any], golds: Ints, positions: Ints | None = None) -> Floats:
    """The golds' scores in float64: (q, g); minus infinity where there is no gold among these documents.

    Args:
        queries: (q, d) float32.
        documents: (m, d) float16 or float32.
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
        documents: (m, d) float16 or float32.
        task: What is to be ranked.
        positions: (m,) where in the pool the documents stand, increasing; None: they are the pool.
        block_bytes: About how much memory a block of scores may take.

    Raises:
        IsoglotError: A vector is not finite.
    """
    width = max(1, min(WIDTH, block_bytes // 4))
    totals = _totals(queries, documents, task, positions)

    def work(rows: slice) -> Peaks:
        scores = task.found(Products(queries[rows], documents, positions), rows, positions)
        return _peaks(scores, width, task, positions)

    found = _in_threads(work, len(queries), block_bytes // (4 * width))
    return Peaks(_stack_tops([peaks.tops for peaks in found]), totals)


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
        documents: (m, d) float16 or float32.
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
    fused = task.balance.name == "scaled" and usual is None
    totals = _totals(queries, documents, task, positions) if fused else None
    kept = KEPT_BYTES // (4 * len(documents)) if fused else 0
    if kept >= FEWEST_KEPT:
        most = kept
    buffers = local()
    longest: dict[tuple[int, int], float] = {}

    def work(rows: slice) -> Part:
        scores = Products(queries[rows], documents, positions, longest)
        if kept >= FEWEST_KEPT and not hasattr(buffers, "scores"):
            buffers.scores = np.empty(_step(len(queries), most) * len(documents), dtype=np.float32)
        kept_or_not = Kept(scores, buffers.scores) if kept >= FEWEST_KEPT else scores
        return count_part(
            task.found(kept_or_not, rows, positions),
            width,
            task,
            task.golds[rows],
            gold_scores[rows],
            usual=None if usual is None else usual[rows],
            totals=None if totals is None else totals[rows],
            positions=positions,
        )

    return stack_parts(_in_threads(work, len(queries), most))


def usual_scores_of(peaks: Sequence[Peaks], task: RankingTask) -> tuple[Peaks, Floats]:
    """Join the peaks of all parts of a pool, and find what is usual for each language and query: (q, L)."""
    joined = Peaks(
        tuple(_best(lists, task.keys, task.depth) for lists in zip(*(part.tops for part in peaks), strict=True)),
        np.sum([part.totals for part in peaks if part.totals is not None], axis=0),
    )
    return joined, _usual(joined, task)


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
    step = _step(queries, most)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(_threads()) as executor:
        return list(executor.map(lambda start: work(slice(start, start + step)), range(0, queries, step)))


def _step(queries: int, most: int) -> int:
    """How many queries a thread takes at a time: at most so many, and all threads as many, as often as each other."""
    rounds = -(-queries // (max(1, most) * _threads()))
    return max(1, -(-queries // (max(1, rounds) * _threads())))


def _threads() -> int:
    """The number of threads that BLAS would use."""
    return max((library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"), default=1)


def _blocks(
    scores: Scores, width: int, task: RankingTask, positions: Ints | None
) -> Iterator[tuple[int, Ints, Vectors, Floats]]:
    """The blocks of at most `width` documents of one language: its number, their positions, `Scores.block`."""
    bounds = task.bounds if positions is None else np.searchsorted(positions, task.bounds)
    for language, (first, last) in enumerate(pairwise(bounds.tolist())):
        for start in range(first, last, width):
            end = min(start + width, last)
            here = np.arange(start, end) if positions is None else positions[start:end]
            yield language, here, *scores.block(start, end)


def _peaks(scores: Scores, width: int, task: RankingTask, positions: Ints | None) -> Peaks:
    """The best documents of each language, in blocks of at most `width` documents."""
    tops = [Top(scores, scores.queries, task.keys, task.depth) for _ in task.sizes]
    for language, here, block, tolerance in _blocks(scores, width, task, positions):
        top = tops[language]
        top.see(block, tolerance)
        rows, places = nonzero(block >= top.floor[:, None])
        top.add(rows, here[places], block[rows, places])
    return Peaks(tuple(top.finish() for top in tops))


def count_part(
    scores: Scores,
    width: int,
    task: RankingTask,
    golds: Ints,
    gold_scores: Floats,
    *,
    usual: Floats | None = None,
    totals: Floats | None = None,
    positions: Ints | None = None,
) -> Part:
    """What documents add to the ranking of some queries, in blocks of at most `width` documents of one language.

    The best documents are found on the way, but with ``scaled``: there they are found before, since what is usual for
    a language decides how high a document has to score to be above a gold.
    """
    peaks, tops = None, []
    if task.balance.name == "scaled":
        if usual is None:
            peaks = Peaks(_peaks(scores, width, task, positions).tops, totals)
            usual = _usual(peaks, task)
        thresholds = _thresholds(gold_scores, usual, np.repeat(np.arange(len(task.sizes)), task.sizes)[golds])
    else:
        thresholds = np.broadcast_to(gold_scores[..., None], (*golds.shape, len(task.sizes)))
        lists = len(task.sizes) if task.balance.by_language else 1
        tops = [Top(scores, len(golds), task.keys, task.depth) for _ in range(lists)]
    counts = Counts(scores, golds, thresholds, task.keys)
    for language, here, block, tolerance in _blocks(scores, width, task, positions):
        top = tops[min(language, len(tops) - 1)] if tops else None
        floor = counts.floor(tolerance, language)
        if top is not None:
            top.see(block, tolerance)
            floor = np.minimum(floor, top.floor)
        high = block >= floor[:, None]
        if np.count_nonzero(high) * 16 > high.size:  # a gold is far down: nearly all documents are above it
            counts.add_all(block, tolerance, here, language)
            rows, places = nonzero(block >= top.floor[:, None]) if top is not None else (here[:0], here[:0])
        else:
            rows, places = nonzero(high)
            counts.add(rows, here[places], block[rows, places], tolerance, language)
        if top is not None:
            top.add(rows, here[places], block[rows, places])
    return Part(counts.before, peaks if task.balance.name == "scaled" else Peaks(tuple(top.finish() for top in tops)))


def _thresholds(gold_scores: Floats, usual: Floats, gold_languages: Ints) -> Floats:
    """The score (q, g, L) at which a document of each language ties with each gold.

    In the gold's own language it is the gold's score itself, so that scaling changes no order within a language.
    """
    own = np.take_along_axis(usual, gold_languages, axis=1)
    thresholds = (gold_scores - own)[..., None] + usual[:, None, :]
    np.put_along_axis(thresholds, gold_languages[..., None], gold_scores[..., None], axis=2)
    return thresholds


def _usual(peaks: Peaks, task: RankingTask) -> Floats:
    assert peaks.totals is not None
    return usual_scores([scores for _, scores in peaks.tops], peaks.totals, task.sizes, task.balance)


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
        usual = _usual(peaks, task)
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


def _language_bounds(languages: Ints) -> Ints:
    """Where each language's documents begin, and n: (L + 1,)."""
    if np.any(np.diff(languages) < 0):
        raise ValueError("documents must be grouped by language")
    return np.searchsorted(languages, np.arange(languages[-1] + 2)).astype(np.int64)
