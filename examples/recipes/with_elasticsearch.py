"""Scaled search in Elasticsearch or OpenSearch: one filtered search for each language, less what is usual for it."""

from collections.abc import Callable

import numpy as np


def elasticsearch_body(query: np.ndarray, language: str, count: int) -> dict:
    """The body of a search in Elasticsearch."""
    nearest = {"field": "embedding", "query_vector": query.tolist(), "k": count, "num_candidates": 10 * count}
    return {"size": count, "_source": False, "knn": {**nearest, "filter": {"term": {"language": language}}}}


def opensearch_body(query: np.ndarray, language: str, count: int) -> dict:
    """The body of a search in OpenSearch."""
    nearest = {"vector": query.tolist(), "k": count, "filter": {"term": {"language": language}}}
    return {"size": count, "_source": False, "query": {"knn": {"embedding": nearest}}}


def scaled_search(
    search: Callable[[dict], dict],
    body: Callable[[np.ndarray, str, int], dict],
    query: np.ndarray,
    means: dict[str, np.ndarray],
    limit: int = 10,
    k: int = 5,
    weight: float = 0.7,
) -> list[tuple[float, str]]:
    """The scaled scores and ids of the first `limit` documents; `search` posts a body to INDEX/_search."""
    found = []
    for language, mean in means.items():
        hits = search(body(query, language, max(limit, k)))["hits"]["hits"]
        scores = [2 * hit["_score"] - 1 for hit in hits]  # both engines return (1 + cosine) / 2
        usual = weight * np.mean(scores[:k]) + (1 - weight) * query @ mean
        found += [(float(score - usual), hit["_id"]) for score, hit in zip(scores, hits, strict=True)]
    return sorted(found, key=lambda pair: -pair[0])[:limit]
