"""Ranking by the vectors of `encode`, shard by shard: here, or each shard in a task of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isoglot.corpora.collection import Collection
from isoglot.encoders.lengths import TextLengths
from isoglot.platform.arrays import Floats, Ints, Vectors
from isoglot.platform.errors import InputError
from isoglot.platform.files import expanded
from isoglot.platform.progress import progress
from isoglot.ranking.blocks import check_finite
from isoglot.ranking.parts import (
    exact_gold_scores,
    find_peaks,
    join,
    rank_part,
    usual_scores_of,
)
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.ranking.task import Part, Peaks, RankingTask
from isoglot.retrievers.base import RetrieverRecord, VectorRankings, environment, used_documents, used_queries
from isoglot.retrievers.held import Version
from isoglot.scale.manifest import read_manifest
from isoglot.scale.shards import ROLES, read_ids, read_vectors, shard_paths

if TYPE_CHECKING:
    from isoglot.retrievers.registry import Loading

Rows = tuple[Path, Ints, Ints]
"""A shard, which of its rows are wanted, and where in the pool they stand, increasing."""
Maps = Callable[[Callable[..., Any], Sequence[Rows], tuple[Any, ...]], Iterator[Any]]
"""Calls a function of a shard's vectors and positions, and of further arguments, for each shard."""


