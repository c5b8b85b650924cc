"""The servers that pages of the documentation ask, started for the page; each speaks the real protocol."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from tests.hub_server import documented_hub


@contextmanager
def serving(names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Start services; yield what is replaced in the page's commands."""
    with ExitStack() as stack:
        replaced: dict[str, str] = {}
        for name in names:
            replaced |= stack.enter_context(SERVICES[name]())
        yield replaced


@contextmanager
def serve() -> Iterator[dict[str, str]]:
    """``isoglot serve`` of an index of ``mini@demo``."""
    from isoglot.indexing.store import Index
    from isoglot.indexing.update import update_index
    from isoglot.serving.app import create_app
    from isoglot.serving.settings import Settings
    from tests.serving_index import Running

    with tempfile.TemporaryDirectory() as folder:
        update_index("mini@demo", folder, ["e5-small-q4"])
        index = Index(folder)
        app = create_app(index, {model: index.load_encoder(model) for model in index.models}, Settings())
        with Running(app) as server:
            yield {"http://127.0.0.1:8000": server.url}


SERVICES: dict[str, Callable[[], AbstractContextManager[dict[str, str]]]] = {"hub": documented_hub, "serve": serve}
"""Name in a page's head -> what starts it; yields text in commands -> what stands for it here."""
