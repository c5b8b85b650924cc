"""An index with the vectors of two models, and a server over it, for the tests of the API and of the page."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn

from isoglot import Collection
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.indexing.store import Index
from isoglot.indexing.update import update_index
from isoglot.serving.connections import BoundedProtocol, bounded

HERE = "http://127.0.0.1"
HOSTILE = (
    {
        "_id": "markup",
        "lang": "en",
        "title": "<i>title</i>",
        "text": "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'><b>bold</b> image",
        "url": "javascript:alert(1)",
    },
    {"_id": "turned", "lang": "de", "text": "turned \u202e around \u2066 and never back \u200f"},
    {
        "_id": "megabyte",
        "lang": "fr",
        "text": "neige <iframe src=javascript:alert(1)></iframe> &amp;",
        "url": "https://example.org/" + "é<b>" * 250_000,
    },
    {"_id": "arabic", "lang": "ar", "text": "الثلج يغطي الطريق"},
)
"""Documents that try to be more than text."""


@dataclass(frozen=True)
class Served:
    """An index, its models in order, their encoders, and their vectors of the collection's documents."""

    folder: Path
    index: Index
    models: list[str]
    encoders: dict[str, Encoder]
    vectors: dict[str, np.ndarray]


def serve_small(tiny_model: Path, collection: Collection, folder: Path, more: Sequence[dict[str, str]] = ()) -> Served:
    """The collection and `more` documents, indexed with the tiny model and with another one."""
    documents = [
        {"_id": f"{d.content_id}.{d.language}", "content_id": d.content_id, "lang": d.language, "text": d.text}
        for d in collection.documents
    ]
    corpus = folder / "corpus.jsonl"
    corpus.write_text("\n".join(map(json.dumps, (*documents, *more))), encoding="utf-8")
    update_index(str(corpus), folder / "index", [str(tiny_model), str(other_model(tiny_model, folder / "other"))])
    index = Index(folder / "index")
    encoders = {model: index.load_encoder(model) for model in index.models}
    texts, languages = [d["text"] for d in documents], [d["lang"] for d in documents]
    vectors = {model: encoder.encode(texts, "document", languages) for model, encoder in encoders.items()}
    return Served(folder / "index", index, index.models, encoders, vectors)


def other_model(tiny_model: Path, folder: Path) -> Path:
    """The tiny model with other weights."""
    import torch

    model = load_encoder(str(tiny_model)).model
    torch.manual_seed(1)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * 0.05)
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


class Running:
    """A server of an application in a thread, with real connections; `connections` are limits of `BoundedProtocol`."""

    def __init__(self, app: Any, **connections: float) -> None:
        config = uvicorn.Config(
            app, port=0, log_config=None, access_log=False, timeout_graceful_shutdown=5, **bounded()
        )
        config.http = type("Limited", (BoundedProtocol,), connections)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> Running:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"{HERE}:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._server.server_state.connections)

    def send(self, raw: bytes, *, whole: bool = False) -> bytes:
        """What is answered to some bytes, first or until the connection is closed; nothing more is sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(raw)
            answer = connection.recv(65536)
            while whole and (more := connection.recv(65536)):
                answer += more
            return answer
