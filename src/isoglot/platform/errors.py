"""The errors that people see: one line that says what is wrong, where, and what to do."""

from __future__ import annotations

from pathlib import Path


class IsoglotError(Exception):
    """A wrong input or a missing part, told in one line; the command line prints it and exits with 2."""


class InputError(IsoglotError):
    """A wrong line or field in a file that the user gave.

    Args:
        message: What is wrong and what to do about it.
        path: The file it was found in.
        line: Its line, counted from 1; None when the whole file is meant.
    """

    def __init__(self, message: str, path: str | Path, line: int | None = None) -> None:
        where = f"{path}:{line}" if line is not None else str(path)
        super().__init__(f"{where}: {message}")
