"""A local HTTP server that takes the requests that Elasticsearch and OpenSearch document, and nothing else.

It is no search engine: it keeps documents in memory and searches exactly. What it knows of the bodies is from
https://www.elastic.co/docs/api/doc/elasticsearch (search, scroll, bulk, indices.create) and
https://docs.opensearch.org/latest/api-reference; a body that has more or other keys is answered as there, by 400.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

PRIVATE = {"uuid", "version", "creation_date", "provided_name"}


class ProblemError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.body = {"error": {"type": kind, "reason": reason}, "status": status}


@dataclass
class Engine:
    """The state of a server.

    Attributes:
        distribution: ``elasticsearch`` or ``opensearch``.
        version: Its version number.
        credentials: Value of the Authorization header that it wants; None: none.
        indexes: Name -> what was made, and its documents.
        fail_after: Number of bulk requests after which it answers none any more.
    """

    distribution: str = "elasticsearch"
    version: str = "9.2.0"
    credentials: str | None = None
    indexes: dict[str, dict[str, Any]] = field(default_factory=dict)
    fail_after: int = 1_000_000
    bulks: int = 0
    scrolls: dict[str, tuple[list[dict[str, Any]], int]] = field(default_factory=dict)

    def answer(self, method: str, path: str, query: dict[str, list[str]], text: str) -> Any:
        parts = [unquote(part) for part in path.strip("/").split("/") if part]
        if not parts:
            known = {"number": self.version} | (
                {"distribution": "opensearch"} if self.distribution == "opensearch" else {}
            )
            return {"version": known}
        if parts == ["_search", "scroll"]:
            return self.scroll(method, json.loads(text))
        index, action = parts[0], parts[1] if len(parts) > 1 else None
        if action is None:
            return self.manage(method, index, json.loads(text) if text else {})
        if index not in self.indexes:
            raise ProblemError(404, "index_not_found_exception", f"no such index [{index}]")
        if (method, action) == ("POST", "_count"):
            return {"count": len(self.indexes[index]["documents"])}
        if (method, action) == ("POST", "_refresh"):
            return {"_shards": {"failed": 0}}
        if (method, action) == ("POST", "_bulk"):
            return self.bulk(index, text)
        if (method, action) == ("POST", "_search"):
            return self.search(index, json.loads(text), query)
        raise ProblemError(405, "method", f"{method} {path}")

    def manage(self, method: str, index: str, body: dict[str, Any]) -> Any:
        if method == "PUT":
            if index in self.indexes:
                raise ProblemError(400, "resource_already_exists_exception", f"index [{index}] already exists")
            if unknown := set(body["settings"]["index"]) & PRIVATE or set(body) - {"mappings", "settings", "aliases"}:
                raise ProblemError(400, "illegal_argument_exception", f"private or unknown setting {unknown}")
            settings = {"index": body["settings"]["index"] | {"uuid": "u", "provided_name": index}}
            self.indexes[index] = {"mappings": body["mappings"], "settings": settings, "documents": {}}
            return {"acknowledged": True}
        if index not in self.indexes:
            raise ProblemError(404, "index_not_found_exception", f"no such index [{index}]")
        if method == "DELETE":
            del self.indexes[index]
            return {"acknowledged": True}
        made = self.indexes[index]
        return {index: {"aliases": {}, "mappings": made["mappings"], "settings": made["settings"]}}

    def bulk(self, index: str, text: str) -> Any:
        self.bulks += 1
        if self.bulks > self.fail_after:
            raise ConnectionAbortedError
        assert text.endswith("\n"), "a bulk body ends with a newline"
        lines = [json.loads(line) for line in text.splitlines()]
        items = []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            assert set(action) == {"index"}
            assert set(action["index"]) == {"_id"}
            self.indexes[index]["documents"][action["index"]["_id"]] = document
            items.append({"index": {"_id": action["index"]["_id"], "status": 201}})
        return {"errors": False, "items": items}

    def search(self, index: str, body: dict[str, Any], query: dict[str, list[str]]) -> Any:
        documents: dict[str, Any] = self.indexes[index]["documents"]
        if "scroll" in query:
            assert set(body) == {"size", "sort", "query", "_source"}
            assert body["sort"] == ["_doc"]
            column = body["query"]["exists"]["field"]
            hits = [
                self.hit(key, document, body["_source"]) for key, document in documents.items() if column in document
            ]
            identity = f"scroll-{len(self.scrolls)}"
            self.scrolls[identity] = (hits, body["size"])
            return self.page(identity)
        asked = body.get("query", {})
        if "ids" in asked:
            found = [key for key in asked["ids"]["values"] if key in documents][: body["size"]]
            return {"hits": {"hits": [{"_id": key} for key in found]}}
        column, vector, only = self.knn(body)
        keys = [key for key, document in documents.items() if only.items() <= document.items()]
        vectors = np.array([documents[key][column] for key in keys])
        scores = (1 + vectors @ np.array(vector) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vector)) / 2
        best = np.argsort(-scores)[: body["size"]]
        return {"hits": {"hits": [{"_id": keys[at], "_score": float(scores[at])} for at in best]}}

    def knn(self, body: dict[str, Any]) -> tuple[str, list[float], dict[str, str]]:
        """The field and the vector of a search, in the form of this engine, and the terms that it filters by.

        https://www.elastic.co/docs/solutions/search/vector/knn/filtered-knn-search and
        https://docs.opensearch.org/latest/vector-search/filter-search-knn/efficient-knn-filtering
        """
        assert body["_source"] is False
        if self.distribution == "opensearch":
            ((column, asked),) = body["query"]["knn"].items()
            assert set(asked) - {"filter"} == {"vector", "k"}
            vector = asked["vector"]
        else:
            asked = body["knn"]
            assert set(asked) - {"filter"} == {"field", "query_vector", "k", "num_candidates"}
            assert asked["k"] <= asked["num_candidates"] <= 10_000
            column, vector = asked["field"], asked["query_vector"]
        only = asked.get("filter", {"term": {}})
        assert set(only) == {"term"}
        return column, vector, only["term"]

    def hit(self, key: str, document: dict[str, Any], source: Any) -> dict[str, Any]:
        """A hit with as much of its document as was asked for."""
        includes, hides = source, self.distribution == "elasticsearch" and self.version >= "9.2"
        if isinstance(source, dict):
            if not hides:
                raise ProblemError(400, "parsing_exception", "unknown key [exclude_vectors] in [_source]")
            assert set(source) <= {"exclude_vectors", "includes"}
            includes, hides = source.get("includes", True), source["exclude_vectors"]
        shown = {name: value for name, value in document.items() if includes is True or name in includes}
        if hides:
            shown = {name: value for name, value in shown.items() if not isinstance(value, list)}
        return {"_id": key, "_source": shown}

    def scroll(self, method: str, body: dict[str, Any]) -> Any:
        if method == "DELETE":
            del self.scrolls[body["scroll_id"]]
            return {"succeeded": True}
        assert set(body) == {"scroll", "scroll_id"}
        return self.page(body["scroll_id"])

    def page(self, identity: str) -> Any:
        hits, size = self.scrolls[identity]
        self.scrolls[identity] = (hits[size:], size)
        return {"_scroll_id": identity, "hits": {"hits": hits[:size]}}


@contextmanager
def elastic_server(engine: Engine) -> Iterator[str]:
    """Run a server, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            address = urlsplit(self.path)
            try:
                if engine.credentials not in (None, self.headers.get("Authorization")):
                    raise ProblemError(401, "security_exception", "missing authentication credentials")
                status, body = 200, engine.answer(self.command, address.path, parse_qs(address.query), text)
            except ProblemError as problem:
                status, body = problem.status, problem.body
            except ConnectionAbortedError:
                self.close_connection = True
                return
            except (AssertionError, KeyError) as error:
                status, body = 400, {"error": {"type": "parsing_exception", "reason": f"{error!r}"}}
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.respond()

        def do_POST(self) -> None:
            self.respond()

        def do_PUT(self) -> None:
            self.respond()

        def do_DELETE(self) -> None:
            self.respond()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def basic(user: str, password: str) -> str:
    """The Authorization header of a user."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
