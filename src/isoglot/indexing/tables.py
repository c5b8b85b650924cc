"""The table that holds an index, as LanceDB opens it, and its errors in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from isoglot.platform.errors import IsoglotError

TABLE = "passages"


def connect(folder: str) -> Any:
    """LanceDB's connection; every reading looks for the last commit.

    Raises:
        IsoglotError: LanceDB is not installed, or there is no such folder or bucket.
    """
    if "://" not in folder and not Path(folder).is_dir():  # LanceDB would make it
        raise _no_index(folder)
    try:
        import lancedb
    except ImportError as error:
        raise IsoglotError("an index needs LanceDB: pip install 'isoglot[index]'") from error
    try:
        return lancedb.connect(folder, read_consistency_interval=timedelta(0))
    except (OSError, RuntimeError, ValueError) as error:
        raise IsoglotError(f"{folder}: cannot be reached: {_reason(error)}") from error


def open_table(database: Any, folder: str) -> Any:
    """The index's table.

    Raises:
        IsoglotError: There is none.
    """
    try:
        return database.open_table(TABLE)
    except (ValueError, RuntimeError, OSError) as error:
        if TABLE in database.list_tables().tables:
            raise IsoglotError(f"{folder}: its index cannot be read: {_reason(error)}") from error
        raise _no_index(folder) from error


def _reason(error: Exception) -> str:
    """What an object store says in its answer, else the error's first line."""
    text = str(error)
    told = re.search("<Message>(.+?)</Message>", text)
    return told[1] if told else text.splitlines()[0][:300]


def _no_index(folder: str) -> IsoglotError:
    return IsoglotError(f"{folder}: no index here; `isoglot index CORPUS -m MODEL -o {folder}` makes one")


def find_table(folder: str) -> Any | None:
    """The index's table, or None where there is none yet."""
    database = connect(folder)
    return open_table(database, folder) if TABLE in database.list_tables().tables else None


def quoted(text: str) -> str:
    """`text` as a literal in a condition."""
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def told(folder: str) -> Iterator[None]:
    """Turn an error of LanceDB into one line; what was committed before is kept."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        signs = ("No space left", "StorageFull", "os error 28", "Disk quota")
        reason = "the disk is full" if any(sign in str(error) for sign in signs) else _reason(error)
        raise IsoglotError(
            f"{folder}: cannot write: {reason}; what was indexed before is kept, run the same command again to go on"
        ) from error
