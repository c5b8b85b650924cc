"""Scaled search in Qdrant: one filtered search for each language, less what is usual for it."""

import numpy as np
from qdrant_client import QdrantClient, models


def scaled_search(
    client: QdrantClient,
    collection: str,
    query: np.ndarray,
    means: dict[str, np.ndarray],
    limit: int = 10,
    k: int = 5,
    weight: float = 0.7,
) -> list[tuple[float, object]]:
    """The scaled scores and ids of the first `limit` points, whose payloads have a `language`."""
    found = []
    for language, mean in means.items():
        only = models.Filter(must=[models.FieldCondition(key="language", match=models.MatchValue(value=language))])
        points = client.query_points(collection, query.tolist(), query_filter=only, limit=max(limit, k)).points
        usual = weight * np.mean([point.score for point in points[:k]]) + (1 - weight) * query @ mean
        found += [(float(point.score - usual), point.id) for point in points]
    return sorted(found, key=lambda pair: -pair[0])[:limit]
