"""What an index holds, in numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from isoglot.indexing.ann import recall
from isoglot.indexing.store import Index


def describe(folder: str | Path) -> dict[str, Any]:
    """Passages, languages, version, and each model with the recall of its searches.

    ``recall`` is the share of the exact first 10 that a search finds, measured over 50 stored vectors; None: exact.

    Raises:
        IsoglotError: There is no index.
    """
    snapshot = Index.open(folder).snapshot()
    models = [
        {
            "name": model.name,
            "dimension": model.dimension,
            "ready": model.ready,
            "recall": recall(snapshot, model) if model.ready else None,
        }
        for model in snapshot.stored
    ]
    return {
        "passages": snapshot.count,
        "version": snapshot.version,
        "languages": snapshot.language_counts,
        "models": models,
    }
