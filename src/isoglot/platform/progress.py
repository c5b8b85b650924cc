"""Progress of long work on standard error: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from isoglot.platform.text import visible

_SECONDS_BETWEEN_LINES = 10


@contextmanager
def progress(description: str, total: int, *, show: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes how many more steps are done.

    Args:
        description: What is being done.
        total: The number of steps.
        show: Whether to show anything.
    """
    if not show or total == 0:
        yield lambda steps: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(visible(description), total=total)
            yield lambda steps: bar.advance(task, steps)
    else:
        yield _Lines(description, total).advance


@contextmanager
def waiting(description: str) -> Iterator[None]:
    """Show a spinner on a terminal while the block, whose length is unknown, runs; elsewhere show nothing."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(visible(description))):
        yield


class _Lines:
    """Prints how many steps are done: every ten seconds, and at the end."""

    def __init__(self, description: str, total: int) -> None:
        self._description, self._total, self._done = description, total, 0
        self._last = time.monotonic()

    def advance(self, steps: int) -> None:
        self._done += steps
        now = time.monotonic()
        if self._done >= self._total or now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            print(f"{self._description}: {self._done}/{self._total}", file=sys.stderr, flush=True)
