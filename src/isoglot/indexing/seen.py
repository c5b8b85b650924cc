"""The ids of a corpus's documents, in a temporary file, so that ten million ids take no memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import AbstractContextManager

from isoglot.corpora.documents import SourceDocument
from isoglot.platform.errors import IsoglotError


class SeenDocuments(AbstractContextManager["SeenDocuments"]):
    """The ids of the documents that were read, with their digests and where each was read."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # an empty name: a temporary file, which SQLite deletes
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, digest TEXT, place TEXT) WITHOUT ROWID")

    def __exit__(self, *exception: object) -> None:
        self._database.close()

    def add(self, document: SourceDocument) -> bool:
        """Add a document.

        Returns:
            Whether it is new; False if it was added before with the same content.

        Raises:
            IsoglotError: A document with the same id and another content was added before.
        """
        digest = document.digest
        row = (document.id, digest, document.where)
        if self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", row).rowcount:
            return True
        query = "SELECT digest, place FROM seen WHERE id = ?"
        first_digest, first_place = self._database.execute(query, (document.id,)).fetchone()
        if first_digest != digest:
            raise IsoglotError(f"{document.where}: another document has the id {document.id!r}: {first_place}")
        return False

    def claim(self, document: SourceDocument) -> bool:
        """Claim a document, so that of repeated ones only the first is used.

        Returns:
            Whether it was added and is claimed for the first time.
        """
        query = "UPDATE seen SET place = NULL WHERE id = ? AND place IS NOT NULL"
        return self._database.execute(query, (document.id,)).rowcount > 0

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Return those ids that no added document has."""
        query = "SELECT 1 FROM seen WHERE id = ?"
        return [document_id for document_id in ids if self._database.execute(query, (document_id,)).fetchone() is None]
