"""The command line in this process: what a test types, and what comes back."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest

from isoglot.cli import main

SETTINGS = {"COLUMNS": "200", "HF_HUB_OFFLINE": "1"}
"""What every command of a test runs with. Libraries have read the second one before: see tests/__init__.py."""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


def isoglot(
    *arguments: object, cache: Path | None = None, environment: dict[str, str] | None = None, together: bool = False
) -> Done:
    """Run ``isoglot ARGUMENTS`` by `main`, with its own standard output, standard error, logging and warnings.

    Args:
        *arguments: Command and options; a path or a number is turned into text.
        cache: Folder for ``ISOGLOT_CACHE``; None: that of this process.
        environment: More variables that the command sees.
        together: Whether standard output holds both streams, in the order in which a terminal shows them.
    """
    settings = SETTINGS | (environment or {})
    if cache is not None:
        settings["ISOGLOT_CACHE"] = str(cache)
    output = _Text()
    error = output if together else _Text()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        with redirect_stdout(output), redirect_stderr(error), _fresh_logging(error), _warnings_shown():
            code = _exit_code(list(map(str, arguments)))
    return Done(code, output.text, error.text)


def _exit_code(arguments: list[str]) -> int:
    """The code that the process would have ended with."""
    try:
        main(arguments)
    except SystemExit as stopped:
        if stopped.code is None or isinstance(stopped.code, int):
            return stopped.code or 0
        print(stopped.code, file=sys.stderr)
        return 1
    raise AssertionError("main returned; it has to end the process")


class _Text(io.TextIOWrapper):
    """A text file in memory with bytes below it, as standard output has."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        super().__init__(self._bytes, encoding="utf-8", newline="\n", write_through=True)

    @property
    def text(self) -> str:
        """All that was written."""
        return self._bytes.getvalue().decode()


@contextmanager
def _fresh_logging(error: TextIO) -> Iterator[None]:
    """Let the command set up logging as in a process of its own, and give pytest its handlers back after it.

    Libraries made their handlers when they were imported, for the standard error of that moment; they write to `error`.
    """
    root, ours = logging.getLogger(), logging.getLogger("isoglot")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    root.handlers.clear()
    root.setLevel(logging.WARNING)
    streams = {handler: handler.setStream(error) for handler in _library_handlers()}
    try:
        yield
    finally:
        for handler in _library_handlers():
            handler.setStream(streams.get(handler) or sys.__stderr__ or sys.stderr)
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        ours.setLevel(levels[1])


def _library_handlers() -> list[logging.StreamHandler[TextIO]]:
    loggers = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    return [handler for logger in loggers for handler in logger.handlers if type(handler) is logging.StreamHandler]


@contextmanager
def _warnings_shown() -> Iterator[None]:
    """Write warnings to standard error as Python does; pytest would keep them from the command's user."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))

    with warnings.catch_warnings():
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
        warnings.showwarning = show
        yield
