"""Retrieval by systems that only give TREC runs: the first N documents of each query, and nothing about the others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.corpora.trec import RunLine, known_documents, read_run, run_name, trec_token
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.files import sha256
from isoglot.ranking.exact import BEYOND, Ranking
from isoglot.ranking.pools import Pool
from isoglot.retrievers.base import RetrieverRecord, environment


class RunRetriever:
    """Ranks as a run does: by its scores, as trec_eval does, whatever its ranks say; a tie by the pool's tie order.

    trec_eval orders ties by document id, which favours a language where ids start or end with it.

    Args:
        path: A run of one pool, or a folder with a run for each, named as ``isoglot audit --runs`` names them.
        documents: What the run's document ids stand for: (content id, canonical language); None: they are
            ``CONTENT@LANGUAGE``, as ``--runs`` writes them.

    Raises:
        IsoglotError: There is no such file, or the folder holds no run.
    """

    def __init__(self, path: Path, documents: Mapping[str, tuple[str, str]] | None = None) -> None:
        self.path = path
        self._documents = documents
        self._files = sorted(path.glob("*.run")) if path.is_dir() else [path]
        if not self._files:
            raise InputError("holds no *.run", path)
        if not self._files[0].is_file():
            raise InputError("no such run", path)

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`."""
        return RetrieverRecord(
            name=str(self.path),
            fingerprint=self._fingerprint,
            how=f"TREC run{'s' * self.path.is_dir()}, by score, ties in the pool's order",
        )

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        return environment("numpy")

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`."""
        if balance != "none":
            raise IsoglotError(f"balance {balance} needs the ranks of all documents, which a run does not give")
        _check_each_once(pools)
        if not self.path.is_dir():
            _check_one_pool(self.path, collection, pools)
        documents = known_documents(collection) if self._documents is None else self._documents
        read = lru_cache(1)(read_run)  # one file may serve several languages of queries
        for pool in pools:
            path = self.path / f"{_run_name(collection, pool)}.run" if self.path.is_dir() else self.path
            yield _ranking(path, read(path), collection, pool, documents, top_k)

    @cached_property
    def _fingerprint(self) -> str:
        return hashlib.sha256("".join(f"{file.name} {sha256(file)}\n" for file in self._files).encode()).hexdigest()


def _run_name(collection: Collection, pool: Pool) -> str:
    return run_name(pool.scenario, map(collection.named, pool.languages), collection.named(pool.query_language))


def _check_each_once(pools: Sequence[Pool]) -> None:
    if any(len(np.unique(pool.documents)) < len(pool.documents) for pool in pools):
        raise IsoglotError("a run names each document once, so it cannot be audited with --documents-mode per-question")


def _check_one_pool(path: Path, collection: Collection, pools: Sequence[Pool]) -> None:
    first, *others = pools
    for pool in others:
        one, other = (_run_name(collection, found) for found in (first, pool))
        if not np.array_equal(pool.documents, first.documents):
            raise InputError(
                f"is one run, but {one} and {other} are asked for; choose one with --pool and --scenarios, or name a "
                "folder with a run for each",
                path,
            )
        if {*_query_ids(collection, first)} & {*_query_ids(collection, pool)}:
            raise InputError(
                f"does not say whether it was asked in {collection.named(first.query_language)} or in "
                f"{collection.named(pool.query_language)}; name the language with --query-languages",
                path,
            )


def _query_ids(collection: Collection, pool: Pool) -> list[str]:
    return [collection.queries[at].query_id for at in pool.queries]


def _ranking(
    path: Path,
    run: Mapping[str, list[RunLine]],
    collection: Collection,
    pool: Pool,
    documents: Mapping[str, tuple[str, str]],
    top_k: int,
) -> Ranking:
    places = {
        (found.content_id, found.language): place
        for place, found in enumerate(collection.documents[at] for at in pool.documents)
    }
    query_ids = _query_ids(collection, pool)
    lists = [run.get(trec_token(query_id), run.get(query_id, [])) for query_id in query_ids]
    if not any(lists):
        raise InputError(
            f"has none of the {len(query_ids)} queries asked in {collection.named(pool.query_language)}, e.g. "
            f"{query_ids[0]!r}",
            path,
        )
    width = min(top_k, max(map(len, lists)))
    ranks = np.where(pool.golds >= 0, BEYOND, 0)
    tied = np.zeros(ranks.shape, dtype=bool)
    top = np.full((len(lists), width), -1)
    top_scores = np.full(top.shape, np.nan, dtype=np.float32)
    above = np.zeros((len(lists), len(pool.languages)), dtype=np.int64)
    for row, hits in enumerate(lists):
        found = np.array([_place(hit, documents, places, path) for hit in hits], dtype=np.int64)
        scores = np.array([hit.score for hit in hits])
        order = np.lexsort((pool.tie_keys[found], -scores))
        found, scores = found[order], scores[order]
        top[row, : len(found)], top_scores[row, : len(found)] = found[:width], scores[:width]
        for column, gold in enumerate(pool.golds[row]):
            if gold in found:
                at = int(np.flatnonzero(found == gold)[0])
                ranks[row, column] = at + 1
                tied[row, column] = np.count_nonzero(scores == scores[at]) > 1
        others = found[: ranks[row].max()]
        others = others[~np.isin(others, pool.golds[row])]
        above[row] = np.bincount(pool.document_languages[others], minlength=len(pool.languages))
    return Ranking(ranks, tied, top, top_scores, above, np.array(list(map(len, lists))))


def _place(
    hit: RunLine, documents: Mapping[str, tuple[str, str]], places: Mapping[tuple[str, str], int], path: Path
) -> int:
    """Where a document of a run stands in the pool."""
    version = documents.get(hit.document)
    if version is None:
        raise InputError(
            f"document {hit.document!r} is not known; ids are CONTENT@LANGUAGE, or those of --documents-table",
            path,
            hit.line,
        )
    if version not in places:
        raise InputError(
            f"document {hit.document!r} (content {version[0]!r} in {version[1]}) is not in the pool that is asked for; "
            "name the run's with --pool and --scenarios",
            path,
            hit.line,
        )
    return places[version]
