"""The LanceDB table that holds an index: connecting to it, opening it, and its errors in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from isoglot.platform.errors import IsoglotError
from isoglot.platform.extras import needs

TABLE = "passages"
STORAGE_ERRORS = (OSError, RuntimeError, ValueError)
"""The errors that LanceDB raises where its storage fails."""


class UnreadableIndexError(IsoglotError):
    """An index that was there cannot be read now: it was removed, damaged or made again with other models."""


def is_remote(folder: str) -> bool:
    """Return whether an index is on object storage (``s3://...``) and not in a folder of this machine."""
    return "://" in folder


def connect(folder: str) -> Any:
    """Connect to LanceDB; every read then sees the last commit.

    Raises:
        IsoglotError: LanceDB is not installed, or there is no such folder or bucket.
    """
    if not is_remote(folder) and not Path(folder).is_dir():  # LanceDB would create the folder
        raise _no_index(folder)
    with needs("an index", "index"):
        import lancedb
    try:
        return lancedb.connect(folder, read_consistency_interval=timedelta(0))
    except STORAGE_ERRORS as error:
        raise IsoglotError(f"{folder}: cannot be reached: {_reason(error)}") from error


def open_table(database: Any, folder: str) -> Any:
    """Open the table of an index.

    Args:
        database: A connection from `connect`.
        folder: The index, for messages.

    Raises:
        IsoglotError: There is no index, or it cannot be read.
    """
    try:
        return database.open_table(TABLE)
    except STORAGE_ERRORS as error:
        if _has_table(database):
            raise IsoglotError(f"{folder}: its index cannot be read: {_reason(error)}") from error
        raise _no_index(folder) from error


def version_of(table: Any, folder: str) -> tuple[int, int]:
    """Return the number of a table's last commit and when it was written, in nanoseconds.

    An index that was made again has the same numbers. On object storage the time is 0, since it costs too much there.

    Args:
        table: The table, not checked out at a version.
        folder: The index.

    Raises:
        UnreadableIndexError: The table is not there or cannot be read.
    """
    try:
        version = int(table.version)
        if is_remote(folder):
            return version, 0
        manifests = Path(folder, f"{TABLE}.lance", "_versions")
        names = (f"{2**64 - 1 - version:020d}.manifest", f"{version}.manifest")  # the latter by older versions of Lance
        return version, next((path.stat().st_mtime_ns for name in names if (path := manifests / name).exists()), 0)
    except STORAGE_ERRORS as error:
        raise UnreadableIndexError(f"{folder}: its index cannot be read: {_reason(error)}") from error


def find_table(folder: str) -> Any | None:
    """Open the table of an index; None where there is no index yet.

    Raises:
        IsoglotError: The folder or bucket does not exist, or the index cannot be read.
    """
    database = connect(folder)
    return open_table(database, folder) if _has_table(database) else None


def sql_literal(text: str) -> str:
    """Quote `text` for a condition."""
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def write_errors_explained(folder: str) -> Iterator[None]:
    """Turn an error of LanceDB's storage into one line that says what is kept.

    Raises:
        IsoglotError: The table cannot be written.
    """
    try:
        yield
    except STORAGE_ERRORS as error:
        signs = ("No space left", "StorageFull", "os error 28", "Disk quota")
        reason = "the disk is full" if any(sign in str(error) for sign in signs) else _reason(error)
        raise IsoglotError(
            f"{folder}: cannot write: {reason}; what was indexed before is kept, run the same command again to go on"
        ) from error


@contextmanager
def read_errors_explained() -> Iterator[None]:
    """Turn an error of LanceDB's storage while an index is read into one line.

    Raises:
        UnreadableIndexError: The table cannot be read.
    """
    try:
        yield
    except STORAGE_ERRORS as error:
        raise UnreadableIndexError(
            f"the index cannot be read: {_reason(error)}; `isoglot doctor --deep FOLDER` looks for damage in it"
        ) from error


def _has_table(database: Any) -> bool:
    return TABLE in database.list_tables().tables


def _reason(error: Exception) -> str:
    """Return the message inside an object store's answer, else the error's first line."""
    text = str(error)
    message = re.search("<Message>(.+?)</Message>", text)
    return message[1] if message else text.splitlines()[0][:300]


def _no_index(folder: str) -> IsoglotError:
    return IsoglotError(f"{folder}: no index here; `isoglot index CORPUS -m MODEL -o {folder}` makes one")