class ShardsRetriever:
    """Ranks by the inner product of vectors that ``isoglot encode`` wrote, one shard in memory at a time.

    Rows are found by content id and language; rows of other collections may be there.

    Args:
        folder: What `encode` wrote.
        ray: Whether a Ray cluster (that of ``RAY_ADDRESS``, else a new one on this machine) ranks the shards.

    Raises:
        InputError: It is no such folder, or its encoding has not ended.
    """

    def __init__(self, folder: Path, *, ray: bool = False) -> None:
        self.folder, self._ray = folder, ray
        self._manifest = read_manifest(folder)
        if self._manifest.texts is None:
            raise InputError("its encoding has not ended; run the same `isoglot encode` again", folder)

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`."""
        return RetrieverRecord(
            name=f"vectors:{self.folder}",
            fingerprint=self._manifest.digest,
            dimension=self._manifest.dimension,
            how=f"vectors of {self._manifest.model} in {self._manifest.dtype}, encoded beforehand",
        )

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        return environment("numpy", "pyarrow")

    def text_lengths(self) -> dict[str, TextLengths]:
        """As `KnowsLengths.text_lengths`: those of the whole corpus that was encoded."""
        return self._manifest.lengths

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`."""
        rankings = self._rankings(collection, pools, balance=balance, top_k=top_k, show_progress=show_progress)
        return VectorRankings(rankings, partial(self._vectors_at, collection), self._zero(collection, pools))

    def _rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        with _mapping(self._ray) as over, progress("ranking pools", len(pools), show=show_progress) as advance:
            for pool in pools:
                asked = _ids_of(collection, "query", pool.queries)
                found = _ids_of(collection, "document", pool.documents)
                yield rank_shards(
                    self._in_order("query", asked),
                    self._rows("document", found),
                    RankingTask(
                        pool.golds,
                        len(found),
                        languages=pool.document_languages,
                        tie_keys=pool.tie_keys,
                        balance=balance,
                        top_k=top_k,
                        ignored=pool.ignored,
                        query_language=pool.query_language_number,
                    ),
                    over,
                )
                advance(1)

    def held(self, role: str) -> Iterator[tuple[Sequence[Version], Vectors]]:
        """As `HoldsVectors.held`."""
        for path, versions in self._ids[role]:
            yield versions, read_vectors(path)

    @cached_property
    def _ids(self) -> dict[str, list[tuple[Path, list[tuple[str, str]]]]]:
        return {role: [(path, self._ids_in(path)) for path in shard_paths(self.folder, role)] for role in ROLES}

    def _ids_in(self, path: Path) -> list[tuple[str, str]]:
        return list(read_ids(path, self._manifest.model_digest))

    def _rows(self, role: str, wanted: Sequence[tuple[str, str]]) -> list[Rows]:
        """The shards that hold what is wanted, and its rows."""
        places = {identity: at for at, identity in enumerate(wanted)}
        found: list[Rows] = []
        count = 0
        for path, ids in self._ids[role]:
            pairs = sorted((places[identity], row) for row, identity in enumerate(ids) if identity in places)
            if pairs:
                positions, rows = np.array(pairs, dtype=np.int64).T
                found.append((path, rows, positions))
                count += len(pairs)
        if count != len(places):
            there = {identity for _, ids in self._ids[role] for identity in ids}
            missing = [identity for identity in wanted if identity not in there]
            if not missing:
                raise InputError(f"has some {ROLES[role]} more than once", self.folder)
            raise InputError(
                f"lacks {len(missing)} of the {len(wanted)} {ROLES[role]} that the audit needs, e.g. {missing[0]}; "
                "`isoglot encode SOURCE` encodes the documents and the queries of a source",
                self.folder,
            )
        return found

    def _zero(self, collection: Collection, pools: Sequence[Pool]) -> dict[str, Ints]:
        """As `VectorRankings.zero`; shards are read for it only where `encode` counted such vectors."""
        zero: dict[str, Ints] = {}
        for role, used in (("query", used_queries(pools)), ("document", used_documents(pools))):
            if role in self._manifest.zero:
                wanted = _ids_of(collection, role, used)
                places = [
                    positions[~read_vectors(path)[rows].any(axis=1)]
                    for path, rows, positions in self._rows(role, wanted)
                ]
                zero[role] = used[np.sort(np.concatenate(places))]
        return zero

    def _vectors_at(self, collection: Collection, queries: Ints, documents: Ints) -> tuple[Vectors, Vectors]:
        """As `VectorRankings.vectors_at`."""
        asked, found = _ids_of(collection, "query", queries), _ids_of(collection, "document", documents)
        return self._in_order("query", asked), self._in_order("document", found)

    def _in_order(self, role: str, wanted: Sequence[tuple[str, str]]) -> Vectors:
        vectors = np.empty((len(wanted), self._manifest.dimension), dtype=np.float32)
        for path, rows, positions in self._rows(role, wanted):
            vectors[positions] = read_vectors(path)[rows]
        return vectors


def _ids_of(collection: Collection, role: str, positions: Ints) -> list[tuple[str, str]]:
    """The content ids (of queries: query ids) and languages of texts at positions in the collection."""
    if role == "query":
        return [(query.query_id, query.language) for query in (collection.queries[at] for at in positions)]
    return [(found.content_id, found.language) for found in (collection.documents[at] for at in positions)]


def rank_shards(queries: Vectors, shards: Sequence[Rows], task: RankingTask, over: Maps | None = None) -> Ranking:
    """Rank as `isoglot.ranking.exact.rank` does, with one shard in memory at a time, or one in each task of a cluster.

    Args:
        queries: (q, d) float32.
        shards: Which rows of which file stand where in the pool; each of its documents is in one of them.
        task: What is to be ranked.
        over: Applies a function to all shards; None: here, one after the other.

    Raises:
        IsoglotError: A vector is not finite, or a shard is damaged.
    """
    check_finite(queries, "query")
    over = over or _here
    with_golds = [shard for shard in shards if np.isin(task.golds, shard[2]).any()]
    gold_scores = np.full(task.golds.shape, -np.inf)
    for scores in over(_gold_scores, with_golds, (queries, task.golds)):
        gold_scores = np.maximum(gold_scores, scores)
    if task.balance.name != "scaled":
        return join(list(over(_part, shards, (queries, task, gold_scores))), task)
    peaks, usual = usual_scores_of(list(over(_peaks, shards, (queries, task))), task)
    return join(list(over(_part, shards, (queries, task, gold_scores, usual))), task, peaks)


def _gold_scores(vectors: NDArray[Any], positions: Ints, queries: Vectors, golds: Ints) -> Floats:
    return exact_gold_scores(queries, vectors, golds, positions)


def _peaks(vectors: NDArray[Any], positions: Ints, queries: Vectors, task: RankingTask) -> Peaks:
    return find_peaks(queries, vectors, task, positions=positions)


def _part(
    vectors: NDArray[Any],
    positions: Ints,
    queries: Vectors,
    task: RankingTask,
    gold_scores: Floats,
    usual: Floats | None = None,
) -> Part:
    return rank_part(queries, vectors, task, gold_scores, usual=usual, positions=positions)


def _with_rows(function: Callable[..., Any], shard: Rows, *arguments: Any) -> Any:
    path, rows, positions = shard
    return function(read_vectors(path)[rows], positions, *arguments)


def _here(function: Callable[..., Any], shards: Sequence[Rows], arguments: tuple[Any, ...]) -> Iterator[Any]:
    return (_with_rows(function, shard, *arguments) for shard in shards)


@contextmanager
def _mapping(on_ray: bool) -> Iterator[Maps]:
    if not on_ray:
        yield _here
        return
    from isoglot.scale.workers import ray_cluster

    with ray_cluster() as ray:
        task = ray.remote(_with_rows)

        def over(function: Callable[..., Any], shards: Sequence[Rows], arguments: tuple[Any, ...]) -> Iterator[Any]:
            shared = [ray.put(argument) for argument in arguments]
            return iter(ray.get([task.remote(function, shard, *shared) for shard in shards]))

        yield over


def load(argument: str, loading: Loading) -> ShardsRetriever:
    """``ray:DIR``: a folder that ``isoglot encode`` wrote, ranked by a Ray cluster."""
    return ShardsRetriever(expanded(argument), ray=True)
