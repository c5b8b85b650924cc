"""Processes that a test starts, watches and kills, forked from a server that has imported torch once."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Self

PRELOADED = (
    "torch",
    "sentence_transformers",
    "isoglot.cli",
    "isoglot.encoders.sentence_transformer",
    "isoglot.alignment.training.trainer",
)
"""What each process has imported when it starts. None of it starts threads of torch, which would not outlive a fork."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(PRELOADED))


class Forked:
    """A process of its own that runs a function, and ends with its exit code or, after a traceback, with 1.

    It has the variables, the working folder and the number of torch's threads that this process has now.
    As a context manager it is killed at the end, if it still runs.

    Args:
        function: A function of a module that can be imported.
        *arguments: Its arguments, which are pickled.
        environment: More variables that it sees.
    """

    def __init__(
        self, function: Callable[..., object], *arguments: object, environment: dict[str, str] | None = None
    ) -> None:
        output, child_output = _context.Pipe(duplex=False)
        error, child_error = _context.Pipe(duplex=False)
        surroundings = _Surroundings(
            variables=os.environ | (environment or {}),
            folder=Path.cwd(),
            threads=_threads(),
            output=child_output,
            error=child_error,
        )
        self._process = _context.Process(target=_run, args=(surroundings, function, arguments), daemon=True)
        self._process.start()
        child_output.close()
        child_error.close()
        self.stdout, self.stderr = _text(output), _text(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    @property
    def returncode(self) -> int | None:
        """Code it ended with, the negative number of the signal that ended it, or None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.returncode is None and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def wait(self, timeout: float = 120) -> int:
        """Wait for the end and return the exit code.

        Raises:
            TimeoutError: The process still runs.
        """
        self._process.join(timeout)
        if self.returncode is None:
            raise TimeoutError(f"the process still runs after {timeout} seconds")
        return self.returncode

    def communicate(self, timeout: float = 120) -> tuple[str, str]:
        """Wait for the end and return what standard output and standard error still hold.

        Raises:
            TimeoutError: The process still runs.
        """
        rest: dict[IO[str], str] = {}

        def read(stream: IO[str]) -> None:
            rest[stream] = stream.read()

        readers = [threading.Thread(target=read, args=[stream], daemon=True) for stream in (self.stdout, self.stderr)]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        return rest[self.stdout], rest[self.stderr]


@dataclass(frozen=True, kw_only=True)
class _Surroundings:
    """What a new process takes over from this one, and where it writes."""

    variables: dict[str, str]
    folder: Path
    threads: int | None
    output: Connection
    error: Connection


def _run(surroundings: _Surroundings, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    """What the new process does."""
    gc.freeze()  # a training's garbage collection would go through all that the server has imported
    for descriptor, pipe in ((1, surroundings.output), (2, surroundings.error)):
        os.dup2(pipe.fileno(), descriptor)
        pipe.close()
    # New ones, as a process has at its start: those of the server remember what stood behind their descriptors.
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    os.environ.clear()
    os.environ.update(surroundings.variables)
    os.chdir(surroundings.folder)
    if surroundings.threads is not None:
        import torch

        torch.set_num_threads(surroundings.threads)
    function(*arguments)


def _threads() -> int | None:
    """The number of torch's threads in this process, on which the last digits of a sum depend."""
    torch = sys.modules.get("torch")
    return None if torch is None else torch.get_num_threads()


def _text(reader: Connection) -> IO[str]:
    descriptor = os.dup(reader.fileno())
    reader.close()
    return os.fdopen(descriptor, encoding="utf-8")
