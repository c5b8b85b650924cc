"""Retrieval by the other ranking models of sentence-transformers: rerankers, and sparse and multi-vector encoders.

Prompts are those of each model's configuration.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.encoders.fingerprints import part_fingerprints
from isoglot.encoders.sentence_transformer import load_kind
from isoglot.platform.arrays import Ints, Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.progress import progress
from isoglot.ranking.exact import rank_pool
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.retrievers.base import RetrieverRecord, environment, used_documents, used_queries
from isoglot.retrievers.pairs import PairRetriever, Pairs

if TYPE_CHECKING:
    from isoglot.retrievers.registry import Loading

GROUP = 128
"""Number of texts encoded between two steps of progress."""


class RankingModel:
    """What an audit records of such a model.

    Args:
        model: A loaded model of sentence-transformers.
        name: Its folder or hub id.
    """

    prefix: ClassVar[str]
    """What stands before the colon where such a model is named."""
    how: ClassVar[str]
    """What it is, in one line."""

    def __init__(self, model: Any, name: str) -> None:
        self.model, self.name = model, f"{self.prefix}:{name}"
        parts = [*part_fingerprints(model), str(model.prompts)]
        self.fingerprint = hashlib.sha256("".join(parts).encode()).hexdigest()

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`."""
        return RetrieverRecord(
            name=self.name, fingerprint=self.fingerprint, max_length=self.model.max_seq_length, how=self.how
        )

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        libraries = ("torch", "sentence-transformers", "transformers", "tokenizers", "numpy")
        return environment(*libraries, device=str(self.model.device))


class CrossEncoderRetriever(RankingModel, PairRetriever):
    """Ranks by the scores of a cross-encoder, without its last activation.

    An activation such as a sigmoid changes no order, but near its ends it makes ties of scores that differ.

    Raises:
        IsoglotError: The model gives a pair several scores.
    """

    prefix = "cross-encoder"
    how = "a cross-encoder: scores each query with each document; its last activation is left out"

    def __init__(self, model: Any, name: str) -> None:
        super().__init__(model, name)
        if model.num_labels != 1:
            raise IsoglotError(f"{self.name}: gives {model.num_labels} scores a pair; a reranker gives one")

    def cache_key(self) -> dict[str, object]:
        """As `PairRetriever.cache_key`."""
        return {
            "cross_encoder": self.fingerprint,
            "max_length": self.model.max_seq_length,
            "dtype": str(self.model.dtype),
            "device": self.model.device.type,
        }

    def order_of_work(self, lengths: Ints) -> Ints:
        """Longest first, so that a batch holds little padding, and memory runs out at the start if ever."""
        return -lengths

    def fresh_scores(self, pairs: Pairs) -> Vectors:
        """As `PairRetriever.fresh_scores`."""
        from torch.nn import Identity

        scores = self.model.predict(list(pairs), activation_fn=Identity(), show_progress_bar=False)
        return np.asarray(scores, dtype=np.float32)


class EncodedRetriever(RankingModel, ABC):
    """Ranks by what a model makes of each text by itself, which is not kept between runs."""

    @abstractmethod
    def encode(self, role: str, texts: list[str]) -> Any:
        """Encode texts of a role, ``query`` or ``document``, as a list or as the rows of a matrix."""

    @abstractmethod
    def join(self, groups: list[Any]) -> Any:
        """Join what `encode` returned for groups of texts."""

    @abstractmethod
    def scores(self, queries: Any, documents: Any) -> Vectors:
        """(q, n) scores of n documents for q queries."""

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`; all encoded texts are in memory at once."""
        asked, found = used_queries(pools), used_documents(pools)
        queries = self._encoded("query", [collection.queries[at].text for at in asked], show_progress)
        documents = self._encoded("document", [collection.documents[at].text for at in found], show_progress)

        def block(rows: Ints, of_pool: Any, start: int, end: int) -> Vectors:
            return self.scores(_rows(queries, rows[start:end]), of_pool)

        for pool in pools:
            of_pool = _rows(documents, np.searchsorted(found, pool.documents))
            yield rank_pool(
                partial(block, np.searchsorted(asked, pool.queries), of_pool), pool, balance=balance, top_k=top_k
            )

    def _encoded(self, role: str, texts: list[str], show_progress: bool) -> Any:
        groups = []
        with progress(f"{self.name}: encoding {role} texts", len(texts), show=show_progress) as advance:
            for start in range(0, len(texts), GROUP):
                group = texts[start : start + GROUP]
                groups.append(self.encode(role, group))
                advance(len(group))
        return self.join(groups)


class SparseRetriever(EncodedRetriever):
    """Ranks by the inner products of sparse vectors (SPLADE and others)."""

    prefix = "sparse"
    how = "sparse vectors, compared by inner product"
    finds_by_terms = True
    """See `isoglot.retrievers.pipelines.Fusion`."""

    def encode(self, role: str, texts: list[str]) -> Any:
        """As `EncodedRetriever.encode`: the rows of a scipy matrix."""
        from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

        encode = self.model.encode_query if role == "query" else self.model.encode_document
        vectors = encode(texts, show_progress_bar=False).coalesce().cpu()
        return csr_matrix((vectors.values().float().numpy(), vectors.indices().numpy()), shape=tuple(vectors.shape))

    def join(self, groups: list[Any]) -> Any:
        """As `EncodedRetriever.join`."""
        from scipy.sparse import vstack

        return vstack(groups, format="csr")

    def scores(self, queries: Any, documents: Any) -> Vectors:
        """As `EncodedRetriever.scores`."""
        return np.asarray((queries @ documents.T).toarray(), dtype=np.float32)


class MultiVectorRetriever(EncodedRetriever):
    """Ranks by a vector for each token and the model's own similarity, MaxSim or its mean (ColBERT and others)."""

    prefix = "multi-vector"
    how = "a vector for each token, compared by MaxSim"

    def encode(self, role: str, texts: list[str]) -> Any:
        """As `EncodedRetriever.encode`: a (tokens, d) tensor for each text."""
        encode = self.model.encode_query if role == "query" else self.model.encode_document
        return encode(texts, show_progress_bar=False)

    def join(self, groups: list[Any]) -> Any:
        """As `EncodedRetriever.join`."""
        return [vectors for group in groups for vectors in group]

    def scores(self, queries: Any, documents: Any) -> Vectors:
        """As `EncodedRetriever.scores`."""
        return np.stack([self.model.similarity([query], documents)[0].float().cpu().numpy() for query in queries])


def _rows(encoded: Any, rows: Ints) -> Any:
    return [encoded[row] for row in rows] if isinstance(encoded, list) else encoded[rows]


_KINDS: dict[str, type[RankingModel]] = {
    "CrossEncoder": CrossEncoderRetriever,
    "SparseEncoder": SparseRetriever,
    "MultiVectorEncoder": MultiVectorRetriever,
}


def load(argument: str, loading: Loading, kind: str) -> RankingModel:
    """``cross-encoder:MODEL``, ``sparse:MODEL`` or ``multi-vector:MODEL``."""
    import sentence_transformers

    if not argument:
        raise IsoglotError("name the model after the colon, a folder or a hub id")
    model = load_kind(
        kind,
        getattr(sentence_transformers, kind),
        argument,
        device=loading.device,
        trust_remote_code=loading.trust_remote_code,
    )
    return _KINDS[kind](model, argument)
