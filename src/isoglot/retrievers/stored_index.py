"""The documents of a store, as a retriever whose vectors are sampled and aligned; it has no questions to rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from isoglot.corpora.collection import Collection
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.retrievers.base import RetrieverRecord, environment
from isoglot.retrievers.held import Version
from isoglot.stores.base import Fields, Store
from isoglot.stores.registry import open_store

if TYPE_CHECKING:
    from isoglot.retrievers.registry import Loading


class StoreRetriever:
    """What holds the vectors of a store.

    Args:
        store: The store.

    Attributes:
        store: The store.
        unknown: Number of documents without a known language, which the last run of `held` left out.
    """

    def __init__(self, store: Store) -> None:
        self.store, self.unknown = store, 0

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`."""
        return RetrieverRecord(name=self.store.name, fingerprint="", how="vectors of a store")

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        return environment("numpy")

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`.

        Raises:
            IsoglotError: Always: a store holds no questions.
        """
        raise IsoglotError(f"{self.store.name}: holds no questions; audit it without --data")

    def held(self, role: str) -> Iterator[tuple[Sequence[Version], Vectors]]:
        """As `HoldsVectors.held`: the documents whose language is known."""
        self.unknown = 0
        for block in self.store.blocks() if role == "document" else ():
            known = [place for place, language in enumerate(block.languages) if language]
            self.unknown += len(block.languages) - len(known)
            yield [(block.contents[at], block.languages[at] or "") for at in known], block.vectors[known]


def load_store(named: str, loading: Loading) -> StoreRetriever:
    """Open a store as a retriever; see `isoglot.stores.registry.open_store`."""
    return StoreRetriever(open_store(named, loading.fields or Fields()))
