"""Why a passage stands where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from isoglot.indexing.passages import Hit
from isoglot.indexing.snapshot import Snapshot
from isoglot.platform.arrays import Ints, Vectors
from isoglot.ranking.balance import order

WORDS_DEPTH = 1000
"""How deep the search by words is looked at."""


def explain_hits(
    snapshot: Snapshot, hits: Sequence[Hit], places: Ints, scores: Vectors, chosen: Ints, question: str
) -> list[Hit]:
    """The hits with their explanations:

    - ``plain_rank``: the rank without balancing;
    - ``language_rank``: the rank among the passages of its language;
    - ``language_mean``: the mean score of all passages of its language;
    - ``deviations``: how many standard deviations its score is above that mean. A passage that ranks low though it
      stands out from its language more than those above it is held down by its language (isoglot's own);
    - ``word_rank``: the rank in a full-text search (BM25) for the question's words; None beyond 1000.

    Args:
        snapshot: Where they were found.
        hits: Found, in order.
        places: Their positions in the snapshot's rows.
        scores: (n,) of all passages.
        chosen: Positions of the passages that were searched.
        question: Its text.
    """
    rows = snapshot.rows
    ordered = chosen[order(scores[chosen], rows.languages[chosen], rows.sizes, "none")]
    ranks = np.empty(len(scores), dtype=np.int64)
    ranks[ordered] = np.arange(1, len(ordered) + 1)
    words = _word_ranks(snapshot, question)
    explained = []
    for hit, place in zip(hits, places, strict=True):
        own = scores[rows.languages == rows.languages[place]]
        spread = float(own.std())
        explanation: dict[str, Any] = {
            "plain_rank": int(ranks[place]),
            "language_rank": int(np.count_nonzero(rows.languages[ordered[: ranks[place]]] == rows.languages[place])),
            "language_mean": float(own.mean()),
            "deviations": (hit.score - float(own.mean())) / spread if spread else 0.0,
            "word_rank": words.get(hit.passage.id),
        }
        explained.append(replace(hit, explanation=explanation))
    return explained


def _word_ranks(snapshot: Snapshot, question: str) -> dict[str, int]:
    query = snapshot.table.search(question, query_type="fts", fts_columns="text")
    found = query.select(["id", "_score"]).limit(WORDS_DEPTH)
    return {row["id"]: rank for rank, row in enumerate(found.to_list(), start=1)}
