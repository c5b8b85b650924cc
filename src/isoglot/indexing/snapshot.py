"""One committed state of an index: it never changes, whatever is written meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import Any

import numpy as np
import pyarrow as pa

from isoglot.indexing.passages import PASSAGE_COLUMNS, Passage, from_row
from isoglot.platform.arrays import Ints, RowIds, Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.balance import dot

EXACT_BELOW = 100_000
"""With fewer passages a search is exact; from here on LanceDB's index answers."""
KEPT_BYTES = 2**30
"""A model's vectors are kept in memory for exact scores if they take no more (700,000 of 384 dimensions), else read."""
_BATCH = 8192


@dataclass(frozen=True)
class StoredModel:
    """A model whose vectors an index holds.

    Attributes:
        name: What the user called it.
        path: Where it is loaded from: an absolute folder, a hub id or the name of an bundled model.
        signature: Of all that decides a document's vector; another one means that the model has changed.
        column: Of the table, with its vectors.
        dimension: Of its vectors.
        ready: Whether all passages have a vector.
    """

    name: str
    path: str
    signature: str
    column: str
    dimension: int
    ready: bool


@dataclass(frozen=True)
class Rows:
    """All n passages, ordered by key.

    Attributes:
        scanned: (n,) for each its place in the order in which the table is read.
        rowids: (n,) LanceDB's row ids.
        keys: (n,) uint64 hashes of the ids, ascending.
        languages: (n,) positions in `tags`.
        tags: The languages, by tag.
        sizes: (L,) how many passages each has.
    """

    scanned: Ints
    rowids: RowIds
    keys: RowIds
    languages: Ints
    tags: list[str]
    sizes: Ints


class Snapshot:
    """Reads one version of the table.

    Args:
        table: Checked out at that version, and used by nothing else.
    """

    def __init__(self, table: Any) -> None:
        self.table = table
        self.version: int = table.version
        self._lock = RLock()
        self._vectors: dict[str, Vectors] = {}

    @cached_property
    def stored(self) -> list[StoredModel]:
        """All models, in the order in which they were added, also those that are not ready."""
        return stored_models(self.table.schema)

    @cached_property
    def count(self) -> int:
        """How many passages there are."""
        return int(self.table.count_rows())

    @cached_property
    def indexed(self) -> set[str]:
        """The columns that LanceDB has an index over."""
        return {index.columns[0] for index in self.table.list_indices()}

    @cached_property
    def language_counts(self) -> dict[str, int]:
        """Canonical tag -> number of passages, by tag."""
        counts: Counter[str] = Counter()
        for batch in self.scan(["language"]):
            for found in batch["language"].value_counts():
                counts[found["values"].as_py()] += found["counts"].as_py()
        return dict(sorted(counts.items()))

    def model(self, name: str | None) -> StoredModel:
        """The model called `name`; None: the first.

        Raises:
            IsoglotError: The index has no such model, or not all of its vectors yet.
        """
        ready = [stored for stored in self.stored if stored.ready]
        found = next((stored for stored in ready if name in (None, stored.name)), None)
        if found is None and any(stored.name == name for stored in self.stored):
            raise IsoglotError(f"the vectors of {name!r} are not complete; run `isoglot index` again to finish them")
        if found is None:
            names = ", ".join(stored.name for stored in ready) or "none"
            raise IsoglotError(f"the index has no vectors of {name!r}; its models: {names}")
        return found

    @cached_property
    def rows(self) -> Rows:
        """All passages without their texts; 40 bytes each."""
        tags = list(self.language_counts)
        numbers = {tag: at for at, tag in enumerate(tags)}
        rowids, keys, languages = [], [], []
        for batch in self.scan(["key", "language"], row_ids=True):
            rowids.append(batch["_rowid"].to_numpy())
            keys.append(batch["key"].to_numpy())
            coded = batch["language"].dictionary_encode()
            known = np.array([numbers[tag] for tag in coded.dictionary.to_pylist()], dtype=np.int64)
            languages.append(known[coded.indices.to_numpy()])
        if not keys:
            nothing = np.empty(0, dtype=np.int64)
            unsigned = nothing.astype(np.uint64)
            return Rows(nothing, unsigned, unsigned, nothing, [], nothing)
        all_keys = np.concatenate(keys)
        scanned = np.argsort(all_keys, kind="stable")
        return Rows(
            scanned,
            np.concatenate(rowids)[scanned],
            all_keys[scanned],
            np.concatenate(languages)[scanned],
            tags,
            np.array([self.language_counts[tag] for tag in tags], dtype=np.int64),
        )

    def scores(self, model: StoredModel, vector: Vectors) -> Vectors:
        """(n,) the cosine of every passage with `vector` (d,), in the order of `rows`."""
        if 4 * self.count * model.dimension <= KEPT_BYTES:
            return dot(self._kept(model), vector)
        parts = [dot(matrix(batch[model.column]), vector) for batch in self.scan([model.column])]
        return np.concatenate(parts)[self.rows.scanned]

    def _kept(self, model: StoredModel) -> Vectors:
        with self._lock:
            if model.column not in self._vectors:
                places = np.argsort(self.rows.scanned)
                kept = np.empty((self.count, model.dimension), dtype=np.float32)
                start = 0
                for batch in self.scan([model.column]):
                    kept[places[start : start + len(batch)]] = matrix(batch[model.column])
                    start += len(batch)
                self._vectors[model.column] = kept
            return self._vectors[model.column]

    def scan(self, columns: Sequence[str], where: str | None = None, *, row_ids: bool = False) -> Iterator[Any]:
        """Batches of `columns` of the passages that match, always in the same order."""
        query = self.table.search().select(list(columns))
        if where is not None:
            query = query.where(where)
        if row_ids:
            query = query.with_row_id(True)
        yield from (batch for batch in query.to_batches(batch_size=_BATCH) if batch.num_rows)

    def passages_of(self, rowids: RowIds) -> list[Passage]:
        """The passages with these row ids, in their order."""
        if not len(rowids):
            return []
        taken = self.table.take_row_ids(rowids.tolist()).select(list(PASSAGE_COLUMNS)).with_row_id()
        rows = {row["_rowid"]: from_row(row) for row in taken.to_arrow().to_pylist()}
        return [rows[rowid] for rowid in rowids.tolist()]

    def vectors_of(self, model: StoredModel, rowids: RowIds) -> Vectors:
        """(m, d) vectors of the passages with these row ids, in their order."""
        if not len(rowids):
            return np.empty((0, model.dimension), dtype=np.float32)
        taken = self.table.take_row_ids(rowids.tolist()).select([model.column]).with_row_id().to_arrow()
        places = {rowid: at for at, rowid in enumerate(taken["_rowid"].to_pylist())}
        vectors = matrix(taken[model.column].combine_chunks())
        return vectors[[places[rowid] for rowid in rowids.tolist()]]


def stored_models(schema: pa.Schema) -> list[StoredModel]:
    """The models that the columns of a table name."""
    found = []
    for column in schema:
        if column.name.startswith("vector_"):
            about = {key.decode(): value.decode() for key, value in (column.metadata or {}).items()}
            found.append(
                StoredModel(
                    about["model"],
                    about["path"],
                    about["signature"],
                    column.name,
                    column.type.list_size,
                    about["ready"] == "yes",
                )
            )
    return found


def matrix(column: Any) -> Vectors:
    """(n, d) float32 of an Arrow column of fixed-size lists."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(array.flatten().to_numpy(), dtype=np.float32).reshape(len(array), -1)
