"""Retrieval by a user's own object that gives scores."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.platform.arrays import Floats, Vectors
from isoglot.platform.errors import IsoglotError, first_line
from isoglot.platform.progress import progress
from isoglot.ranking.exact import rank_pool
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.retrievers.base import RetrieverRecord, Scorer, environment

_LARGEST = 1e37
"""The largest score: with its rounding it stays within float32."""


class ScorerRetriever:
    """Ranks by the scores of a `Scorer`.

    Two scorers with the same class and name have the same fingerprint, unless they have an attribute ``fingerprint``:
    what decides their scores is not known here.

    Args:
        scorer: The user's object.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._name = str(getattr(scorer, "name", type(scorer).__name__))

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`."""
        kind = f"{type(self._scorer).__module__}.{type(self._scorer).__qualname__}"
        named = hashlib.sha256(f"{kind}\n{self._name}".encode()).hexdigest()
        return RetrieverRecord(
            name=self._name,
            fingerprint=str(getattr(self._scorer, "fingerprint", named)),
            how=f"scores of {kind}",
        )

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        return environment("numpy")

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`.

        Raises:
            IsoglotError: The scores have another shape than (q, n), or one is not finite.
        """
        total = sum(len(pool.queries) for pool in pools)
        with progress(f"{self._name}: asking", total, show=show_progress) as advance:
            for pool in pools:
                queries = [collection.queries[at] for at in pool.queries]
                documents = [collection.documents[at] for at in pool.documents]

                def scores(
                    start: int, end: int, queries: Any = queries, documents: Any = documents
                ) -> Vectors | Floats:
                    found = self._checked(self._scorer.scores(queries[start:end], documents), end - start, documents)
                    advance(end - start)
                    return found

                yield rank_pool(scores, pool, balance=balance, top_k=top_k)

    def _checked(self, scores: Any, queries: int, documents: Sequence[Any]) -> Vectors | Floats:
        """Return the scores as an array in float32, or in float64 where float32 would make ties of them."""
        try:
            found = np.asarray(scores)
        except (ValueError, TypeError, RuntimeError) as error:  # rows of several lengths, a tensor with gradients
            raise IsoglotError(
                f"{self._name}: gave scores that are no array of numbers: {first_line(error)}"
            ) from error
        if found.dtype.kind not in "biuf":
            raise IsoglotError(f"{self._name}: gave scores of type {found.dtype}, which are no real numbers")
        found = found.astype(np.float32 if found.dtype in (np.float16, np.float32) else np.float64, copy=False)
        if found.shape != (queries, len(documents)):
            raise IsoglotError(
                f"{self._name}: gave scores of shape {found.shape} for {queries} queries and {len(documents)} documents"
            )
        if not np.isfinite(found).all():
            raise IsoglotError(f"{self._name}: gave scores that are not finite (NaN or infinite)")
        if found.size and np.abs(found).max() > _LARGEST:
            raise IsoglotError(f"{self._name}: gave scores beyond {_LARGEST:g}; scale them")
        return found
