"""LanceDB: a table with a column of vectors. The target is a new table with the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError, first_line
from isoglot.platform.extras import needs
from isoglot.platform.files import expanded
from isoglot.stores.base import Block, Fields, field_of, key_text, last_part, make_block

with needs("lancedb", "lancedb"):
    import pyarrow as pa

BLOCK = 8192
"""Rows that are read, changed and committed at once: each commit makes a file of its own."""
FORM = "lancedb:FOLDER/TABLE"
MARK, VERSION = b"isoglot", b"isoglot_version"
"""What the metadata of a target's schema hold: its mark, and the version of the table that it is made of."""


class LanceStore:
    """A table of LanceDB. What is mended is the version that the table had when the target was made.

    Args:
        database: The connection.
        table: Name of the table.
        fields: Its columns, with dots into structs; the vector's may be left out where there is one.
        name: As `Store.name`.
    """

    target_kind = "the table"

    def __init__(self, database: Any, table: str, fields: Fields, name: str) -> None:
        self.name, self._database, self._fields, self.target = name, database, fields, f"{table}_mended"
        with self._explained():
            if table not in self._tables():
                raise IsoglotError(f"{name}: there is no such table, only {', '.join(self._tables()) or 'none'}")
            self._table = database.open_table(table)
            self._schema = self._table.schema
        vectors = [column.name for column in self._schema if pa.types.is_fixed_size_list(column.type)]
        if fields.vector is None and len(vectors) != 1:
            raise IsoglotError(f"{name}: has the vectors {vectors}; name one, --vector-field")
        self._vector = fields.vector or vectors[0]
        for column in (self._vector, fields.language, fields.content):
            if column is not None and column.partition(".")[0] not in self._schema.names:
                raise IsoglotError(f"{name}: has no column {column!r}, only {', '.join(self._schema.names)}")

    def count(self) -> int:
        """As `Store.count`."""
        with self._explained():
            return int(self._table.count_rows())

    def blocks(self, lacking: str | None = None) -> Iterator[Block]:
        """As `Store.blocks`: rows in their order, behind as many as a target has.

        Raises:
            IsoglotError: A vector is zero or not finite.
        """
        with self._explained():
            done = 0 if lacking is None else self._database.open_table(lacking).count_rows()
            if lacking is not None:
                self._table.checkout(int(self._metadata(lacking)[VERSION]))
            rows = self._table.search().where(f"`{self._vector}` IS NOT NULL").offset(done).with_row_id(True)
            for batch in rows.to_batches(BLOCK):
                if batch.num_rows:
                    yield self._block(batch)

    def nearest(self, vectors: Vectors, limit: int) -> list[list[tuple[str, float]]]:
        """As `Store.nearest`, by the metric of the column's index; by Euclidean distance if it has none."""
        with self._explained():
            answers = [
                self._table.search(vector, vector_column_name=self._vector).with_row_id(True).limit(limit).to_list()
                for vector in vectors
            ]
        return [[(key_text(row["_rowid"]), -float(row["_distance"])) for row in rows] for rows in answers]

    def mark(self, target: str) -> str | None:
        """As `Store.mark`."""
        with self._explained():
            if target not in self._tables():
                return None
            return self._metadata(target).get(MARK, b"").decode()

    def create(self, target: str, mark: str) -> None:
        """As `Store.create`."""
        with self._explained():
            metadata = {**(self._schema.metadata or {}), MARK: mark, VERSION: str(self._table.version)}
            self._database.create_table(target, schema=self._schema.with_metadata(metadata))

    def write(self, target: str, block: Block, vectors: Vectors) -> None:
        """As `Store.write`: one commit. A block is written once, since `blocks` yields what is not there."""
        assert block.rows is not None
        table = pa.Table.from_batches([block.rows[0]]).drop_columns(["_rowid"])
        column = self._schema.field(self._vector)
        flat = pa.array(vectors.reshape(-1)).cast(column.type.value_type)
        place = table.schema.get_field_index(self._vector)
        with self._explained():
            changed = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]).cast(column.type)
            self._database.open_table(target).add(table.set_column(place, column, changed))

    def done(self, target: str) -> int:
        """As `Store.done`."""
        with self._explained():
            return int(self._database.open_table(target).count_rows())

    def finish(self, target: str) -> None:
        """As `Store.finish`: each block is committed."""

    def drop(self, target: str) -> None:
        """As `Store.drop`."""
        with self._explained():
            self._database.drop_table(target)

    def close(self) -> None:
        """As `Store.close`."""

    def _block(self, batch: pa.RecordBatch) -> Block:
        count = batch.num_rows
        vectors = batch.column(self._vector)
        columns = [name for name in (self._fields.content, self._fields.language) if name]
        values = batch.select(sorted({name.partition(".")[0] for name in columns})).to_pylist() or [{}] * count
        block = make_block(
            batch.column("_rowid").to_pylist(),
            [field_of(row, self._fields.content) for row in values],
            [field_of(row, self._fields.language) for row in values],
            vectors.flatten().to_numpy(zero_copy_only=False).reshape(count, -1),
            [batch] * count,
        )
        if len(block.keys) < count:
            raise IsoglotError(f"{self.name}: a vector is zero or not finite; remove its row, or set it to null")
        return block

    def _metadata(self, target: str) -> dict[bytes, bytes]:
        return dict(self._database.open_table(target).schema.metadata or {})

    def _tables(self) -> list[str]:
        return list(self._database.list_tables().tables)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the library's errors into one line."""
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            raise IsoglotError(f"{self.name}: {first_line(error)}") from error


def open_store(argument: str, fields: Fields) -> LanceStore:
    """Open ``FOLDER/TABLE``; the folder may be on object storage (``s3://...``)."""
    with needs("lancedb", "lancedb"):
        import lancedb
    folder, table = last_part(argument, FORM)
    if "://" not in folder and not expanded(folder).is_dir():  # LanceDB would create it
        raise IsoglotError(f"lancedb:{argument}: no such folder: {folder}")
    return LanceStore(lancedb.connect(folder), table, fields, f"lancedb:{argument}")
