"""LanceDB's approximate index: built for large tables, searched, and measured against the exact order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from isoglot.indexing.snapshot import EXACT_BELOW, Snapshot, StoredModel, vectors_in
from isoglot.indexing.tables import sql_literal
from isoglot.platform.arrays import Floats, RowIds, Vectors
from isoglot.ranking.balance import order, parse_balance, usual_scores

PARTITION_SIZE = 4096
"""About how many passages a partition holds."""
_MIN_PROBED, _MAX_PROBED = 20, 100
"""A search in all languages reads a tenth of the partitions, within these bounds."""
_ALL_PARTITIONS = 2**20
"""A search in some languages reads all partitions: those nearest to a question hold passages of its own language."""
_REFINE_FACTOR = 5
"""How many times k candidates are scored again with their full vectors."""
_RECALL_QUERIES = 50


class _Neighbour(NamedTuple):
    row_id: int
    key: int
    cosine: float
    language: str


def has_ann(snapshot: Snapshot, model: StoredModel) -> bool:
    """Return whether there is an approximate index over this model's vectors."""
    return model.column in snapshot.indexed_columns


def is_approximate(snapshot: Snapshot, model: StoredModel, balance: str) -> bool:
    """Return whether searches use the approximate index: in large tables that have one.

    A balance needs a search for each language. Where the vectors fit into memory, one exact pass over them is faster.
    """
    if snapshot.count < EXACT_BELOW or not has_ann(snapshot, model):
        return False
    return not (parse_balance(balance).by_language and snapshot.fits_into_memory(model))


def build_ann(table: Any, column: str, count: int) -> None:
    """Index the vectors of a column: partitions around centroids, one byte a component."""
    from lancedb.index import IvfSq

    config = IvfSq(distance_type="cosine", num_partitions=max(1, count // PARTITION_SIZE))
    table.create_index(column, config=config, replace=True)


def nearest(
    snapshot: Snapshot,
    model: StoredModel,
    vector: Vectors,
    *,
    languages: list[str] | None,
    balance: str,
    k: int,
    query_language: str | None = None,
) -> tuple[RowIds, Vectors, Floats | None]:
    """Search approximately for the first `k` passages. With a balance, each language is searched for its own first k.

    Args:
        snapshot: The state to search.
        model: The model that `vector` is from.
        vector: Vector (d,) of the question, of unit length.
        languages: Canonical tags to search in; None: all.
        balance: One of `isoglot.ranking.balance.BALANCES`.
        k: How many passages to return at most.
        query_language: Canonical tag of the question's language, which ``scaled`` may prefer.

    Returns:
        Row ids, cosines and, with ``scaled``, scaled scores (else None), (k,) each, in the order of
        `isoglot.ranking.balance.order`.
    """
    parsed = parse_balance(balance)
    counts = snapshot.language_counts
    tags = list(counts)
    searched = tags if languages is None else languages
    groups = [[tag] for tag in searched] if parsed.by_language else [languages]
    depth = max(k, parsed.k) if parsed.name == "scaled" else k
    neighbours = [neighbour for group in groups for neighbour in _search(snapshot, model, vector, group, depth)]
    neighbours.sort(key=lambda neighbour: neighbour.key)  # `order` keeps the order of equal scores
    scores = np.array([neighbour.cosine for neighbour in neighbours], dtype=np.float32)
    language_numbers = np.array([tags.index(neighbour.language) for neighbour in neighbours], dtype=np.int64)
    sizes = np.array(list(counts.values()), dtype=np.int64)
    row_ids = np.array([neighbour.row_id for neighbour in neighbours], dtype=np.uint64)
    if parsed.name != "scaled":
        best = order(scores, language_numbers, sizes, balance)[:k]
        return row_ids[best], scores[best], None
    own = tags.index(query_language) if query_language in counts else None
    best_scores = [
        -np.sort(-scores[language_numbers == number].astype(np.float64))[None, :] for number in range(len(sizes))
    ]
    totals = (snapshot.language_sums(model) @ vector.astype(np.float64))[None, :]
    scaled = scores - usual_scores(best_scores, totals, sizes, parsed, own)[0][language_numbers]
    best = np.argsort(-scaled, kind="stable")[:k]
    return row_ids[best], scores[best], scaled[best]


def _search(
    snapshot: Snapshot, model: StoredModel, vector: Vectors, languages: Sequence[str] | None, k: int
) -> list[_Neighbour]:
    query = snapshot.table.search(vector, vector_column_name=model.column, query_type="vector").distance_type("cosine")
    query = query.refine_factor(_REFINE_FACTOR).limit(k).select(["key", "language", "_distance"])
    if languages is None:
        query = query.nprobes(min(max(snapshot.count // PARTITION_SIZE // 10, _MIN_PROBED), _MAX_PROBED))
    else:
        query = query.nprobes(_ALL_PARTITIONS).where(f"language IN ({', '.join(map(sql_literal, languages))})")
    return [
        _Neighbour(row["_rowid"], row["key"], 1 - row["_distance"], row["language"])
        for row in query.with_row_id(True).to_list()
    ]


def recall(snapshot: Snapshot, model: StoredModel, *, k: int = 10, seed: int = 0) -> float | None:
    """Measure the share of the exact first `k` that a search returns, with 50 stored vectors as questions.

    A stored vector is its own nearest neighbour, so it is left out of its results.

    Returns:
        The mean share, in [0, 1]; None if all searches are exact.
    """
    if not is_approximate(snapshot, model, "none"):
        return None
    chosen = np.random.default_rng(seed).choice(snapshot.arrays.row_ids, _RECALL_QUERIES, replace=False)
    vectors = snapshot.vectors_of(model, chosen)
    shares = []
    for row_id, vector, exact in zip(chosen.tolist(), vectors, exact_top(snapshot, model, vectors, k + 1), strict=True):
        expected = set(exact.tolist()) - {row_id}
        approximate, *_ = nearest(snapshot, model, vector, languages=None, balance="none", k=k + 1)
        shares.append(len(expected & set(approximate.tolist())) / len(expected))
    return float(np.mean(shares))


def exact_top(snapshot: Snapshot, model: StoredModel, vectors: Vectors, k: int) -> RowIds:
    """Find the exact first `k` passages for each of (q, d) vectors, in one scan of the table.

    Returns:
        Row ids (q, k), in no order.
    """
    scores = np.empty((len(vectors), 0), dtype=np.float32)
    row_ids = np.empty((len(vectors), 0), dtype=np.uint64)
    for batch in snapshot.scan([model.column], row_ids=True):
        batch_scores = vectors @ vectors_in(batch[model.column]).T
        scores = np.concatenate([scores, batch_scores], axis=1)
        row_ids = np.concatenate([row_ids, np.broadcast_to(batch["_rowid"].to_numpy(), batch_scores.shape)], axis=1)
        best = np.argpartition(-scores, min(k, scores.shape[1]) - 1, axis=1)[:, :k]
        scores, row_ids = np.take_along_axis(scores, best, axis=1), np.take_along_axis(row_ids, best, axis=1)
    return row_ids
