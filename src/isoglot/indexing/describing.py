"""A description of an index: its sizes, languages and models."""

from __future__ import annotations

from pathlib import Path

import msgspec

from isoglot.indexing.ann import recall
from isoglot.indexing.store import Index


class ModelDescription(msgspec.Struct, frozen=True):
    """A model of an index.

    Attributes:
        name: What the user called it.
        dimension: Components of its vectors.
        ready: Whether all passages have a vector.
        recall: Share of the exact first 10 that a search returns, measured with 50 stored vectors as questions; None
            if searches are exact or the model is not ready.
    """

    name: str
    dimension: int
    ready: bool
    recall: float | None


class IndexDescription(msgspec.Struct, frozen=True):
    """An index in numbers.

    Attributes:
        passages: How many passages it has.
        version: Number of its last commit.
        languages: Canonical tag -> number of passages.
        models: Its models, in the order in which they were added.
    """

    passages: int
    version: int
    languages: dict[str, int]
    models: list[ModelDescription]


def describe_index(folder: str | Path) -> IndexDescription:
    """Describe an index, and measure the recall of its searches.

    Raises:
        IsoglotError: There is no index.
    """
    snapshot = Index(folder).snapshot()
    models = [
        ModelDescription(
            model.name, model.dimension, model.ready, recall=recall(snapshot, model) if model.ready else None
        )
        for model in snapshot.models
    ]
    return IndexDescription(snapshot.count, snapshot.version, snapshot.language_counts, models)
