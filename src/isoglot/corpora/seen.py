"""The ids of a corpus's documents, in a temporary file, so that ten million ids take no memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import AbstractContextManager


class SeenIds(AbstractContextManager["SeenIds"]):
    """The ids of the documents that were read."""

    def __init__(self) -> None:
        # an empty name: a temporary file, which SQLite deletes
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID")

    def __exit__(self, *exception: object) -> None:
        self._database.close()

    def add(self, document_id: str) -> bool:
        """Add an id; return whether it is new."""
        return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (document_id,)).rowcount > 0

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Return those ids that were not added."""
        query = "SELECT 1 FROM seen WHERE id = ?"
        return [document_id for document_id in ids if self._database.execute(query, (document_id,)).fetchone() is None]
