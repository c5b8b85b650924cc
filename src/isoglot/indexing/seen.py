"""Which documents a corpus holds, in a temporary file, so that ten million ids take no memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import AbstractContextManager

from isoglot.corpora.documents import SourceDocument
from isoglot.platform.errors import IsoglotError


class SeenDocuments(AbstractContextManager["SeenDocuments"]):
    """The ids of the documents that were read, and where each was found."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # a file that SQLite deletes by itself
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, digest TEXT, place TEXT) WITHOUT ROWID")

    def __exit__(self, *exception: object) -> None:
        self._database.close()

    def add(self, document: SourceDocument) -> bool:
        """Note a document; False if it was there already, with the same content.

        Raises:
            IsoglotError: Another document has its id.
        """
        digest = document.digest
        row = (document.id, digest, document.where)
        if self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", row).rowcount:
            return True
        found = self._database.execute("SELECT digest, place FROM seen WHERE id = ?", (document.id,)).fetchone()
        if found[0] != digest:
            raise IsoglotError(f"{document.where}: another document has the id {document.id!r}: {found[1]}")
        return False

    def take(self, document: SourceDocument) -> bool:
        """Whether a document was noted and is asked for the first time."""
        query = "UPDATE seen SET place = NULL WHERE id = ? AND place IS NOT NULL"
        return self._database.execute(query, (document.id,)).rowcount > 0

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Those ids that no document has."""
        query = "SELECT 1 FROM seen WHERE id = ?"
        return [one for one in ids if self._database.execute(query, (one,)).fetchone() is None]
