"""Retrieval by a reranker behind an API, whose scores are kept between runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.retrievers.base import RetrieverRecord, environment
from isoglot.retrievers.embeddings_api import batches, provider_api
from isoglot.retrievers.pairs import PairRetriever, Pairs
from isoglot.retrievers.providers import PROVIDERS

if TYPE_CHECKING:
    from isoglot.retrievers.registry import Loading


@dataclass(frozen=True)
class RerankApi:
    """How a provider's reranker is asked; docs/reference/retrievers.md names the pages, and the day they were read.

    Attributes:
        path: The path to post to.
        body: Returns the request for a model, a query and documents.
        results: Returns the list of results in an answer.
        score: The name of the score in a result.
        most: Documents in a request at most.
    """

    path: str
    body: Callable[[str, str, list[str]], Mapping[str, Any]]
    results: Callable[[Any], Any]
    score: str = "relevance_score"
    most: int = 1000


RERANK_APIS = {
    "cohere": RerankApi(
        "/v2/rerank",
        lambda model, query, texts: {"model": model, "query": query, "documents": texts},
        itemgetter("results"),
    ),
    "jina": RerankApi(
        "/rerank",
        lambda model, query, texts: {"model": model, "query": query, "documents": texts, "return_documents": False},
        itemgetter("results"),
    ),
    "voyage": RerankApi(
        "/rerank",
        lambda model, query, texts: {"model": model, "query": query, "documents": texts, "truncation": True},
        itemgetter("data"),
    ),
    "tei": RerankApi(
        "/rerank",
        lambda model, query, texts: {"query": query, "texts": texts, "raw_scores": True, "truncate": True},
        list,
        score="score",
        most=32,
    ),
}
"""Provider -> how its reranker is asked."""


class RerankApiRetriever(PairRetriever):
    """Ranks by the scores of a provider's reranker. Key and base URL come from the environment, as for its embeddings.

    A request holds one query and as many documents as the provider takes.

    Args:
        model: Its name there; for text-embeddings-inference, which serves one model, the server's address.
        provider: A name out of `RERANK_APIS`.
        timeout: Seconds that an answer may take.

    Raises:
        IsoglotError: A package is missing, the key is missing or broken, or the base URL is none.
    """

    def __init__(self, model: str, *, provider: str, timeout: float = 120) -> None:
        if not model:
            raise IsoglotError(f"name the API's model: {provider}-rerank:MODEL")
        self._rerank, self._model = RERANK_APIS[provider], model
        self._name = f"{provider}-rerank:{model}"
        given = model if PROVIDERS[provider].model_path and "://" in model else None
        self._api = provider_api(PROVIDERS[provider], model, given, timeout)

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`."""
        return RetrieverRecord(
            name=self._name,
            fingerprint=hashlib.sha256(json.dumps(self.cache_key(), sort_keys=True).encode()).hexdigest(),
            how=f"the reranker of {self._api.address}, whose weights are not seen: the fingerprint is of names",
        )

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        return environment("httpx2", "numpy")

    def cache_key(self) -> dict[str, object]:
        """As `PairRetriever.cache_key`, as far as one knows."""
        return {"rerank_api": self._api.address, "model": self._model}

    def fresh_scores(self, pairs: Pairs) -> Vectors:
        """As `PairRetriever.fresh_scores`.

        Raises:
            IsoglotError: The API does not answer, refuses, or gives something else than a score for each document.
        """
        scores = [
            self._scores(query, texts)
            for query, of_query in groupby(pairs, key=itemgetter(0))
            for texts in batches([document for _, document in of_query], self._rerank.most)
        ]
        return np.concatenate(scores)

    def _scores(self, query: str, texts: list[str]) -> Vectors:
        answer = self._api.post(self._rerank.path, self._rerank.body(self._model, query, texts))
        try:
            results = self._rerank.results(answer)
            scores = {int(result["index"]): float(result[self._rerank.score]) for result in results}
        except (LookupError, TypeError, ValueError, AttributeError):
            said = self._api.said(answer)
            raise self._bad(f"an error ({said})" if said else "something else than scored documents") from None
        if len(results) != len(texts) or scores.keys() != {*range(len(texts))}:
            raise self._bad(f"{len(results)} scores for {len(texts)} documents, or some of them twice")
        return np.array([scores[at] for at in range(len(texts))], dtype=np.float32)

    def _bad(self, what: str) -> IsoglotError:
        return IsoglotError(f"{self._api.address}: {self._model} gave {what}; what was good before is kept")


def load(argument: str, loading: Loading, provider: str) -> RerankApiRetriever:
    """``PROVIDER-rerank:MODEL``."""
    return RerankApiRetriever(argument, provider=provider)
