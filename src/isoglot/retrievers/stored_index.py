"""The documents of a store, as a retriever whose vectors are sampled and aligned; it has no questions to rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from isoglot.platform.arrays import Vectors
from isoglot.retrievers.base import RetrieverRecord
from isoglot.retrievers.held import DocumentVectors, Version
from isoglot.stores.base import Fields, Store
from isoglot.stores.registry import open_store

if TYPE_CHECKING:
    from isoglot.retrievers.registry import Loading


class StoreRetriever(DocumentVectors):
    """What holds the vectors of a store.

    Args:
        store: The store.

    Attributes:
        store: The store.
        unknown: Number of documents without a known language, which the last run of `held` left out.
    """

    def __init__(self, store: Store) -> None:
        record = RetrieverRecord(name=store.name, fingerprint="", how="vectors of a store")
        super().__init__(record, ["numpy"], "audit it without --data")
        self.store, self.unknown = store, 0

    def held(self, role: str) -> Iterator[tuple[Sequence[Version], Vectors]]:
        """As `HoldsVectors.held`: the documents whose language is known."""
        self.unknown = 0
        for block in self.store.blocks() if role == "document" else ():
            known = [place for place, language in enumerate(block.languages) if language]
            self.unknown += len(block.languages) - len(known)
            yield [(block.contents[at], block.languages[at] or "") for at in known], block.vectors[known]


def load(argument: str, loading: Loading, store: str) -> StoreRetriever:
    """``STORE:ARGUMENT``, of a kind out of `STORES`; see `isoglot.stores.registry.open_store`."""
    return StoreRetriever(open_store(f"{store}:{argument}", loading.fields or Fields()))
