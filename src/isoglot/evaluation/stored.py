"""Stored-vector sweep: the pools of an audit ranked by vectors as a store may keep them.

Every form is an inner product, so ranks stay exact (`isoglot.ranking.exact`), and documents keep the form's own size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoglot.corpora.collection import Collection
from isoglot.evaluation.changes import MEASURES, StoredVectors
from isoglot.evaluation.comparison.paired import Pair, mean_changes
from isoglot.evaluation.results import ScenarioResult
from isoglot.evaluation.scoring import RankedPool
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.retrievers.base import VectorRankings, used_documents, used_queries
from isoglot.retrievers.dense import rank_vectors

DTYPES = ("float32", "float16", "int8", "int8-codes", "binary")
_BITS = {"float32": 32, "float16": 16, "int8": 8, "int8-codes": 8, "binary": 1}


def check_stored(dtypes: Sequence[str], dimensions: Sequence[int]) -> None:
    """Refuse forms that there are not.

    Raises:
        IsoglotError: A dtype is unknown, or a dimension is below 1.
    """
    for dtype in dtypes:
        if dtype not in DTYPES:
            raise IsoglotError(f"unknown form of stored vectors {dtype!r}; choose from {', '.join(DTYPES)}")
    for dimension in dimensions:
        if dimension < 1:
            raise IsoglotError(f"the number of dimensions is {dimension}; it must be at least 1")


def as_stored(
    queries: Vectors, documents: Vectors, dtype: str, dimension: int | None = None
) -> tuple[Vectors, NDArray[Any]]:
    """Return vectors whose inner products rank as vectors do that are stored otherwise.

    The first `dimension` components are kept and brought to unit length again (Kusupati et al. 2022, Matryoshka). Then

    - ``float16``: the documents are rounded; queries stay float32.
    - ``int8``: the documents become the codes of sentence-transformers' ``quantize_embeddings``, 256 steps between the
      least and the largest value of each component among the documents; scores are those of the decoded codes. The
      steps are multiplied into the queries, and an offset that is the same for all documents is left out.
    - ``int8-codes``: the codes of queries and documents, by the same ranges, are compared as they are, as in
      sentence-transformers' ``semantic_search_usearch``: that centres and scales each component.
    - ``binary``: the signs of queries and documents. The inner product of -1 and 1 is the dimension less twice the
      Hamming distance.

    Args:
        queries: (q, d) float32.
        documents: (n, d) float32.
        dtype: One of `DTYPES`.
        dimension: Number of components to keep, 1 to d; None: all.

    Returns:
        (q, dimension) float32 and (n, dimension) vectors, the latter in float32, float16 or int8.
    """
    if dimension is not None and dimension < documents.shape[1]:
        queries, documents = _truncated(queries, dimension), _truncated(documents, dimension)
    match dtype:
        case "float16":
            return queries, documents.astype(np.float16)
        case "int8" | "int8-codes":
            start, step = _ranges(documents)
            if dtype == "int8":
                return queries * step, _codes(documents, start, step)
            return _codes(queries, start, step).astype(np.float32), _codes(documents, start, step)
        case "binary":
            return _signs(queries).astype(np.float32), _signs(documents)
    return queries, documents


def sweep_stored(
    rankings: Iterator[Ranking],
    collection: Collection,
    pools: Sequence[Pool],
    results: Sequence[ScenarioResult],
    dtypes: Sequence[str],
    dimensions: Sequence[int],
    *,
    seed: int,
    balance: str,
) -> tuple[StoredVectors, ...]:
    """Rank the pools by vectors in every form, and compare with float32 in all dimensions, which comes first.

    Nothing is done where neither dtypes nor dimensions are named.

    Args:
        rankings: The audit's rankings, for their vectors.
        collection: What the pools' positions point into.
        pools: The pools that were audited.
        results: Their results, with ranks.
        dtypes: Names out of `DTYPES`; none: float32.
        dimensions: Numbers of components; none: all.
        seed: Random seed for the resamples.
        balance: How the languages' results are merged.

    Raises:
        IsoglotError: There are no vectors, or they have fewer components.
    """
    if not dtypes and not dimensions:
        return ()
    if not isinstance(rankings, VectorRankings):
        raise IsoglotError("what is audited has no vectors, which --stored and --dimensions could store otherwise")
    places = [number for number, pool in enumerate(pools) if pool.scenario in MEASURES]
    asked = [pools[place] for place in places]
    queries, documents = rankings.vectors_at(used_queries(asked), used_documents(asked))
    every = documents.shape[1]
    if max(dimensions, default=1) > every:
        raise IsoglotError(f"the vectors have {every} dimensions, fewer than {max(dimensions)}")
    forms = dict.fromkeys([("float32", every), *product(dtypes or ["float32"], dimensions or [every])])
    found = []
    for dtype, dimension in forms:
        ranked = rank_vectors(asked, *as_stored(queries, documents, dtype, dimension), balance=balance, top_k=0)
        pairs = [
            Pair(results[place], RankedPool(collection, pool, ranking, seed).judged, np.arange(len(pool.queries)))
            for place, pool, ranking in zip(places, asked, ranked, strict=True)
        ]
        size = -(-dimension * _BITS[dtype] // 8)
        found.append(StoredVectors(dtype=dtype, dimension=dimension, bytes=size, measures=mean_changes(pairs, seed)))
    return tuple(found)


def _truncated(vectors: Vectors, dimension: int) -> Vectors:
    kept = vectors[:, :dimension]
    lengths = np.linalg.norm(kept, axis=1, keepdims=True)
    return np.asarray(kept / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _ranges(documents: Vectors) -> tuple[Vectors, Vectors]:
    """(d,) the least value of each component, and a 255th of its range; 1 where there is none."""
    start = documents.min(axis=0)
    step = (documents.max(axis=0) - start) / 255
    return start, np.where(step == 0, 1, step).astype(np.float32)


def _codes(vectors: Vectors, start: Vectors, step: Vectors) -> NDArray[np.int8]:
    codes: NDArray[np.int8] = (np.clip(np.floor((vectors - start) / step), 0, 255) - 128).astype(np.int8)
    return codes


def _signs(vectors: Vectors) -> NDArray[np.int8]:
    return np.where(vectors > 0, 1, -1).astype(np.int8)
