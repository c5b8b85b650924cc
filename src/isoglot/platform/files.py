"""Files and folders that are written whole or not at all, and the user's cache."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from isoglot.platform.errors import IsoglotError

PACKAGE_DATA = Path(__file__).parents[1] / "data"
"""The folder of the data files inside the package."""

_REASONS = {errno.ENOSPC: "the disk is full", errno.EROFS: "the file system is read-only"}


def cache_dir() -> Path:
    """Return the folder for converted models and vectors: ``$ISOGLOT_CACHE``, else the platform's user cache."""
    named = os.environ.get("ISOGLOT_CACHE")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("isoglot"))


@contextmanager
def os_errors_explained(path: Path, doing: str = "write") -> Iterator[None]:
    """Turn an OSError (full disk, read-only folder) into an IsoglotError that names `path`."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        raise IsoglotError(f"{path}: cannot {doing}: {reason}") from error


def write_text(path: Path, text: str) -> None:
    r"""Write `text` as UTF-8 with its own line ends, also on Windows; `path` is never half written.

    Raises:
        IsoglotError: The folder cannot be written to, or the disk is full.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to a temporary file beside `path` and rename it, so that `path` is never half written.

    Raises:
        IsoglotError: The folder cannot be written to, or the disk is full.
    """
    with os_errors_explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        unfinished = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.chmod(0o666 & ~_umask())
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


@contextmanager
def new_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield an empty folder beside `target` and, if the block succeeds, rename it to `target`.

    Args:
        target: The path of the finished folder.
        replace: Whether to replace what `target` is now; it stays until the new folder is complete.

    Raises:
        IsoglotError: `target` exists and `replace` is false, or the folder cannot be written.
    """
    if target.exists() and not replace:
        raise IsoglotError(f"{target}: exists already; choose another folder or pass --force")
    with os_errors_explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        unfinished.chmod(0o777 & ~_umask())
    try:
        with os_errors_explained(target):
            yield unfinished
            for file in unfinished.rglob("*"):
                file.chmod((0o777 if file.is_dir() else 0o666) & ~_umask())  # safetensors makes its files private
            if target.exists():
                _swap(unfinished, target)
            else:
                unfinished.replace(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _swap(new: Path, target: Path) -> None:
    """Put `new` in the place of `target` and delete what was there; if that fails, `target` stays as it was.

    No system renames a folder onto one that is not empty, and Windows moves none that holds an open file.
    """
    aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.old."))
    try:
        target.replace(aside / "replaced")
        try:
            new.replace(target)
        except OSError:
            (aside / "replaced").replace(target)
            raise
    finally:
        if target.exists():
            shutil.rmtree(aside, ignore_errors=True)


def cached_folder(target: Path, build: Callable[[Path], None]) -> Path:
    """Return `target`, built by ``build(empty folder)`` if it is missing; several processes build it once.

    Raises:
        IsoglotError: The cache cannot be written, or `build` raises it.
    """
    if target.is_dir():
        return target
    from filelock import FileLock

    with os_errors_explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.with_name(target.name + ".lock"))
        lock.acquire()
    try:
        if not target.is_dir():
            with new_folder(target) as folder:
                build(folder)
    finally:
        lock.release()
    return target


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
