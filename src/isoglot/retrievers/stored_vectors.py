"""Retrieval by vectors that the user has: two arrays, and the ids of their rows."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isoglot.corpora.collection import Collection
from isoglot.corpora.readers.lines import read_lines
from isoglot.corpora.trec import version_id
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import InputError
from isoglot.platform.files import expanded, sha256
from isoglot.platform.languages import canonical
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.retrievers.base import Retriever, RetrieverRecord, environment, used_documents, used_queries
from isoglot.retrievers.dense import rank_vectors
from isoglot.retrievers.held import Version
from isoglot.retrievers.shards import ShardsRetriever
from isoglot.scale.arrays import array_paths, check_named, read_array
from isoglot.scale.manifest import MANIFEST
from isoglot.scale.shards import ROLES

if TYPE_CHECKING:
    from isoglot.retrievers.registry import Loading

log = logging.getLogger("isoglot")
KINDS = ("queries", "documents")
BLOCK = 65_536
"""Vectors in a block where all are read."""
_SHORTEST, _LONGEST = 1e-18, 1e18
"""Lengths of vectors between which float32 holds their inner products."""


class StoredVectorsRetriever:
    """Ranks by the inner product of stored vectors, as they are: those of a cosine model should have unit length.

    ``queries.npy`` and ``documents.npy`` are (n, d) arrays of float16, float32 or float64, of which only the rows that
    are asked for are read. ``queries.ids.txt`` and ``documents.ids.txt`` name their rows, one a line: ``ID@LANGUAGE``
    with a query id or a content id, as in the runs of ``isoglot audit --runs``. Rows of other collections may be there.
    A folder without queries can be audited by itself and aligned, but ranks nothing.

    Args:
        folder: Where the files are.

    Raises:
        InputError: One is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        has_queries = any(path.exists() for path in array_paths(folder, "queries"))
        self._kinds = KINDS if has_queries else ("documents",)
        for kind in self._kinds:
            for file in array_paths(folder, kind):
                if not file.is_file():
                    raise InputError("no such file", file)

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`."""
        return RetrieverRecord(
            name=f"vectors:{self.folder}",
            fingerprint=self._fingerprint,
            dimension=int(read_array(self.folder / "documents.npy").shape[1]),
            how="stored vectors, by inner product as they are",
        )

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        return environment("numpy")

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`.

        Raises:
            InputError: There are no queries, or one of the vectors is missing or cannot be ranked.
        """
        if "queries" not in self._kinds:
            raise InputError("holds no queries (queries.npy): audit it without --data", self.folder)
        asked = [collection.queries[at] for at in used_queries(pools)]
        found = [collection.documents[at] for at in used_documents(pools)]
        queries = self._vectors("queries", [version_id(query.query_id, query.language) for query in asked])
        documents = self._vectors("documents", [version_id(d.content_id, d.language) for d in found])
        if queries.shape[1] != documents.shape[1]:
            raise InputError(
                f"vectors of queries have {queries.shape[1]} dimensions, those of documents {documents.shape[1]}",
                self.folder,
            )
        return rank_vectors(pools, queries, documents, balance=balance, top_k=top_k)

    def held(self, role: str) -> Iterator[tuple[Sequence[Version], Vectors]]:
        """As `HoldsVectors.held`."""
        if ROLES[role] not in self._kinds:
            return
        array, rows = self._array_and_rows(ROLES[role])
        versions = [(identity, canonical(tag)) for identity, _, tag in (name.rpartition("@") for name in rows)]
        for start in range(0, len(array), BLOCK):
            yield versions[start : start + BLOCK], np.asarray(array[start : start + BLOCK], dtype=np.float32)

    @cached_property
    def _fingerprint(self) -> str:
        files = [file for kind in self._kinds for file in array_paths(self.folder, kind)]
        return hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest()

    def _vectors(self, kind: str, wanted: Sequence[str]) -> Vectors:
        """The vectors of the rows called `wanted`: (n, d) float32."""
        path, named = array_paths(self.folder, kind)
        array, rows = self._array_and_rows(kind)
        missing = [identity for identity in wanted if identity not in rows]
        if missing:
            raise InputError(f"lacks {len(missing)} of the {len(wanted)} {kind} asked for, e.g. {missing[0]!r}", named)
        places = [rows[identity] for identity in wanted]
        given = array[[row for row, _ in places]]
        with np.errstate(over="ignore"):
            lengths = np.linalg.norm(given.astype(np.float64, copy=False), axis=1)
        wrong = np.flatnonzero(~((lengths > _SHORTEST) & (lengths < _LONGEST)))
        if len(wrong):
            first = wrong[0]
            what = f"is {lengths[first]:.3g} long; scale the vectors, to unit length if they are compared by cosine"
            if not given[first].any():
                what = "is zero"
            elif not np.isfinite(given[first]).all():
                what = "is not finite (NaN or infinite)"
            raise InputError(
                f"the vector of {wanted[first]!r}, row {places[first][0]} of {path.name}, {what}",
                named,
                places[first][1],
            )
        if abs(lengths - 1).max() > 0.01:
            log.warning(
                "%s: vectors are %.3g to %.3g long and are ranked as they are", path, lengths.min(), lengths.max()
            )
        return np.ascontiguousarray(given, dtype=np.float32)

    def _array_and_rows(self, kind: str) -> tuple[NDArray[Any], dict[str, tuple[int, int]]]:
        path, named = array_paths(self.folder, kind)
        array, rows = read_array(path), _rows(named)
        check_named(array, len(rows), self.folder, kind)
        return array, rows


def _rows(path: Path) -> dict[str, tuple[int, int]]:
    """Id -> its row, and the line that names it."""
    rows: dict[str, tuple[int, int]] = {}
    for line, text in read_lines(path):
        if text.strip() in rows:
            raise InputError(f"{text.strip()!r} is in line {rows[text.strip()][1]} already", path, line)
        rows[text.strip()] = len(rows), line
    return rows


def load(argument: str, loading: Loading) -> Retriever:
    """``vectors:DIR``: the folder of `StoredVectorsRetriever`, or one that ``isoglot encode`` wrote."""
    folder = expanded(argument)
    return ShardsRetriever(folder) if (folder / MANIFEST).exists() else StoredVectorsRetriever(folder)
