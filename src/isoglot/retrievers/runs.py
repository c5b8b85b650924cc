"""Retrieval by systems that only give TREC runs: the first N documents of each query, and nothing about the others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.corpora.left_out import UNKNOWN_IN_RUN, LeftOut
from isoglot.corpora.trec import RunLine, known_documents, read_run, run_name, trec_token
from isoglot.platform.arrays import Floats, Ints
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.files import sha256
from isoglot.ranking.balance import Balance, parse_balance, usual_scores
from isoglot.ranking.lists import RankedList, rank_lists
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.retrievers.base import RetrieverRecord, environment


class RunRetriever:
    """Ranks as a run does: by its scores, as trec_eval does, whatever its ranks say; a tie by the pool's tie order.

    trec_eval orders ties by document id, which favours a language where ids start or end with it.

    Args:
        path: A run of one pool, or a folder with a run for each, named as ``isoglot audit --runs`` names them.
        documents: What the run's document ids stand for: (content id, canonical language); None: they are
            ``CONTENT@LANGUAGE``, as ``--runs`` writes them. Other ids in the run are left out; a warning counts them.
        strict: Whether such an id is an error.

    Raises:
        IsoglotError: There is no such file, or the folder holds no run.
    """

    def __init__(
        self, path: Path, documents: Mapping[str, tuple[str, str]] | None = None, *, strict: bool = False
    ) -> None:
        self.path = path
        self._strict = strict
        self._documents = documents
        self._files = sorted((*path.glob("*.run"), *path.glob("*.run.gz"))) if path.is_dir() else [path]
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
        parsed = parse_balance(balance)
        if parsed.name in ("equal", "proportional"):
            raise IsoglotError(f"balance {balance} needs the ranks of all documents, which a run does not give")
        _check_each_once(pools)
        if not self.path.is_dir():
            _check_one_pool(self.path, collection, pools)
        documents = known_documents(collection) if self._documents is None else self._documents
        left_out = LeftOut(self._strict)

        @lru_cache(1)
        def read(path: Path) -> dict[str, list[RunLine]]:  # one file may serve several languages of queries
            return _read_known(path, documents, left_out)

        for pool in pools:
            path = self._path_of(_run_name(collection, pool))
            yield _ranking(path, read(path), collection, pool, documents, parsed, top_k)
        left_out.warn(str(self.path))

    def _path_of(self, name: str) -> Path:
        """The file of a pool's run, which may be gzipped."""
        if not self.path.is_dir():
            return self.path
        return next((file for file in self._files if file.name == f"{name}.run.gz"), self.path / f"{name}.run")

    @cached_property
    def _fingerprint(self) -> str:
        return hashlib.sha256("".join(f"{file.name} {sha256(file)}\n" for file in self._files).encode()).hexdigest()


def _read_known(path: Path, documents: Mapping[str, tuple[str, str]], left_out: LeftOut) -> dict[str, list[RunLine]]:
    """Return a run without the documents that are not known.

    Raises:
        InputError: As `read_run`; or the run names none of the documents.
    """
    run = read_run(path)
    unknown = [hit for hits in run.values() for hit in hits if hit.document not in documents]
    if len(unknown) == sum(map(len, run.values())):
        raise InputError(
            f"document {unknown[0].document!r} is not known, nor is any other; ids are CONTENT@LANGUAGE, or those of "
            "--documents-table",
            path,
            unknown[0].line,
        )
    for hit in unknown:
        left_out.add(UNKNOWN_IN_RUN, path, hit.line)
    return {query: [hit for hit in hits if hit.document in documents] for query, hits in run.items()}


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
    balance: Balance,
    top_k: int,
) -> Ranking:
    places = {
        (document.content_id, document.language): place
        for place, document in enumerate(collection.documents[position] for position in pool.documents)
    }
    query_ids = _query_ids(collection, pool)
    lists = [run.get(trec_token(query_id), run.get(query_id, [])) for query_id in query_ids]
    if not any(lists):
        raise InputError(
            f"has none of the {len(query_ids)} queries asked in {collection.named(pool.query_language)}, e.g. "
            f"{query_ids[0]!r}",
            path,
        )
    found_lists = []
    for row, hits in enumerate(lists):
        positions = np.array([_place(hit, documents, places, path) for hit in hits], dtype=np.int64)
        scores = np.array([hit.score for hit in hits])
        found = positions != (-1 if pool.ignored is None else pool.ignored[row])
        positions, scores = positions[found], scores[found]
        if balance.name == "scaled" and len(positions):
            positions, scores = _scaled(positions, scores, collection, pool, balance, path, query_ids[row])
        best_first = np.lexsort((pool.tie_keys[positions], -scores))
        found_lists.append(RankedList(positions[best_first], scores[best_first], int(np.count_nonzero(~found))))
    return rank_lists(found_lists, pool, top_k)


def _scaled(
    positions: Ints, scores: Floats, collection: Collection, pool: Pool, balance: Balance, path: Path, query_id: str
) -> tuple[Ints, Floats]:
    """The positions and scaled scores of those documents of a query of which the scaled rank is known.

    A document that the run left out scores at most as its last one, so, scaled, at most that less what is usual for
    its language. Documents that are scaled below it may have others of these above them, and are left out too.

    Raises:
        InputError: The run is not deep enough to know what is usual for each language.
    """
    sizes = np.bincount(pool.document_languages, minlength=len(pool.languages))
    languages = pool.document_languages[positions]
    counts = np.bincount(languages, minlength=len(sizes))
    short = np.flatnonzero(counts < np.minimum(balance.k, sizes))
    if len(short):
        language = collection.named(pool.languages[short[0]])
        raise InputError(
            f"has {counts[short[0]]} documents in {language} for query {query_id!r}; scaled balance needs "
            f"{balance.k} of each language: make the run deeper, or choose a smaller k",
            path,
        )
    if balance.weight < 1 and (counts < sizes).any():
        raise InputError(
            "does not hold all documents, so the mean of all scores of a language is not known; use scaled balance "
            "with the weight 1 (--scaled-weight 1)",
            path,
        )
    best = [-np.sort(-scores[languages == number])[None, :] for number in range(len(sizes))]
    totals = np.array([[scores[languages == number].sum() for number in range(len(sizes))]])
    usual = usual_scores(best, totals, sizes, balance, pool.query_language_number)[0]
    bound = (scores.min() - usual[counts < sizes]).max(initial=-np.inf)
    known = scores - usual[languages] > bound
    return positions[known], (scores - usual[languages])[known]


def _place(
    hit: RunLine, documents: Mapping[str, tuple[str, str]], places: Mapping[tuple[str, str], int], path: Path
) -> int:
    """Where a document of a run stands in the pool."""
    version = documents[hit.document]
    if version not in places:
        raise InputError(
            f"document {hit.document!r} (content {version[0]!r} in {version[1]}) is not in the pool that is asked for; "
            "name the run's with --pool and --scenarios",
            path,
            hit.line,
        )
    return places[version]
