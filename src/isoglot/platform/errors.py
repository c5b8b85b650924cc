"""The errors that people see: one line that says what is wrong, where, and what to do."""

from __future__ import annotations

from pathlib import Path
from traceback import walk_tb


class IsoglotError(Exception):
    """Raised for a wrong input or a missing part, with a message of one line that says what to do.

    The command line prints the message and exits with `exit_code`, which is 2 unless a subclass sets another.
    """

    exit_code = 2


class InputError(IsoglotError):
    """A wrong line or field in a file that the user gave.

    Args:
        message: What is wrong and what to do about it.
        path: The file in which it is wrong.
        line: The number of the line, counted from 1; None when the whole file is meant.

    Attributes:
        message: What is wrong, without the place.
        line: As given.
    """

    def __init__(self, message: str, path: str | Path, line: int | None = None) -> None:
        where = f"{path}:{line}" if line is not None else str(path)
        super().__init__(f"{where}: {message}")
        self.message, self.line = message, line


BY_CHANCE = (ArithmeticError, AttributeError, LookupError, TypeError)
"""What libraries raise, wherever their code happens upon it, for models and files that they were not written for."""


def raised_by_isoglot(error: BaseException) -> bool:
    """Return whether `error` was raised in isoglot's own code and not in a library that it called.

    Libraries raise a TypeError or a KeyError for a damaged file, which is reported to the user in one line. The same
    exception out of isoglot's own code is a bug and must not be taken for a user's mistake. A function that is not
    written in Python counts as its caller.
    """
    modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    return bool(modules) and modules[-1].partition(".")[0] == "isoglot"


def first_line(error: BaseException) -> str:
    """Return the first line of a library's message, at most 200 characters; its class where it says nothing.

    A first line that ends in a colon is followed by the second.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2] if lines[0].endswith(":") else lines[:1])[:200]


def reason(error: BaseException) -> str:
    """Return `first_line`, behind the class of an error of `BY_CHANCE`, whose message says little without it."""
    return f"{type(error).__name__}: {first_line(error)}" if isinstance(error, BY_CHANCE) else first_line(error)
