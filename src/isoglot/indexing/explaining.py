"""Explanations of hits: why a passage has its rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from isoglot.indexing.passages import Explanation, Hit
from isoglot.indexing.snapshot import Snapshot
from isoglot.platform.arrays import Ints, Vectors
from isoglot.ranking.balance import order

MAX_WORD_RANK = 1000
"""How many results of the full-text search are read."""


def explain_hits(
    snapshot: Snapshot, hits: Sequence[Hit], *, positions: Ints, searched: Ints, scores: Vectors, question: str
) -> list[Hit]:
    """Add an explanation to each of n hits.

    Args:
        snapshot: The state that was searched.
        hits: The hits, in order.
        positions: (n,) positions of the hits in the snapshot's arrays.
        searched: Positions of all passages that were searched.
        scores: Scores of all passages of the snapshot.
        question: The text of the question.
    """
    arrays = snapshot.arrays
    ordered = searched[order(scores[searched], arrays.language_numbers[searched], arrays.language_sizes, "none")]
    ranks = np.empty(len(scores), dtype=np.int64)
    ranks[ordered] = np.arange(1, len(ordered) + 1)
    word_ranks = _word_ranks(snapshot, question)
    explained = []
    for hit, position in zip(hits, positions, strict=True):
        language = arrays.language_numbers[position]
        language_scores = scores[arrays.language_numbers == language]
        mean, deviation = float(language_scores.mean()), float(language_scores.std())
        explanation = Explanation(
            plain_rank=int(ranks[position]),
            language_rank=int(np.count_nonzero(arrays.language_numbers[ordered[: ranks[position]]] == language)),
            language_mean=mean,
            deviations=(hit.score - mean) / deviation if deviation else 0.0,
            word_rank=word_ranks.get(hit.passage.id),
        )
        explained.append(replace(hit, explanation=explanation))
    return explained


def _word_ranks(snapshot: Snapshot, question: str) -> dict[str, int]:
    query = snapshot.table.search(question, query_type="fts", fts_columns="text")
    rows = query.select(["id", "_score"]).limit(MAX_WORD_RANK).to_list()
    return {row["id"]: rank for rank, row in enumerate(rows, start=1)}
