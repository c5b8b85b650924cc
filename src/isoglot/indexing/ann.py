"""LanceDB's approximate index: built for large tables, searched, and measured against the exact order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isoglot.indexing.snapshot import EXACT_BELOW, Snapshot, StoredModel, matrix
from isoglot.platform.arrays import RowIds, Vectors
from isoglot.ranking.balance import order

PARTITION = 4096
"""About how many passages a partition holds."""
_LEAST_PROBED, _MOST_PROBED = 20, 100
"""Of the partitions a search looks into a tenth, but within these bounds."""
_REFINED = 5
"""How many times k candidates are scored again with their full vectors."""
_QUESTIONS = 50


def has_ann(snapshot: Snapshot, model: StoredModel) -> bool:
    """Whether there is an approximate index over this model's vectors."""
    return model.column in snapshot.indexed


def build_ann(table: object, column: str, count: int) -> None:
    """Index the vectors of a column: partitions around centroids, one byte a component."""
    from lancedb.index import IvfSq

    config = IvfSq(distance_type="cosine", num_partitions=max(1, count // PARTITION))
    table.create_index(column, config=config, replace=True)  # type: ignore[attr-defined]


def nearest(
    snapshot: Snapshot, model: StoredModel, vector: Vectors, languages: list[str] | None, balance: str, k: int
) -> tuple[RowIds, Vectors]:
    """Row ids and cosines of about the first `k` passages, best first, as `isoglot.ranking.balance.order` has them.

    Balanced, each language is searched for its own first k.
    """
    counts = snapshot.language_counts
    tags = list(counts)
    asked = tags if languages is None else languages
    groups = [languages] if balance == "none" else [[tag] for tag in asked]
    found = [row for group in groups for row in _search(snapshot, model, vector, group, k)]
    found.sort(key=lambda row: row[1])  # by key, for ties
    scores = np.array([row[2] for row in found], dtype=np.float32)
    numbers = np.array([tags.index(row[3]) for row in found], dtype=np.int64)
    sizes = np.array(list(counts.values()), dtype=np.int64)
    best = order(scores, numbers, sizes, balance)[:k]
    return np.array([row[0] for row in found], dtype=np.uint64)[best], scores[best]


def _search(
    snapshot: Snapshot, model: StoredModel, vector: Vectors, languages: Sequence[str] | None, k: int
) -> list[tuple[int, int, float, str]]:
    """(row id, key, cosine, language) of about the nearest k."""
    query = snapshot.table.search(vector, vector_column_name=model.column, query_type="vector").distance_type("cosine")
    probed = min(max(snapshot.count // PARTITION // 10, _LEAST_PROBED), _MOST_PROBED)
    query = query.nprobes(probed).refine_factor(_REFINED).limit(k).select(["key", "language", "_distance"])
    if languages is not None:
        query = query.where("language IN (" + ", ".join(f"'{tag}'" for tag in languages) + ")")
    return [
        (row["_rowid"], row["key"], 1 - row["_distance"], row["language"]) for row in query.with_row_id(True).to_list()
    ]


def recall(snapshot: Snapshot, model: StoredModel, *, k: int = 10, seed: int = 0) -> float | None:
    """The share of the exact first `k` that a search finds, over 50 stored vectors as questions; None: all is exact.

    A vector that is stored finds itself first, which is left out.
    """
    if snapshot.count < EXACT_BELOW or not has_ann(snapshot, model):
        return None
    rowids = snapshot.rows.rowids
    chosen = np.random.default_rng(seed).choice(rowids, _QUESTIONS, replace=False)
    vectors = snapshot.vectors_of(model, chosen)
    shares = []
    for own, vector, exact in zip(chosen.tolist(), vectors, exact_top(snapshot, model, vectors, k + 1), strict=True):
        wanted = set(exact.tolist()) - {own}
        found, _ = nearest(snapshot, model, vector, None, "none", k + 1)
        shares.append(len(wanted & set(found.tolist())) / len(wanted))
    return float(np.mean(shares))


def exact_top(snapshot: Snapshot, model: StoredModel, vectors: Vectors, k: int) -> RowIds:
    """(q, k) row ids of the exact first k for each of (q, d) vectors, in no order; the table is read once."""
    scores = np.empty((len(vectors), 0), dtype=np.float32)
    rowids = np.empty((len(vectors), 0), dtype=np.uint64)
    for batch in snapshot.scan([model.column], row_ids=True):
        new = vectors @ matrix(batch[model.column]).T
        scores = np.concatenate([scores, new], axis=1)
        rowids = np.concatenate([rowids, np.broadcast_to(batch["_rowid"].to_numpy(), new.shape)], axis=1)
        best = np.argpartition(-scores, min(k, scores.shape[1]) - 1, axis=1)[:, :k]
        scores, rowids = np.take_along_axis(scores, best, axis=1), np.take_along_axis(rowids, best, axis=1)
    return rowids
