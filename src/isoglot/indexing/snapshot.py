"""One committed state of an index, which stays the same whatever is written meanwhile."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from isoglot.indexing.passages import PASSAGE_COLUMNS, Passage, passage_from_row
from isoglot.indexing.tables import read_errors_explained
from isoglot.platform.arrays import Floats, Ints, RowIds, Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.balance import dot

if TYPE_CHECKING:
    import pyarrow as pa

EXACT_BELOW = 100_000
"""A search of fewer passages is exact; from this number on, LanceDB's index is searched."""
MAX_CACHED_BYTES = 2**30
"""A model's vectors are cached in memory for exact scores if they fit (700,000 of 384 dimensions), else read again."""
_BATCH_ROWS = 8192


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A model whose vectors an index holds.

    Attributes:
        name: What the user called it.
        path: Where it is loaded from: an absolute folder, a hub id or the name of a bundled model.
        signature: Hash of everything that decides a document's vector; another signature means another model.
        column: The table's column of its vectors.
        dimension: Components of a vector.
        ready: Whether all passages have a vector.
        prompts: Role -> the prompt that the user chose for it, as for `isoglot.encoders.prompts.find_prompts`.
    """

    name: str
    path: str
    signature: str
    column: str
    dimension: int
    ready: bool
    prompts: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class PassageArrays:
    """What a search uses of all n passages of L languages besides their vectors, ordered by key.

    Attributes:
        scan_positions: (n,) position of each passage in the order in which the table is scanned.
        row_ids: (n,) LanceDB's row ids.
        keys: (n,) hashes of the passages' ids, ascending.
        language_numbers: (n,) positions of the passages' languages in `language_tags`.
        language_tags: L canonical tags, sorted.
        language_sizes: (L,) numbers of passages.
    """

    scan_positions: Ints
    row_ids: RowIds
    keys: RowIds
    language_numbers: Ints
    language_tags: list[str]
    language_sizes: Ints


class Snapshot:
    """Reads one version of the table.

    Args:
        table: The table, checked out at that version and used by nothing else.
    """

    def __init__(self, table: Any) -> None:
        self.table = table
        self.version: int = table.version
        self._lock = RLock()
        self._vectors: dict[str, Vectors] = {}
        self._language_sums: dict[str, Floats] = {}

    @cached_property
    def models(self) -> list[StoredModel]:
        """All models in the order in which they were added, including those that are not ready."""
        return stored_models(self.table.schema)

    @cached_property
    def count(self) -> int:
        """The number of passages."""
        return int(self.table.count_rows())

    @cached_property
    def indexed_columns(self) -> set[str]:
        """The columns that LanceDB has an index over."""
        return {index.columns[0] for index in self.table.list_indices()}

    @cached_property
    def language_counts(self) -> dict[str, int]:
        """Canonical tag -> number of passages, sorted by tag."""
        counts: Counter[str] = Counter()
        for batch in self.scan(["language"]):
            for language in batch["language"].value_counts():
                counts[language["values"].as_py()] += language["counts"].as_py()
        return dict(sorted(counts.items()))

    def model(self, name: str | None) -> StoredModel:
        """Return the model called `name`; None: the first one.

        Raises:
            IsoglotError: The index has no such model, or not yet all of its vectors.
        """
        ready = [model for model in self.models if model.ready]
        for model in ready:
            if name in (None, model.name):
                return model
        if any(model.name == name for model in self.models):
            raise IsoglotError(f"the vectors of {name!r} are not complete; run `isoglot index` again to finish them")
        names = ", ".join(model.name for model in ready) or "none"
        raise IsoglotError(f"the index has no vectors of {name!r}; its models: {names}")

    @cached_property
    def arrays(self) -> PassageArrays:
        """All passages as arrays, without texts and vectors; 40 bytes a passage."""
        tags = list(self.language_counts)
        numbers = {tag: number for number, tag in enumerate(tags)}
        row_ids, keys, language_numbers = [], [], []
        for batch in self.scan(["key", "language"], row_ids=True):
            row_ids.append(batch["_rowid"].to_numpy())
            keys.append(batch["key"].to_numpy())
            coded = batch["language"].dictionary_encode()
            batch_numbers = np.array([numbers[tag] for tag in coded.dictionary.to_pylist()], dtype=np.int64)
            language_numbers.append(batch_numbers[coded.indices.to_numpy()])
        all_keys = np.concatenate([np.empty(0, dtype=np.uint64), *keys])
        scan_positions = np.argsort(all_keys, kind="stable")
        return PassageArrays(
            scan_positions=scan_positions,
            row_ids=np.concatenate([np.empty(0, dtype=np.uint64), *row_ids])[scan_positions],
            keys=all_keys[scan_positions],
            language_numbers=np.concatenate([np.empty(0, dtype=np.int64), *language_numbers])[scan_positions],
            language_tags=tags,
            language_sizes=np.array([self.language_counts[tag] for tag in tags], dtype=np.int64),
        )

    def fits_into_memory(self, model: StoredModel) -> bool:
        """Return whether the vectors of a model are kept in memory, once they have been read."""
        return 4 * self.count * model.dimension <= MAX_CACHED_BYTES

    def scores(self, model: StoredModel, vector: Vectors) -> Vectors:
        """Score every passage: (n,) cosines with `vector` (d,), in the order of `arrays`."""
        if self.fits_into_memory(model):
            return dot(self._cached_vectors(model), vector)
        parts = [dot(vectors_in(batch[model.column]), vector) for batch in self.scan([model.column])]
        return np.concatenate(parts)[self.arrays.scan_positions]

    def language_sums(self, model: StoredModel) -> Floats:
        """The sum of the vectors of each language: (L, d), in the order of `language_counts`; read once and kept."""
        with self._lock:
            if model.column not in self._language_sums:
                numbers = {tag: number for number, tag in enumerate(self.language_counts)}
                sums = np.zeros((len(numbers), model.dimension))
                for batch in self.scan([model.column, "language"]):
                    tags = [numbers[tag] for tag in batch["language"].to_pylist()]
                    np.add.at(sums, tags, vectors_in(batch[model.column]).astype(np.float64))
                self._language_sums[model.column] = sums
            return self._language_sums[model.column]

    def _cached_vectors(self, model: StoredModel) -> Vectors:
        with self._lock:
            if model.column not in self._vectors:
                positions = np.argsort(self.arrays.scan_positions)
                vectors = np.empty((self.count, model.dimension), dtype=np.float32)
                start = 0
                for batch in self.scan([model.column]):
                    vectors[positions[start : start + len(batch)]] = vectors_in(batch[model.column])
                    start += len(batch)
                self._vectors[model.column] = vectors
            return self._vectors[model.column]

    def scan(self, columns: Sequence[str], where: str | None = None, *, row_ids: bool = False) -> Iterator[Any]:
        """Read the passages that match a condition, always in the same order.

        Args:
            columns: Columns to read.
            where: Condition in SQL; None: all passages.
            row_ids: Whether to add LanceDB's row ids, as the column ``_rowid``.

        Yields:
            Record batches of Arrow, none of them empty.
        """
        query = self.table.search().select(list(columns))
        if where is not None:
            query = query.where(where)
        if row_ids:
            query = query.with_row_id(True)
        with read_errors_explained():
            yield from (batch for batch in query.to_batches(batch_size=_BATCH_ROWS) if batch.num_rows)

    def passages_of(self, row_ids: RowIds) -> list[Passage]:
        """Read the passages with these row ids, in their order."""
        if not len(row_ids):
            return []
        with read_errors_explained():
            taken = self.table.take_row_ids(row_ids.tolist()).select(list(PASSAGE_COLUMNS)).with_row_id().to_arrow()
            passages = {row["_rowid"]: passage_from_row(row) for row in taken.to_pylist()}
        return [passages[row_id] for row_id in row_ids.tolist()]

    def vectors_of(self, model: StoredModel, row_ids: RowIds) -> Vectors:
        """Read the vectors (m, d) of the passages with these row ids, in their order."""
        if not len(row_ids):
            return np.empty((0, model.dimension), dtype=np.float32)
        with read_errors_explained():
            taken = self.table.take_row_ids(row_ids.tolist()).select([model.column]).with_row_id().to_arrow()
        positions = {row_id: position for position, row_id in enumerate(taken["_rowid"].to_pylist())}
        vectors = vectors_in(taken[model.column].combine_chunks())
        return vectors[[positions[row_id] for row_id in row_ids.tolist()]]


def stored_models(schema: pa.Schema) -> list[StoredModel]:
    """List the models that a table has columns for."""
    models = []
    for column in schema:
        if column.name.startswith("vector_"):
            metadata = {key.decode(): value.decode() for key, value in (column.metadata or {}).items()}
            models.append(
                StoredModel(
                    name=metadata["model"],
                    path=metadata["path"],
                    signature=metadata["signature"],
                    column=column.name,
                    dimension=column.type.list_size,
                    ready=metadata["ready"] == "yes",
                    prompts=json.loads(metadata.get("prompts", "{}")),  # older indexes have none
                )
            )
    return models


def unfinished_corpora(schema: pa.Schema) -> list[str]:
    """List the corpora of which a table lacks some documents: their first run was interrupted, or runs still."""
    corpora = schema.field("corpus").metadata or {b"its corpus": b"no"}
    return [name.decode() for name, finished in corpora.items() if finished != b"yes"]


def vectors_in(column: Any) -> Vectors:
    """Convert an Arrow column of fixed-size lists to an array (n, d)."""
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(array.flatten().to_numpy(), dtype=np.float32).reshape(len(array), -1)
