"""Scaled search in LanceDB: one filtered search for each language, less what is usual for it."""

import numpy as np
from lancedb.table import Table


def scaled_search(
    table: Table,
    query: np.ndarray,
    means: dict[str, np.ndarray],
    limit: int = 10,
    k: int = 5,
    weight: float = 0.7,
) -> list[tuple[float, str]]:
    """The scaled scores and ids of the first `limit` rows, which have an `id`, a `language` and a `vector`."""
    found = []
    for language, mean in means.items():
        nearest = table.search(query).distance_type("cosine").where(f"language = '{language}'").limit(max(limit, k))
        rows = nearest.select(["id", "_distance"]).to_list()
        scores = [1 - row["_distance"] for row in rows]
        usual = weight * np.mean(scores[:k]) + (1 - weight) * query @ mean
        found += [(float(score - usual), row["id"]) for score, row in zip(scores, rows, strict=True)]
    return sorted(found, key=lambda pair: -pair[0])[:limit]
