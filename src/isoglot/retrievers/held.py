"""Samples of the vectors that a retriever holds, by role and language."""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Protocol, runtime_checkable

import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.retrievers.base import RetrieverRecord, environment

SAMPLE = 1000
"""Vectors of a language and role in a sample at most; a mean needs no more."""

Version = tuple[str, str]
"""A content or query id, and the canonical tag of a language."""


@runtime_checkable
class HoldsVectors(Protocol):
    """A retriever of vectors that were made before: whoever has no texts can still fit a transform to them."""

    def held(self, role: str) -> Iterator[tuple[Sequence[Version], Vectors]]:
        """Yield all vectors of a role, ``query`` or ``document``, a block at a time: n versions and (n, d) vectors."""


class DocumentVectors:
    """A retriever of documents' vectors that has no questions to rank: they are sampled and aligned.

    Args:
        record: What `describe` says.
        packages: Names of the packages that give the vectors.
        instead: What to do instead of ranking, in words.
    """

    def __init__(self, record: RetrieverRecord, packages: Sequence[str], instead: str) -> None:
        self._record, self._packages, self._instead = record, packages, instead

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`."""
        return self._record

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        return environment(*self._packages)

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`.

        Raises:
            IsoglotError: Always.
        """
        raise IsoglotError(f"{self._record.name}: holds no questions; {self._instead}")


def sample_held(retriever: HoldsVectors, role: str, most: int = SAMPLE) -> tuple[list[Version], Vectors]:
    """Return at most `most` vectors of each language, which the hashes of their ids choose, and their versions.

    Memory is that of the sample and one block.
    """
    heaps: dict[str, list[tuple[int, str, int, Vectors]]] = defaultdict(list)
    numbers = count()  # passages of one document have one id, and vectors have no order
    for versions, vectors in retriever.held(role):
        for (identity, language), vector in zip(versions, vectors, strict=True):
            rank = -int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest())
            heap = heaps[language]
            if len(heap) < most:
                heapq.heappush(heap, (rank, identity, next(numbers), vector.copy()))
            elif (rank, identity) > heap[0][:2]:
                heapq.heapreplace(heap, (rank, identity, next(numbers), vector.copy()))
    versions = [(identity, tag) for tag in sorted(heaps) for _, identity, *_ in heaps[tag]]
    if not versions:
        return [], np.empty((0, 0), dtype=np.float32)
    return versions, np.array([vector for tag in sorted(heaps) for *_, vector in heaps[tag]], dtype=np.float32)
