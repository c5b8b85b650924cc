"""The files of a folder that a stranger may have filled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from isoglot.corpora.left_out import LINKS_OUT, SPECIAL_FILES, UNREADABLE_NAMES, LeftOut
from isoglot.platform.errors import IsoglotError


def walk(folder: Path, left_out: LeftOut) -> Iterator[Path]:
    """Yield the regular files in a folder and the folders inside it, in the order of their names.

    Hidden files and folders are passed over. A link to a file is followed if it leads to a place inside the folder; a
    link to a folder never is, since what is inside is found without it.

    Args:
        folder: The folder.
        left_out: Counts links that lead out, what is no regular file, and names that are not UTF-8.

    Raises:
        IsoglotError: A folder cannot be read.
    """
    root = os.path.realpath(folder)
    for parent, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in sorted((*links, *files)):
            path = Path(parent, name)
            if name.startswith("."):
                continue
            if not path.exists() or not Path(os.path.realpath(path)).is_relative_to(root):
                left_out.add(LINKS_OUT, path)
            elif path.is_dir():
                continue
            elif not path.is_file():
                left_out.add(SPECIAL_FILES, path)
            elif not _is_utf8(str(path.relative_to(folder))):
                left_out.add(UNREADABLE_NAMES, path)
            else:
                yield path


def _unreadable(error: OSError) -> None:
    raise IsoglotError(f"{error.filename}: cannot read: {error.strerror}") from error


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # Python puts halves of surrogate pairs for such bytes
        return False
    return True
