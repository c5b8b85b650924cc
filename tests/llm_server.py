"""A real HTTP server that answers POST /v1/chat/completions and /v1/embeddings and misbehaves by a script.

It lists its models at GET /v1/models. Other protocols name their paths and where their requests hold texts.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An answer of the server; `cut` closes the connection in the middle of the body."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False


def chat(content: str | None, finish: str = "stop", usage: tuple[int, int] | None = (100, 50), **message: Any) -> Reply:
    """Return a chat completion."""
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "test",
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
        ],
    }
    if usage:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return Reply(json.dumps(body).encode())


def error(status: int, message: str = "no", **headers: str) -> Reply:
    """Return an error in OpenAI's form."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps({"error": {"message": message, "type": "test"}}).encode(), status, named)


def embeddings(vectors: Sequence[Any], indexes: Sequence[int | None] | None = None) -> Reply:
    """Return an answer of an embeddings API."""
    pairs = zip(range(len(vectors)) if indexes is None else indexes, vectors, strict=True)
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in pairs]
    return Reply(json.dumps({"object": "list", "model": "test", "data": data}).encode())


@dataclass
class Server:
    """A running server.

    Attributes:
        answer: Function from a prompt, or the texts to encode, to the reply once the script is over.
        script: Replies to the first requests; None: the reply of `answer`.
        url: Base URL.
        bodies: Bodies of the requests, in the order of arrival.
        headers: Their headers, by names in lower case.
        paths: Their paths.
        times: Times of arrival, in seconds.
        most_at_once: Largest number of requests that were under way together.
        models: Name of a model -> who owns it.
    """

    answer: Callable[[Any], Reply]
    script: list[Reply | None]
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    most_at_once: int = 0
    models: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    open: int = 0

    @property
    def prompts(self) -> list[str]:
        """The prompts, in the order of arrival."""
        return [body["messages"][0]["content"] for body in self.bodies]

    def reply(self, body: dict[str, Any], asked: Any) -> Reply:
        """Record a request and return its reply; `asked` is its prompt or its texts."""
        with self.lock:
            self.bodies.append(body)
            self.times.append(time.monotonic())
            self.open += 1
            self.most_at_once = max(self.most_at_once, self.open)
            scripted = self.script.pop(0) if self.script else None
        return scripted or self.answer(asked)


def _asked(body: dict[str, Any]) -> Any:
    return body["input"] if "input" in body else body["messages"][0]["content"]


@contextmanager
def serving(
    answer: Callable[[Any], Reply],
    script: Sequence[Reply | None] = (),
    *,
    posts: Sequence[str] = ("/v1/chat/completions", "/v1/embeddings"),
    pages: Mapping[str, Any] | None = None,
    asked: Callable[[dict[str, Any]], Any] = _asked,
    base: str = "/v1",
) -> Iterator[Server]:
    """Run a server on a free port of this machine, for the duration of the block.

    Args:
        answer: As for `Server`.
        script: As for `Server`.
        posts: The paths that can be posted to.
        pages: Path -> the JSON that GET answers with; the list of models elsewhere.
        asked: Returns the prompt or the texts of a request's body.
        base: What stands behind the port in the base URL.
    """
    server = Server(answer, list(script))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.paths.append(self.path)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            reply = server.reply(body, asked(body)) if self.path in posts else error(404, "no such path")
            try:
                time.sleep(reply.delay)
                self._send(reply)
            except OSError:
                self.close_connection = True  # the client has gone
            finally:
                with server.lock:
                    server.open -= 1

        def do_GET(self) -> None:
            owned = [{"id": model, "object": "model", "owned_by": owner} for model, owner in server.models.items()]
            page = (pages or {}).get(self.path, {"object": "list", "data": owned})
            self._send(Reply(json.dumps(page).encode()))

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            headers = {"Content-Type": "application/json", "Content-Length": str(len(reply.body)), **reply.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
            self.close_connection = reply.cut

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}{base}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
