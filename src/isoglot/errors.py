"""The errors that people see: one line that says what is wrong, where, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isoglot.alignment.guard import Verdict


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


class LossyError(IsoglotError):
    """An aligned model lost more of what its base could do than allowed; the command line exits with 3.

    Attributes:
        folder: Where the model was kept.
        verdict: What it lost.
    """

    def __init__(self, message: str, folder: Path, verdict: Verdict) -> None:
        super().__init__(message)
        self.folder, self.verdict = folder, verdict
