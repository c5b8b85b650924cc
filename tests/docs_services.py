"""The servers that pages of the documentation ask, started for the page; each speaks the real protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from tests.hub_server import documented_hub

SERVICES: dict[str, Callable[[], AbstractContextManager[dict[str, str]]]] = {"hub": documented_hub}
"""Name in a page's head -> what starts it; yields text in commands -> what stands for it here."""


@contextmanager
def serving(names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Start services; yield what is replaced in the page's commands."""
    with ExitStack() as stack:
        replaced: dict[str, str] = {}
        for name in names:
            replaced |= stack.enter_context(SERVICES[name]())
        yield replaced
