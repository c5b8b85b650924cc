"""Walks over the blocks of scores of some queries: the best documents, and how many are above each gold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from isoglot.platform.arrays import Floats, Ints, Vectors
from isoglot.ranking.balance import usual_scores
from isoglot.ranking.blocks import Counts, Scores, Top, kth, nonzero, up
from isoglot.ranking.task import Part, Peaks, RankingTask

KEPT_SHARE, FEWEST_KEPT = 64, 512
"""``scaled`` keeps about one in so many of a language's scores of a query, the highest, and not fewer than these."""
KEPT_BYTES = 20
"""What keeping a score takes."""


def find_tops(scores: Scores, width: int, task: RankingTask, positions: Ints | None) -> tuple[tuple[Ints, Floats], ...]:
    """The best documents of each language, as `Peaks.tops`, in blocks of at most `width` documents."""
    tops = [Top(scores, scores.queries, task.keys, task.depth) for _ in task.sizes]
    for language, here, block, tolerance in _blocks(scores, width, task, positions):
        top = tops[language]
        top.see(block, tolerance)
        rows, places = nonzero(block >= top.floor[:, None])
        top.add(rows, here[places], block[rows, places])
    return tuple(top.finish() for top in tops)


def count_part(
    scores: Scores,
    width: int,
    task: RankingTask,
    golds: Ints,
    gold_scores: Floats,
    *,
    usual: Floats | None = None,
    positions: Ints | None = None,
) -> Part:
    """What documents add to the ranking of some queries, in blocks of at most `width` documents of one language.

    The best documents are found on the way. With ``scaled`` they were found before, since what is `usual` for a
    language decides how high a document has to score to be above a gold.
    """
    if usual is not None:
        thresholds, tops = _thresholds(gold_scores, usual, task, golds), []
    else:
        thresholds = np.broadcast_to(gold_scores[..., None], (*golds.shape, len(task.sizes)))
        lists = len(task.sizes) if task.balance.by_language else 1
        tops = [Top(scores, len(golds), task.keys, task.depth) for _ in range(lists)]
    counts = Counts(scores, golds, thresholds, task.keys)
    for language, here, block, tolerance in _blocks(scores, width, task, positions):
        _count_block(counts, tops[min(language, len(tops) - 1)] if tops else None, language, here, block, tolerance)
    return Part(counts.before, Peaks(tuple(top.finish() for top in tops)) if tops else None)


def count_scaled(
    scores: Scores, width: int, task: RankingTask, golds: Ints, gold_scores: Floats, totals: Floats
) -> Part:
    """`count_part` for ``scaled`` and the documents of a whole pool, most often in one walk.

    The highest scores of each language are kept until it is known what is usual. Where a document below them may be
    above a gold, the language is walked over again for that query.

    Args:
        scores: Of q queries.
        width: Most documents in a block.
        task: What is to be ranked.
        golds: (q, g) positions of the golds.
        gold_scores: (q, g) their scores.
        totals: As `Peaks.totals`.
    """
    tops = [Top(scores, scores.queries, task.keys, task.depth) for _ in task.sizes]
    floors = np.full((len(task.sizes), scores.queries), -np.inf, dtype=np.float32)
    shares = kept_scores(task) / np.maximum(task.sizes, 1)
    kept = []
    for language, here, block, tolerance in _blocks(scores, width, task, None):
        top, floor = tops[language], floors[language]
        most, reached = int(np.ceil(shares[language] * len(here))), None
        if most < len(here) and floor[0] == -np.inf:  # the first block
            reached = kth(block, most)
            floor[:] = up(reached)
        top.see(block, tolerance, reached if most >= task.depth else None)
        high = block >= np.minimum(floor, top.floor)[:, None]
        if np.count_nonzero(high) > 4 * most * len(high):  # the first block told little of the others
            floor[:] = np.maximum(floor, up(kth(block, most)))
            high = block >= np.minimum(floor, top.floor)[:, None]
        rows, places = nonzero(high)
        values = block[rows, places]
        top.add(rows, here[places], values)
        kept.append((language, rows, here[places], values, tolerance))
    peaks = Peaks(tuple(top.finish() for top in tops), totals)
    thresholds = _thresholds(gold_scores, usual_of(peaks, task), task, golds)
    counts = Counts(scores, golds, thresholds, task.keys)
    below = np.zeros(floors.shape, dtype=bool)
    for language, rows, documents, values, tolerance in kept:
        floor = counts.floor(tolerance, language)
        below[language] |= floor < floors[language]
        high = values >= floor[rows]
        counts.add(rows[high], documents[high], values[high], tolerance, language)
    for language in np.flatnonzero(below.any(axis=1)).tolist():
        queries = np.flatnonzero(below[language])
        some = scores.of(queries)
        again = Counts(some, golds[queries], thresholds[queries], task.keys)
        for _, here, block, tolerance in _blocks(some, width, task, None, language):
            _count_block(again, None, language, here, block, tolerance)
        counts.before[..., language][:, queries] = again.before[..., language]
    return Part(counts.before, peaks)


def _count_block(counts: Counts, top: Top | None, language: int, here: Ints, block: Vectors, tolerance: Floats) -> None:
    """Count the documents of a block that are above a gold, and show the block to `top`."""
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


def kept_scores(task: RankingTask) -> Ints:
    """About how many scores of each language `count_scaled` keeps for a query: (L,)."""
    return np.asarray(np.minimum(task.sizes, np.maximum(FEWEST_KEPT, task.sizes // KEPT_SHARE)))


def usual_of(peaks: Peaks, task: RankingTask) -> Floats:
    """What is usual for each language and query, (q, L), by the peaks of a whole pool."""
    assert peaks.totals is not None
    return usual_scores(
        [scores for _, scores in peaks.tops], peaks.totals, task.sizes, task.balance, task.query_language
    )


def _blocks(
    scores: Scores, width: int, task: RankingTask, positions: Ints | None, only: int | None = None
) -> Iterator[tuple[int, Ints, Vectors, Floats]]:
    """The blocks of at most `width` documents of one language: its number, their positions, `Scores.block`."""
    bounds = task.bounds if positions is None else np.searchsorted(positions, task.bounds)
    for language in range(len(task.sizes)) if only is None else [only]:
        first, last = bounds[language : language + 2].tolist()
        for start in range(first, last, width):
            end = min(start + width, last)
            here = np.arange(start, end) if positions is None else positions[start:end]
            yield language, here, *scores.block(start, end)


def _thresholds(gold_scores: Floats, usual: Floats, task: RankingTask, golds: Ints) -> Floats:
    """The score (q, g, L) at which a document of each language ties with each gold.

    In the gold's own language it is the gold's score itself, so that scaling changes no order within a language.
    """
    languages = task.languages_of(golds)
    own = np.take_along_axis(usual, languages, axis=1)
    thresholds = (gold_scores - own)[..., None] + usual[:, None, :]
    np.put_along_axis(thresholds, languages[..., None], gold_scores[..., None], axis=2)
    return thresholds
