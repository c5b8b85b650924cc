"""Files and folders that are written whole or not at all, and the user's cache."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import platform
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from isoglot.platform.checksums import damaged_file, write_checksums
from isoglot.platform.errors import IsoglotError, first_line
from isoglot.platform.process import is_running

log = logging.getLogger("isoglot")

PACKAGE_DATA = Path(__file__).parents[1] / "data"
"""The folder of the data files inside the package."""

EXPORT_MARK = ".isoglot-export"
"""The file that marks a folder as an export, which a later one may replace."""

_PROCESS = secrets.token_hex(4)
"""Tells this process from an earlier one of the same id: in containers all of them have the id 1."""

_REASONS = {errno.ENOSPC: "the disk is full", errno.EROFS: "the file system is read-only"}


def cache_dir() -> Path:
    """Return the folder for converted models and vectors: ``$ISOGLOT_CACHE``, else the platform's user cache.

    Raises:
        IsoglotError: It lies in a home folder, and the system knows none.
    """
    named = os.environ.get("ISOGLOT_CACHE")
    try:
        if named:
            return Path(named).expanduser()
        import platformdirs

        return Path(platformdirs.user_cache_dir("isoglot"))
    except RuntimeError as error:
        where = f"ISOGLOT_CACHE is {named!r}" if named else "the cache lies in the home folder"
        raise IsoglotError(f"{where}, and the system knows no such home; set ISOGLOT_CACHE to a folder") from error


def expanded(path: str | Path) -> Path:
    """Return a path with ``~`` replaced by the home folder; the path as it is where the system knows none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


@contextmanager
def os_errors_explained(path: Path, doing: str = "write") -> Iterator[None]:
    """Turn an OSError (full disk, read-only folder) into an IsoglotError that names `path`."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or first_line(error))
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
    with new_file(path) as unfinished:
        unfinished.write_bytes(data)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield the name of a new file beside `path` and, if the block writes it and succeeds, rename it to `path`.

    A symbolic link stays and what it leads to is replaced. A pipe or a device is itself what the block writes to.

    Raises:
        IsoglotError: The folder cannot be written to, or the disk is full.
    """
    with os_errors_explained(path):
        if path.exists() and not path.is_file() and not path.is_dir():
            yield path
            return
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = _beside(target)
        try:
            yield unfinished
            with unfinished.open("rb+") as file:
                os.fsync(file.fileno())
            unfinished.replace(target)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


@contextmanager
def new_folder(target: Path, *, replaces: str | None = None) -> Iterator[Path]:
    """Yield an empty folder beside `target` and, if the block succeeds, rename it to `target`.

    A symbolic link stays and what it leads to is replaced.

    Args:
        target: The path of the finished folder.
        replaces: What `target` is now is replaced if it is a folder that holds a file of this name, which shows that
            isoglot wrote it, or nothing; it stays until the new folder is complete. None: nothing is replaced.

    Raises:
        IsoglotError: `target` exists and may not be replaced, or the folder cannot be written.
    """
    check_replaceable(target, replaces)
    with _replaced_folder(target) as unfinished:
        yield unfinished
        check_replaceable(target, replaces)  # another process may have put something there meanwhile


@contextmanager
def _replaced_folder(target: Path) -> Iterator[Path]:
    """As `new_folder`, whatever `target` is now."""
    named, target = target, Path(os.path.realpath(target))
    with os_errors_explained(named):
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = _beside(target)
        unfinished.mkdir()
    try:
        with os_errors_explained(named):
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


def check_replaceable(target: Path, mark: str | None) -> None:
    """Check that what `target` is now may be deleted: a folder that isoglot wrote, an empty one, or nothing.

    Args:
        target: A path.
        mark: Name of a file in each such folder that isoglot writes; None: only nothing may be replaced.

    Raises:
        IsoglotError: It is something else.
    """
    if not target.exists():
        return
    if Path.cwd().is_relative_to(target.resolve()):
        raise IsoglotError(f"{target}: is the folder that you are in, or holds it, and is not replaced; choose another")
    if mark is None:
        raise IsoglotError(f"{target}: exists already; choose another folder or pass --force")
    if not target.is_dir():
        raise IsoglotError(f"{target}: is a file, which --force does not replace by a folder; choose another name")
    with os_errors_explained(target, "read"):
        if any(target.iterdir()) and not (target / mark).is_file():
            raise IsoglotError(
                f"{target}: is no such folder that isoglot wrote (it has no {mark}), and --force deletes no other; "
                "choose another folder"
            )


def _beside(target: Path) -> Path:
    """Name a temporary file or folder beside `target` after this process, and remove those that killed ones left."""
    host = hashlib.sha256(platform.node().encode()).hexdigest()[:4]
    ours = re.compile(re.escape(f".{target.name}.{host}-") + r"(\d+)-([0-9a-f]{8})-[0-9a-f]{8}(\.old)?")
    for path in list(target.parent.iterdir()):
        match = ours.fullmatch(path.name)
        if match is None or (match[2] == _PROCESS if int(match[1]) == os.getpid() else is_running(int(match[1]))):
            continue
        if match[3] and not target.exists():  # killed between the two renames of `_swap`
            with suppress(OSError):
                path.replace(target)
        else:
            _remove(path)
    return target.with_name(f".{target.name}.{host}-{os.getpid()}-{_PROCESS}-{secrets.token_hex(4)}")


def _swap(new: Path, target: Path) -> None:
    """Put `new` in the place of `target` and delete what was there; if that fails, `target` stays as it was.

    No system renames a folder onto one that is not empty, and Windows moves none that holds an open file.
    """
    aside = new.with_name(new.name + ".old")
    target.replace(aside)
    try:
        new.replace(target)
    except OSError:
        aside.replace(target)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    """Delete a file, a link or a folder, as far as the system lets it go."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


@contextmanager
def locked(path: Path, waiting: str) -> Iterator[None]:
    """Be the only process that holds the lock file `path`; log `waiting` and wait while another one does.

    Raises:
        IsoglotError: The file cannot be written.
    """
    from filelock import FileLock, Timeout

    with os_errors_explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info(waiting)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def cached_folder(target: Path, build: Callable[[Path], None]) -> Path:
    """Return `target`, built by ``build(empty folder)`` if it is missing; several processes build it once.

    Its checksums are written beside what was built, and a process checks them when it first asks for the folder. One
    that is damaged, or that an older version wrote without checksums, is built again.

    Raises:
        IsoglotError: The cache cannot be written, or `build` raises it.
    """
    if _is_sound(target):
        return target
    with locked(target.with_name(target.name + ".lock"), f"{target}: waiting for another process that makes it"):
        if not _is_sound(target):
            if target.exists():
                log.warning("%s: is made again, since %s in it is damaged or missing", target, damaged_file(target))
            with _replaced_folder(target) as folder:
                build(folder)
                write_checksums(folder)
    _sound_folders.add(target)
    return target


_sound_folders: set[Path] = set()
"""The folders of the cache that this process has checked."""


def _is_sound(target: Path) -> bool:
    if not target.is_dir():
        return False
    if target not in _sound_folders and damaged_file(target) is None:
        _sound_folders.add(target)
    return target in _sound_folders


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
