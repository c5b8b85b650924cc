"""The kept vectors as `isoglot cache` shows them: which model they are of, how large and how old they are."""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from isoglot.encoders.cache import vectors_folder
from isoglot.platform.errors import first_line
from isoglot.platform.files import cache_dir, os_errors_explained


@dataclass(frozen=True, kw_only=True)
class KeptVectors:
    """The vectors of one model for one role, with one prompt and all else that decides them.

    Attributes:
        path: The file.
        models: Names under which the model was used; models with a head share the vectors of their base. Empty in
            files of older versions.
        role: ``query`` or ``document``; empty if the file cannot be read.
        texts: Number of texts; None if the file cannot be read.
        size: Bytes of the file.
        used: When it was last used, in seconds since 1970.
    """

    path: Path
    models: tuple[str, ...]
    role: str
    texts: int | None
    size: int
    used: float


def other_folders() -> dict[str, int]:
    """Return the name of each other folder of the cache (converted models, downloads) -> the bytes in it.

    Raises:
        IsoglotError: A folder cannot be read.
    """
    with os_errors_explained(cache_dir(), "read"):
        folders = [path for path in sorted(cache_dir().glob("*")) if path.is_dir() and path != vectors_folder()]
        return {
            folder.name: sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) for folder in folders
        }


def kept_vectors() -> list[KeptVectors]:
    """List what is kept, the largest first; files that were set aside as damaged are among them.

    Raises:
        IsoglotError: The folder cannot be read.
    """
    kept: list[KeptVectors] = []
    with os_errors_explained(vectors_folder(), "read"):
        try:
            paths = list(vectors_folder().iterdir())
        except FileNotFoundError:
            return kept
        for path in paths:
            if path.suffix in (".sqlite", ".damaged"):
                with suppress(FileNotFoundError):  # another process has removed it
                    kept.append(_described(path))
    return sorted(kept, key=lambda entry: (-entry.size, entry.path))


def to_prune(
    kept: Iterable[KeptVectors], *, model: str | None = None, days: float | None = None, max_bytes: float | None = None
) -> list[KeptVectors]:
    """Choose what is to be removed.

    Args:
        kept: What is there.
        model: Name of a model; others are left alone. None: all models.
        days: Files that were not used for so many days are removed; None: age does not matter.
        max_bytes: Of the rest, those that were not used for the longest time are removed until no more than these bytes
            stay; None: size does not matter.
    """
    candidates = [entry for entry in kept if model is None or model in entry.models]
    oldest = -1 if days is None else time.time() - 86_400 * days
    chosen = [entry for entry in candidates if entry.used < oldest]
    rest = sorted((entry for entry in candidates if entry.used >= oldest), key=lambda entry: entry.used)
    size = sum(entry.size for entry in rest)
    for entry in rest:
        if max_bytes is None or size <= max_bytes:
            break
        chosen.append(entry)
        size -= entry.size
    return chosen


def remove(entries: Iterable[KeptVectors]) -> None:
    """Delete files of kept vectors, each as soon as no process is writing to it.

    Raises:
        IsoglotError: One cannot be deleted.
    """
    for entry in entries:
        with suppress(sqlite3.Error), closing(sqlite3.connect(entry.path, timeout=60)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            connection.rollback()
        with os_errors_explained(entry.path, "delete"):
            entry.path.unlink(missing_ok=True)


def damage_in(entry: KeptVectors) -> str | None:
    """Read all of a file; returns what is wrong with it, None if nothing is."""
    try:
        with closing(_connected(entry.path)) as connection:
            (state,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if state != "ok":
                return str(state).splitlines()[-1]
            wrong = sum(
                zlib.crc32(vector) != crc for vector, crc in connection.execute("SELECT vector, crc FROM vectors")
            )
    except (sqlite3.Error, TypeError, ValueError) as error:  # by the byte that is damaged
        return first_line(error)
    return f"{wrong} vectors do not match their checksums" if wrong else None


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)


def _described(path: Path) -> KeptVectors:
    status = path.stat()
    models: tuple[str, ...] = ()
    role, texts = "", None
    if path.suffix == ".sqlite":
        try:
            with closing(_connected(path)) as connection:
                (key,) = connection.execute("SELECT json FROM key").fetchone()
                (texts,) = connection.execute("SELECT count(*) FROM vectors").fetchone()
                role = str(json.loads(key).get("role", ""))
                with suppress(sqlite3.OperationalError):  # older versions have no such table
                    models = tuple(name for (name,) in connection.execute("SELECT name FROM models ORDER BY name"))
        except (sqlite3.Error, TypeError, ValueError, AttributeError):  # damaged; the next use sets it aside
            role, texts, models = "", None, ()
    return KeptVectors(path=path, models=models, role=role, texts=texts, size=status.st_size, used=status.st_mtime)
