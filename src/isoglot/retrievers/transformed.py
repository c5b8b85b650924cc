"""Retrieval by vectors of another retriever that a transform changes: ``openai:MODEL+DIR``, ``vectors:DIR+DIR``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from isoglot.corpora.collection import Collection
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.retrievers.base import (
    CountsTokens,
    Retriever,
    RetrieverRecord,
    TokenCounts,
    VectorRankings,
    used_documents,
    used_queries,
)
from isoglot.retrievers.dense import Encodes, rank_vectors
from isoglot.retrievers.held import HoldsVectors, Version
from isoglot.transforms.transform import Transform


class TransformedRetriever:
    """Ranks by the inner product of changed vectors.

    Args:
        inner: Gives the vectors as they were.
        transform: Changes them.
        name: What results call the transform.
    """

    def __init__(self, inner: Retriever, transform: Transform, name: str) -> None:
        self.inner, self.transform, self._name = inner, transform, name

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`."""
        inner, record = self.inner.describe(), self.transform.record
        return msgspec.structs.replace(
            inner,
            name=f"{inner.name}+{self._name}",
            fingerprint=hashlib.sha256((inner.fingerprint + self.transform.digest).encode()).hexdigest(),
            language_given=inner.language_given or record.needs_language,
            how=f"{inner.how or 'a model of this machine'}; changed by {record.method}, fitted on {record.model}",
        )

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        return self.inner.environment()

    def count_tokens(self, texts: Sequence[str], role: str) -> TokenCounts | None:
        """As `CountsTokens.count_tokens`."""
        return self.inner.count_tokens(texts, role) if isinstance(self.inner, CountsTokens) else None

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`; all vectors are in memory at once.

        Raises:
            IsoglotError: The retriever has no vectors, or they are not those of the model that the transform is for.
        """
        inner = self.inner.rankings(collection, pools, balance=balance, top_k=top_k, show_progress=show_progress)
        if not isinstance(inner, VectorRankings):
            raise IsoglotError(f"{self.inner.describe().name}: has no vectors, which a transform changes")
        asked, found = used_queries(pools), used_documents(pools)
        queries, documents = inner.vectors_at(asked, found)
        self.transform.check(documents)
        return rank_vectors(
            pools,
            self.transform.queries(queries, [collection.queries[at].language for at in asked]),
            self.transform.documents(documents, [collection.documents[at].language for at in found]),
            balance=balance,
            top_k=top_k,
        )

    def encode(
        self,
        texts: Sequence[str],
        role: str,
        languages: Sequence[str],
        *,
        show_progress: bool = False,
        keep: bool = True,
    ) -> Vectors:
        """As `Encodes.encode`.

        Raises:
            IsoglotError: The retriever encodes no texts.
        """
        vectors = self._encodes.encode(texts, role, languages, show_progress=show_progress, keep=keep)
        return self.transform.change(role, vectors, languages)

    def signature(self, role: str) -> str:
        """As `Encodes.signature`.

        Raises:
            IsoglotError: The retriever encodes no texts.
        """
        return hashlib.sha256((self._encodes.signature(role) + self.transform.digest).encode()).hexdigest()

    @property
    def _encodes(self) -> Encodes:
        if not isinstance(self.inner, Encodes):
            raise IsoglotError(f"{self.inner.describe().name}: encodes no texts")
        return self.inner

    def held(self, role: str) -> Iterator[tuple[Sequence[Version], Vectors]]:
        """As `HoldsVectors.held`."""
        if isinstance(self.inner, HoldsVectors):
            for versions, vectors in self.inner.held(role):
                yield versions, self.transform.change(role, vectors, [language for _, language in versions])
