"""Scaled search in FAISS: one filtered search for each language, less what is usual for it."""

import faiss
import numpy as np


def scaled_search(
    index: faiss.Index,
    query: np.ndarray,
    positions: dict[str, np.ndarray],
    means: dict[str, np.ndarray],
    limit: int = 10,
    k: int = 5,
    weight: float = 0.7,
) -> list[tuple[float, int]]:
    """The scaled scores and positions of the first `limit` vectors; `positions` are those of each language, int64."""
    found = []
    for language, mean in means.items():
        only = faiss.SearchParameters(sel=faiss.IDSelectorBatch(positions[language]))
        count = min(max(limit, k), len(positions[language]))
        (scores,), (ids,) = index.search(query[None], count, params=only)
        usual = weight * scores[:k].mean() + (1 - weight) * query @ mean
        found += [(float(score - usual), int(position)) for score, position in zip(scores, ids, strict=True)]
    return sorted(found, key=lambda pair: -pair[0])[:limit]
