"""The vectors that an index holds, to which a transform can be fitted without the model that made them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from isoglot.indexing.store import Index
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.retrievers.base import RetrieverRecord
from isoglot.retrievers.held import SAMPLE, DocumentVectors, Version


class IndexVectors(DocumentVectors):
    """What holds the vectors of an index's only model.

    Args:
        folder: The index.

    Raises:
        IsoglotError: There is no index, or it has several models.
    """

    def __init__(self, folder: str) -> None:
        self._index = Index(folder)
        names = [model.name for model in self._index.snapshot().models]
        if len(names) > 1:
            raise IsoglotError(
                f"index:{folder} has the models {', '.join(names)}; align one by its name, with --data index:{folder}"
            )
        (self._model,) = self._index.snapshot().models
        record = RetrieverRecord(
            name=f"index:{folder}",
            fingerprint=self._model.signature,
            dimension=self._model.dimension,
            how="vectors of an index",
        )
        super().__init__(record, ["numpy", "lancedb"], f"isoglot audit --index {folder} asks it")

    def held(self, role: str) -> Iterator[tuple[Sequence[Version], Vectors]]:
        """As `HoldsVectors.held`: a sample of each language's passages."""
        for tag in self._index.languages if role == "document" else ():
            passages = self._index.sample(tag, SAMPLE)
            identities = [p.content_id if p.content_id and p.parts == 1 else p.id for p in passages]
            yield [(identity, tag) for identity in identities], self._index.vectors(self._model.name, passages)
