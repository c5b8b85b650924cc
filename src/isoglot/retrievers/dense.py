"""Retrieval by vectors: of a sentence-transformers model here, and what every kind of vectors shares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from isoglot.corpora.collection import Collection
from isoglot.encoders.prompts import Prompt
from isoglot.platform.arrays import Ints, Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.exact import rank
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.retrievers.base import (
    PromptRecord,
    RetrieverRecord,
    TokenCounts,
    VectorRankings,
    environment,
    used_documents,
    used_queries,
)

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder


@runtime_checkable
class Encodes(Protocol):
    """Turns texts into vectors."""

    def encode(
        self,
        texts: Sequence[str],
        role: str,
        languages: Sequence[str],
        *,
        show_progress: bool = False,
        keep: bool = True,
    ) -> Vectors:
        """Encode n texts of a role.

        Args:
            texts: The texts, without prompt.
            role: ``query`` or ``document``.
            languages: Their n canonical language tags.
            show_progress: Whether to show progress on standard error.
            keep: Whether vectors may be taken from and put into a cache on disk.

        Returns:
            (n, d) float32 vectors of unit length; zero for a text of which the model knows no word.
        """

    def signature(self, role: str) -> str:
        """Hash all that decides the vector of a text of a role, other than the text."""


class DenseRetriever:
    """Ranks by the inner product of an encoder's vectors.

    Args:
        encoder: A loaded model.
        keep_vectors: Whether vectors are read from and written to the cache on disk.
    """

    def __init__(self, encoder: Encoder, *, keep_vectors: bool = True) -> None:
        self.encoder, self.keep_vectors = encoder, keep_vectors

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`."""
        encoder = self.encoder
        return RetrieverRecord(
            name=encoder.name,
            fingerprint=encoder.fingerprint,
            dimension=encoder.dimension,
            max_length=encoder.max_length,
            prompts=prompt_records(encoder.prompts),
            language_given=encoder.uses_language,
            unused_prompts=encoder.unused_prompts,
            other_similarity=encoder.other_similarity,
        )

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        model = self.encoder.model
        libraries = ("torch", "sentence-transformers", "transformers", "tokenizers", "numpy")
        return environment(*libraries, device=str(model.device), precision=self.encoder.precision)

    def encode(
        self,
        texts: Sequence[str],
        role: str,
        languages: Sequence[str],
        *,
        show_progress: bool = False,
        keep: bool = True,
    ) -> Vectors:
        """As `Encodes.encode`; `keep` counts only where `keep_vectors` is true."""
        return self.encoder.encode(
            texts, role, languages, show_progress=show_progress, keep=self.keep_vectors and keep, allow_zero=True
        )

    def signature(self, role: str) -> str:
        """As `Encodes.signature`."""
        return self.encoder.signature(role)

    def count_tokens(self, texts: Sequence[str], role: str) -> TokenCounts | None:
        """As `CountsTokens.count_tokens`."""
        tokens = self.encoder.token_lengths(texts, role)
        return None if tokens is None else TokenCounts(tokens, self.encoder.token_limit(role))

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`."""
        return rank_encoded(self, collection, pools, balance=balance, top_k=top_k, show_progress=show_progress)


def prompt_records(prompts: Mapping[str, Prompt]) -> dict[str, PromptRecord]:
    """Role -> what an audit records of its prompt."""
    return {role: PromptRecord(prompt.text, prompt.source) for role, prompt in prompts.items()}


def rank_encoded(
    encoder: Encodes, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
) -> VectorRankings:
    """The ranking of each pool by vectors of the texts, each of which is encoded once."""
    queries, documents = used_queries(pools), used_documents(pools)
    query_vectors = encoder.encode(
        [collection.queries[at].text for at in queries],
        "query",
        [collection.queries[at].language for at in queries],
        show_progress=show_progress,
    )
    document_vectors = encoder.encode(
        [collection.documents[at].text for at in documents],
        "document",
        [collection.documents[at].language for at in documents],
        show_progress=show_progress,
    )
    return rank_vectors(pools, query_vectors, document_vectors, balance=balance, top_k=top_k)


def rank_vectors(
    pools: Sequence[Pool], queries: Vectors, documents: NDArray[Any], *, balance: str, top_k: int
) -> VectorRankings:
    """The ranking of each pool by inner products.

    Args:
        pools: What is ranked.
        queries: A vector for each of `used_queries`.
        documents: A vector for each of `used_documents`, of any dtype that `rank` takes.
        balance: As for `rank`.
        top_k: Likewise.

    Raises:
        IsoglotError: All vectors of a role are zero.
    """
    query_places, document_places = used_queries(pools), used_documents(pools)

    def vectors_at(asked: Ints, found: Ints) -> tuple[Vectors, Vectors]:
        return queries[np.searchsorted(query_places, asked)], documents[np.searchsorted(document_places, found)]

    def rankings() -> Iterator[Ranking]:
        for pool in pools:
            yield rank(
                *vectors_at(pool.queries, pool.documents),
                pool.golds,
                languages=pool.document_languages,
                tie_keys=pool.tie_keys,
                balance=balance,
                top_k=top_k,
                ignored=pool.ignored,
                query_language=pool.query_language_number,
            )

    for role, vectors in (("query", queries), ("document", documents)):
        if not vectors.any():
            raise IsoglotError(f"all vectors of {role} texts are zero: there is nothing to rank by")
    zero = {"query": query_places[~queries.any(axis=1)], "document": document_places[~documents.any(axis=1)]}
    are_alike = len(documents) > 1 and all(np.array_equal(vector, documents[0]) for vector in documents[1:])
    return VectorRankings(rankings(), vectors_at, zero, are_alike)
