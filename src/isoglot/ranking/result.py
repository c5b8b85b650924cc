"""Ranking: what ranking a pool finds."""

from __future__ import annotations

from dataclasses import dataclass

from isoglot.platform.arrays import Bools, Ints, Vectors

BEYOND = 2**31 - 1
"""The rank of a gold that is not in its query's run: all that is known is that it is below the run's depth."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The ranking of n documents in L languages for q queries.

    Attributes:
        gold_ranks: (q, g) ranks from 1; 0 where a query has no further gold, `BEYOND` where a run ends before it.
        gold_tied: (q, g) whether the tie keys decided the gold's rank: another document has exactly its score. With
            ``equal`` or ``proportional`` balance, one of its own language, or the one with the same turn in another
            language's list.
        top: (q, k) positions of the best documents, best first; k is at most n. Filled up with -1 where a run ends.
        top_scores: (q, k) their scores; with ``scaled`` balance the scaled ones.
        above: (q, L) number of non-gold documents of each language above the worst-placed gold.
        ranked: (q,) number of documents ranked for each query: n, or as many as a run has.
        stages: What the stages of a pipeline found before, in order; empty for other retrievers.
    """

    gold_ranks: Ints
    gold_tied: Bools
    top: Ints
    top_scores: Vectors
    above: Ints
    ranked: Ints
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class Stage:
    """What one stage of a pipeline found.

    Attributes:
        name: What results call it.
        ranking: The ranking after it.
    """

    name: str
    ranking: Ranking
