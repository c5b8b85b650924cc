"""Vectors kept between runs, in one SQLite file for each combination of all that decides a vector besides its text."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np

from isoglot.platform.arrays import Vectors
from isoglot.platform.files import cache_dir

log = logging.getLogger("isoglot")
Result = TypeVar("Result")
_APPLICATION_ID = 0x49534F47  # "ISOG"


def vectors_folder() -> Path:
    """Return the folder of the kept vectors, which need not exist."""
    return cache_dir() / "vectors"


class VectorCache:
    """Vectors by text, for one model, prompt, length, pooling, normalisation and dtype.

    Each `put` is one transaction, so that a killed process loses at most the texts of its last `put`, and several
    processes can share the file. A truncated, foreign or damaged file is reported, set aside and begun anew. Where the
    cache cannot be written, this is reported once and the work goes on without it.

    Args:
        key: All that decides a vector besides its text, as JSON values.
        folder: The folder of the file; None: ``vectors`` in the user's cache.
        model: What the model is called, which `isoglot cache` shows.
    """

    def __init__(self, key: Mapping[str, object], folder: Path | None = None, *, model: str = "") -> None:
        self._model = model
        self._key = json.dumps(key, sort_keys=True)
        name = hashlib.sha256(self._key.encode()).hexdigest()[:24]
        self.path = (folder or vectors_folder()) / f"{name}.sqlite"
        self._usable = True

    def get(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """Return the vectors of those texts whose vectors are kept."""
        digests = {_digest(text): text for text in texts}

        def read(connection: sqlite3.Connection) -> dict[str, Vectors]:
            vectors = {}
            for batch in _batched(list(digests), 900):
                # In two steps, so that the text is read from the vector's own row: SQLite would take it from the index,
                # which may be damaged and lead to another text's vector.
                query = f"SELECT rowid FROM vectors WHERE text IN ({_marks(batch)})"
                rowids = [rowid for (rowid,) in connection.execute(query, batch)]
                query = f"SELECT text, vector, crc FROM vectors WHERE rowid IN ({_marks(rowids)})"
                records = connection.execute(query, rowids).fetchall()
                if len(records) != len(rowids):
                    raise sqlite3.DatabaseError("its index does not match its vectors")
                for digest, vector, crc in records:
                    if digest not in digests or not isinstance(vector, bytes) or zlib.crc32(vector) != crc:
                        raise sqlite3.DatabaseError("a vector does not match its text or its checksum")
                    vectors[digests[digest]] = np.frombuffer(vector, dtype="<f4")
            return vectors

        found = self._transaction(read) or {}
        if found:
            with suppress(OSError):  # a cache that can only be read
                os.utime(self.path)  # when it was last used
        return found

    def put(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Keep (n, d) `vectors` of n texts, all of them or none."""
        records = [
            (_digest(text), data, zlib.crc32(data))
            for text, data in zip(texts, (vector.astype("<f4").tobytes() for vector in vectors), strict=True)
        ]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", records)
            if self._model:
                connection.execute("CREATE TABLE IF NOT EXISTS models (name TEXT PRIMARY KEY)")
                connection.execute("INSERT OR IGNORE INTO models VALUES (?)", (self._model,))

        self._transaction(write)

    def _transaction(self, work: Callable[[sqlite3.Connection], Result]) -> Result | None:
        """Return what `work` returns, in one transaction; report a fault of the file and return None."""
        if not self._usable:
            return None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
                connection.text_factory = bytes  # a damaged column type is met here, not by sqlite3's decoder
                self._prepare(connection)
                return work(connection)
        except (sqlite3.OperationalError, OSError) as error:
            self._usable = False
            log.warning("%s: cannot keep vectors (%s); going on without the cache", self.path, error)
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
        return None

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        aside = self.path.with_suffix(".damaged")
        try:
            self.path.replace(aside)
        except FileNotFoundError:
            return  # another process was quicker and has reported it
        except OSError as refused:
            self._usable = False
            log.warning(
                "%s: not a sound vector cache (%s) and cannot be set aside (%s); going on without the cache",
                *(self.path, error, refused.strerror),
            )
        else:
            log.warning("%s: not a sound vector cache (%s); set aside as %s, begun anew", self.path, error, aside.name)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        pages, size, application = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size", "application_id")
        )
        if pages == 0:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute("CREATE TABLE IF NOT EXISTS key (json TEXT NOT NULL)")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS vectors (text BLOB PRIMARY KEY, vector BLOB NOT NULL, crc INTEGER NOT NULL)"
            )
            if connection.execute("SELECT count(*) FROM key").fetchone()[0] == 0:
                connection.execute("INSERT INTO key VALUES (?)", (self._key,))
            connection.commit()
            return
        if self.path.stat().st_size < pages * size:
            raise sqlite3.DatabaseError("truncated")
        keys = [(self._key.encode(),)]
        if application != _APPLICATION_ID or connection.execute("SELECT json FROM key").fetchall() != keys:
            raise sqlite3.DatabaseError("made by something else")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _batched(items: list[bytes], size: int) -> Iterator[list[bytes]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
