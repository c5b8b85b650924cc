"""PostgreSQL with pgvector: a table with a column of vectors. The target is a shadow column of the same type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError, first_line
from isoglot.platform.extras import needs
from isoglot.stores.base import BLOCK, Block, Fields, key_text, make_block, refuse_password

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composed

FORM = "pgvector:postgresql://HOST/DATABASE/TABLE"

_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
_KEY = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_index i
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY array_position(i.indkey::int2[], a.attnum)
"""
_OPERATORS = """
SELECT o.opcname FROM pg_index i JOIN pg_opclass o ON o.oid = ANY (i.indclass)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indrelid = %s::regclass AND a.attname = %s
"""
_MARK = """
SELECT coalesce(col_description(attrelid, attnum), '') FROM pg_attribute
WHERE attrelid = %s::regclass AND attname = %s AND NOT attisdropped
"""
_TRIGGERS = """
SELECT tgname FROM pg_trigger
WHERE tgrelid = %s::regclass AND NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgtype & 16 = 16
"""
DISTANCES = {"ip": "<#>", "l2": "<->", "cosine": "<=>"}
"""Operators by what stands in the names of pgvector's operator classes."""


class PgvectorStore:
    """A table with a primary key and a column of the type vector or halfvec.

    Args:
        connection: A connection in autocommit mode.
        table: Name of the table, with its schema if it is not on the search path.
        fields: Columns; the vector's may be left out where there is one.
        name: As `Store.name`.
    """

    target_kind = "the column"

    def __init__(self, connection: psycopg.Connection[Any], table: str, fields: Fields, name: str) -> None:
        from psycopg import sql

        self.name, self._connection, self._fields = name, connection, fields
        self._table = sql.Identifier(*table.split("."))
        self._regclass = self._table.as_string(connection)
        types = dict(self._rows(_COLUMNS, [self._regclass]))
        self._key = self._rows(_KEY, [self._regclass])
        if not self._key:
            raise IsoglotError(f"{name}: the table has no primary key, by which its rows are known; add one")
        vectors = [
            column
            for column, kind in types.items()
            if kind.startswith(("vector", "halfvec")) and not (self.mark(column) or "").startswith("isoglot")
        ]
        if fields.vector is None and len(vectors) != 1:
            raise IsoglotError(f"{name}: has the vectors {', '.join(vectors) or '(none)'}; name one, --vector-field")
        self._vector = fields.vector or vectors[0]
        for column in (self._vector, fields.language, fields.content):
            if column is not None and column not in types:
                raise IsoglotError(f"{name}: has no column {column!r}, only {', '.join(types)}")
        self._type = types[self._vector]
        classes = [found for (found,) in self._rows(_OPERATORS, [self._regclass, self._vector])]
        self._operator = next((DISTANCES[d] for d in DISTANCES if any(f"_{d}_" in c for c in classes)), "<=>")
        self.target = f"{self._vector}_mended"

    def count(self) -> int:
        """As `Store.count`."""
        return int(self._rows(self._sql("SELECT count(*) FROM {table}"))[0][0])

    def blocks(self, lacking: str | None = None) -> Iterator[Block]:
        """As `Store.blocks`."""
        last: Sequence[Any] = ()
        while rows := self._rows(self._page(lacking, first=not last), last):
            last = rows[-1][: len(self._key)]
            yield make_block(
                [row[: len(self._key)] for row in rows],
                [row[-3] for row in rows],
                [row[-2] for row in rows],
                [np.frombuffer(row[-1], dtype=">f4", offset=4) for row in rows],
            )

    def nearest(self, vectors: Vectors, limit: int) -> list[list[tuple[str, float]]]:
        """As `Store.nearest`."""
        statement = self._sql(
            "SELECT {keys}, {vector} {operator} %(asked)s::real[]::{type} AS distance FROM {table} "
            "WHERE {vector} IS NOT NULL ORDER BY distance LIMIT %(limit)s"
        )
        found = (self._rows(statement, {"asked": vector.tolist(), "limit": limit}) for vector in vectors)
        return [[(key_text(row[:-1]), -float(row[-1])) for row in rows] for rows in found]

    def mark(self, target: str) -> str | None:
        """As `Store.mark`."""
        found = self._rows(_MARK, [self._regclass, target])
        return str(found[0][0]) if found else None

    def create(self, target: str, mark: str) -> None:
        """As `Store.create`; refuses a table whose triggers would fire with each row that is written."""
        triggers = [name for (name,) in self._rows(_TRIGGERS, [self._regclass])]
        if triggers:
            raise IsoglotError(
                f"{self.name}: its trigger {triggers[0]} would fire for each row; ALTER TABLE ... DISABLE TRIGGER "
                f"{triggers[0]}, mend, and enable it again"
            )
        if self.mark(target) is None:
            with self._explained(), self._connection.transaction():
                self._connection.execute(self._sql("ALTER TABLE {table} ADD COLUMN {target} {type}", target))
                self._connection.execute(self._sql("COMMENT ON COLUMN {table}.{target} IS {mark}", target, mark))

    def write(self, target: str, block: Block, vectors: Vectors) -> None:
        """As `Store.write`, in one transaction."""
        statement = self._sql("UPDATE {table} SET {target} = %s::real[]::{type} WHERE ({keys}) = ({values})", target)
        rows = [(vector.tolist(), *key) for key, vector in zip(block.keys, vectors, strict=True)]
        with self._explained(), self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(statement, rows)

    def done(self, target: str) -> int:
        """As `Store.done`."""
        return int(self._rows(self._sql("SELECT count({target}) FROM {table}", target))[0][0])

    def finish(self, target: str) -> None:
        """As `Store.finish`: each block is committed."""

    def drop(self, target: str) -> None:
        """As `Store.drop`; indexes on the column go with it."""
        with self._explained():
            self._connection.execute(self._sql("ALTER TABLE {table} DROP COLUMN {target}", target))

    def close(self) -> None:
        """As `Store.close`."""
        self._connection.close()

    def _page(self, lacking: str | None, *, first: bool) -> Composed:
        """The statement that reads a block, behind the key that is its parameters."""
        return self._sql(
            "SELECT {keys}, {content}, {language}, vector_send({vector}::vector) FROM {table} "
            "WHERE {vector} IS NOT NULL"
            + (" AND {target} IS NULL" if lacking else "")
            + ("" if first else " AND ({keys}) > ({values})")
            + f" ORDER BY {{keys}} LIMIT {BLOCK}",
            lacking,
        )

    def _sql(self, statement: str, target: str | None = None, mark: str = "") -> Composed:
        """A statement with the names of this table in it, quoted."""
        from psycopg import sql

        columns = {"content": self._fields.content, "language": self._fields.language, "vector": self._vector}
        return sql.SQL(statement).format(
            **{kind: sql.Identifier(name) if name else sql.NULL for kind, name in columns.items()},
            table=self._table,
            target=sql.Identifier(target or ""),
            mark=sql.Literal(mark),
            type=sql.SQL(self._type),
            operator=sql.SQL(self._operator),
            keys=sql.SQL(", ").join(sql.Identifier(name) for name, _ in self._key),
            values=sql.SQL(", ").join(sql.SQL(f"%s::{kind}") for _, kind in self._key),
        )

    def _rows(self, statement: Any, values: Any = ()) -> list[tuple[Any, ...]]:
        with self._explained():
            return self._connection.execute(statement, values or None).fetchall()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the server's errors into one line."""
        import psycopg

        try:
            yield
        except psycopg.OperationalError as error:
            raise IsoglotError(f"{self.name}: {first_line(error)}; run the same command again to go on") from error
        except psycopg.Error as error:
            raise IsoglotError(f"{self.name}: {first_line(error)}") from error


def open_store(argument: str, fields: Fields) -> PgvectorStore:
    """Open ``postgresql://HOST/DATABASE/TABLE``; password and other settings are in libpq's variables (PGPASSWORD)."""
    with needs("pgvector", "pgvector"):
        import psycopg
    refuse_password(argument, FORM)
    address = urlsplit(argument)
    database, _, table = address.path.strip("/").rpartition("/")
    if address.scheme not in ("postgresql", "postgres") or not database or not table:
        raise IsoglotError(f"name a table as {FORM}")
    name = f"pgvector:{argument}"
    try:
        # The path is put in by hand: urlunsplit writes one slash of an address without a host too few.
        connection = psycopg.connect(f"postgresql://{address.netloc}/{database}?{address.query}", autocommit=True)
    except psycopg.Error as error:
        raise IsoglotError(f"{name}: {first_line(error)}") from error
    return PgvectorStore(connection, table, fields, name)
