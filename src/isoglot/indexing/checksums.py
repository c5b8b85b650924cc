"""The checksums of an index's files, by which damage is found before it changes a result.

LanceDB's files have no checksums, and are never changed once they are written. The process that holds the write lock
records those that are new when it ends; what a killed one left is recorded by the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from isoglot.indexing.tables import TABLE, UnreadableIndexError, is_remote
from isoglot.platform.checksums import CHECKSUMS, Checksum, checksum_of, parse_checksums
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import os_errors_explained, write_bytes

CHECKED_BYTES = 2**30
"""An index with at most so many bytes is checked whenever it is opened (a third of a second); others are if asked."""
HINT = "latest_version_hint.json"
"""The one file of LanceDB's that changes: where it begins to look for the last version."""


def check_files(folder: str, sound: set[str], *, limit: float = CHECKED_BYTES) -> int:
    """Check the files of an index that have a checksum.

    Files that have none yet, or that are gone, are left to LanceDB.

    Args:
        folder: The index; one on object storage is not checked.
        sound: Files that are known to be sound; those that turn out to be are added.
        limit: Nothing is checked if the files that are not yet known to be sound have more bytes together.

    Returns:
        The number of files that were read.

    Raises:
        UnreadableIndexError: A file is damaged.
        IsoglotError: A file cannot be read.
    """
    if is_remote(folder):
        return 0
    table = _table(folder)
    unknown = {name: entry for name, entry in _read(table).items() if name not in sound}
    if sum(entry.size for entry in unknown.values()) > limit:
        return 0
    for name, entry in unknown.items():
        path = table / name
        with os_errors_explained(path, "read"):
            try:
                intact = checksum_of(path) == entry
            except FileNotFoundError:  # a writer has replaced it since
                continue
        if not intact:
            raise UnreadableIndexError(
                f"{path}: is damaged: its checksum is not the one that was recorded; "
                f"put a copy of {folder} in its place, or delete {folder} and index again"
            )
        sound.add(name)
    return len(unknown)


def record_checksums(folder: str) -> None:
    """Record the files of an index that are new; only the process that holds the write lock may.

    Raises:
        IsoglotError: A file cannot be read, or the record cannot be written.
    """
    table = _table(folder)
    if is_remote(folder) or not table.is_dir():
        return
    recorded, present = _read(table), {}
    with os_errors_explained(table, "read"):
        for name in _files(table):
            present[name] = recorded.get(name) or checksum_of(table / name)
    if present != recorded:
        write_bytes(table / CHECKSUMS, msgspec.json.encode(present))


def _table(folder: str) -> Path:
    return Path(folder) / f"{TABLE}.lance"


def _read(table: Path) -> dict[str, Checksum]:
    path = table / CHECKSUMS
    try:
        return parse_checksums(path.read_bytes())
    except FileNotFoundError:  # an older index, or one that is written for the first time
        return {}
    except OSError as error:
        raise IsoglotError(f"{path}: cannot read: {error.strerror or error}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise IsoglotError(
            f"{path}: is damaged: {error}; the files that it is about may be too: put a copy of them in their place, "
            f"or delete {path.name} to go on without checks"
        ) from error


def _files(table: Path) -> Iterator[str]:
    """The names of all of LanceDB's files, relative to the table's folder."""
    for path in sorted(table.glob("*/**/*")):
        if path.is_file() and path.name != HINT:
            yield path.relative_to(table).as_posix()
