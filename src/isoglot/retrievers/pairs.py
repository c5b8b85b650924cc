"""Retrieval by a model that scores a query with a document: all documents of a pool, or the candidates of another."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.encoders.cache import VectorCache
from isoglot.platform.arrays import Bools, Ints, Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.progress import progress
from isoglot.ranking.exact import rank_pool
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.retrievers.base import RetrieverRecord

log = logging.getLogger("isoglot")

KEPT_TOGETHER = 1024
"""How many pairs are scored between two writes to the cache, which a killed process loses at most."""

Pairs = Sequence[tuple[str, str]]
"""Texts of a query and of a document."""


class PairRetriever(ABC):
    """Ranks by the scores of pairs, which are kept between runs: no pair is scored twice."""

    @abstractmethod
    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`."""

    @abstractmethod
    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""

    @abstractmethod
    def cache_key(self) -> dict[str, object]:
        """All that decides the score of a pair but its texts."""

    @abstractmethod
    def fresh_scores(self, pairs: Pairs) -> Vectors:
        """(p,) float32 scores of p pairs, of which those of a query stand together.

        Raises:
            IsoglotError: They cannot be had, or are not finite.
        """

    def order_of_work(self, lengths: Ints) -> Ints:
        """(p,) numbers by which p pairs are ordered before they are scored; all equal: they stay as they are.

        Args:
            lengths: (p,) characters of each pair.
        """
        return np.zeros_like(lengths)

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`: every document of a pool is scored with each of its queries.

        Raises:
            IsoglotError: As `fresh_scores`.
        """
        wanted = np.zeros((len(collection.queries), len(collection.documents)), dtype=bool)
        for pool in pools:
            wanted[np.ix_(pool.queries, pool.documents)] = True
        scores = self.pair_scores(collection, wanted, show_progress=show_progress)

        def block(pool: Pool, start: int, end: int) -> Vectors:
            return scores[np.ix_(pool.queries[start:end], pool.documents)]

        for pool in pools:
            yield rank_pool(partial(block, pool), pool, balance=balance, top_k=top_k)

    def pair_scores(self, collection: Collection, wanted: Bools, *, show_progress: bool) -> Vectors:
        """The score of each pair that is wanted.

        How many are to be scored is logged before, and how long it will take after the first of them.

        Args:
            collection: Its queries and documents.
            wanted: (queries, documents) which pairs are wanted.
            show_progress: Whether to show progress on standard error.

        Returns:
            (queries, documents) float32; NaN where no score is wanted.

        Raises:
            IsoglotError: As `fresh_scores`.
        """
        queries = [query.text for query in collection.queries]
        documents = [document.text for document in collection.documents]
        name = self.describe().name
        cache = VectorCache(self.cache_key(), model=name)
        scores = np.full(wanted.shape, np.nan, dtype=np.float32)
        for row in np.flatnonzero(wanted.any(axis=1)):
            columns = np.flatnonzero(wanted[row])
            texts = [_text_of(queries[row], documents[column]) for column in columns]
            kept = cache.get(texts)
            scores[row, columns] = [kept[text][0] if text in kept else np.nan for text in texts]
        rows, columns = np.nonzero(wanted & np.isnan(scores))
        query_lengths, document_lengths = np.array([*map(len, queries)]), np.array([*map(len, documents)])
        work = np.argsort(self.order_of_work(query_lengths[rows] + document_lengths[columns]), kind="stable")
        rows, columns = rows[work], columns[work]
        if len(rows):
            log.info("%s: %d pairs of a query and a document to score, of %d", name, len(rows), wanted.sum())
        started = time.monotonic()
        with progress(f"{name}: scoring pairs", len(rows), show=show_progress) as advance:
            for start in range(0, len(rows), KEPT_TOGETHER):
                chosen = slice(start, start + KEPT_TOGETHER)
                pairs = [
                    (queries[row], documents[column]) for row, column in zip(rows[chosen], columns[chosen], strict=True)
                ]
                found = _checked(self.fresh_scores(pairs), pairs, name)
                scores[rows[chosen], columns[chosen]] = found
                cache.put([_text_of(*pair) for pair in pairs], found[:, None])
                advance(len(pairs))
                if start == 0 and len(rows) > len(pairs):
                    seconds = (time.monotonic() - started) * (len(rows) / len(pairs) - 1)
                    log.info("%s: about %.0f minutes to go", name, seconds / 60)
        return scores


def _text_of(query: str, document: str) -> str:
    """A text that stands for a pair in the cache."""
    return f"{len(query)} {query} {document}"


def _checked(scores: Any, pairs: Pairs, name: str) -> Vectors:
    found = np.asarray(scores, dtype=np.float32)
    if found.shape != (len(pairs),):
        raise IsoglotError(f"{name}: gave scores of shape {found.shape} for {len(pairs)} pairs; it must give one each")
    wrong = np.flatnonzero(~np.isfinite(found))
    if len(wrong):
        query, document = pairs[wrong[0]]
        raise IsoglotError(f"{name}: gave {found[wrong[0]]} for {query[:40]!r} with {document[:40]!r}")
    return found
