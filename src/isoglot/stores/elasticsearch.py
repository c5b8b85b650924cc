"""Elasticsearch and OpenSearch, by the HTTP bodies that both document. The target is a new index with all documents.

A field cannot be taken out of a mapping again, an index can be deleted; hence a new index, which an alias can point to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError, first_line
from isoglot.platform.extras import needs
from isoglot.stores.base import BLOCK, Block, Fields, field_of, last_part, make_block

if TYPE_CHECKING:
    import httpx2

FORM = "elasticsearch:URL/INDEX"
KEPT_SETTINGS = ("analysis", "codec", "knn", "mapping", "number_of_replicas", "number_of_shards", "similarity", "sort")
"""Settings that a target takes over. A pipeline of the index is none of them: it could embed the texts again."""
_KINDS = ("dense_vector", "knn_vector")
_MARK = "isoglot"
_KEEP_ALIVE = "10m"
_REFUSED = {401: "refuses the key or password in the environment, or wants one", 403: "does not let this user do that"}


class ElasticsearchStore:
    """An index of Elasticsearch 8 or newer, or of OpenSearch 2 or newer, whose documents have their ``_source``.

    Args:
        client: Sends requests to the server.
        index: Name of the index.
        fields: Fields of ``_source``, with dots into objects; the vector's may be left out where there is one.
        name: As `Store.name`.
    """

    target_kind = "the index"

    def __init__(self, client: httpx2.Client, index: str, fields: Fields, name: str) -> None:
        self.name, self._client, self._index, self._fields = name, client, index, fields
        self.target = f"{index}_mended"
        answer = self._ask("GET", f"/{quote(index)}")
        if len(answer) != 1:
            raise IsoglotError(f"{name}: stands for {len(answer)} indexes; name one of them")
        self._made: dict[str, Any] = next(iter(answer.values()))
        properties = self._made["mappings"].get("properties", {})
        vectors = [field for field, mapping in properties.items() if mapping.get("type") in _KINDS]
        if fields.vector is None and len(vectors) != 1:
            raise IsoglotError(f"{name}: has the vectors {vectors}; name one, --vector-field")
        self._vector = fields.vector or vectors[0]

    def count(self) -> int:
        """As `Store.count`."""
        return int(self._ask("POST", f"/{quote(self._index)}/_count")["count"])

    def blocks(self, lacking: str | None = None) -> Iterator[Block]:
        """As `Store.blocks`, by the scroll API."""
        body: dict[str, Any] = {
            "size": BLOCK,
            "sort": ["_doc"],
            "query": {"exists": {"field": self._vector}},
            "_source": True if lacking else [name for name in self._wanted if name],
        }
        if self._hides_vectors:
            body["_source"] = {"exclude_vectors": False} | ({} if lacking else {"includes": body["_source"]})
        page = self._ask("POST", f"/{quote(self._index)}/_search?scroll={_KEEP_ALIVE}", body)
        try:
            while hits := page["hits"]["hits"]:
                there = self._there(lacking, [hit["_id"] for hit in hits]) if lacking else set()
                if missing := [hit for hit in hits if hit["_id"] not in there]:
                    yield self._block(missing)
                page = self._ask("POST", "/_search/scroll", {"scroll": _KEEP_ALIVE, "scroll_id": page["_scroll_id"]})
        finally:
            self._ask("DELETE", "/_search/scroll", {"scroll_id": page["_scroll_id"]}, missing={})

    def nearest(self, vectors: Vectors, limit: int) -> list[list[tuple[str, float]]]:
        """As `Store.nearest`."""
        return [self._search(vector.tolist(), limit) for vector in vectors]

    def mark(self, target: str) -> str | None:
        """As `Store.mark`."""
        answer = self._ask("GET", f"/{quote(target)}", missing={})
        meta = [made["mappings"].get("_meta", {}) for made in answer.values()]
        return str(meta[0].get(_MARK, "")) if meta else None

    def create(self, target: str, mark: str) -> None:
        """As `Store.create`."""
        mappings = dict(self._made["mappings"])
        mappings["_meta"] = mappings.get("_meta", {}) | {_MARK: mark}
        settings = {key: value for key, value in self._made["settings"]["index"].items() if key in KEPT_SETTINGS}
        self._ask("PUT", f"/{quote(target)}", {"mappings": mappings, "settings": {"index": settings}})

    def write(self, target: str, block: Block, vectors: Vectors) -> None:
        """As `Store.write`, by the bulk API."""
        lines = []
        for hit, vector in zip(block.rows or (), vectors, strict=True):
            _put(hit["_source"], self._vector, vector.tolist())
            address = {"_id": hit["_id"]} | ({"routing": hit["_routing"]} if "_routing" in hit else {})
            lines += [json.dumps({"index": address}), json.dumps(hit["_source"])]
        if lines:
            answer = self._ask("POST", f"/{quote(target)}/_bulk", "\n".join(lines) + "\n")
            if answer["errors"]:
                failed = next(item["index"]["error"] for item in answer["items"] if "error" in item["index"])
                raise IsoglotError(f"{self.name}: a document cannot be written to {target}: {_reason(failed)}")

    def finish(self, target: str) -> None:
        """As `Store.finish`."""
        self._ask("POST", f"/{quote(target)}/_refresh")

    def done(self, target: str) -> int:
        """As `Store.done`."""
        self._ask("POST", f"/{quote(target)}/_refresh")
        return int(self._ask("POST", f"/{quote(target)}/_count")["count"])

    def drop(self, target: str) -> None:
        """As `Store.drop`."""
        self._ask("DELETE", f"/{quote(target)}")

    def close(self) -> None:
        """As `Store.close`."""
        self._client.close()

    @property
    def _wanted(self) -> list[str | None]:
        return [self._vector, self._fields.language, self._fields.content]

    @cached_property
    def _version(self) -> tuple[bool, int, int]:
        """Whether it is OpenSearch, and the first two numbers of its version."""
        version = self._ask("GET", "/")["version"]
        major, minor = (int(part) for part in str(version["number"]).split(".")[:2])
        return version.get("distribution") == "opensearch", major, minor

    @property
    def _hides_vectors(self) -> bool:
        """Whether ``_source`` comes without vectors unless it is asked for them: Elasticsearch 9.2 and newer."""
        return not self._version[0] and self._version[1:] >= (9, 2)

    def _block(self, hits: list[dict[str, Any]]) -> Block:
        sources = [hit["_source"] for hit in hits]
        return make_block(
            [hit["_id"] for hit in hits],
            [field_of(source, self._fields.content) for source in sources],
            [field_of(source, self._fields.language) for source in sources],
            [field_of(source, self._vector) for source in sources],
            hits,
        )

    def _there(self, target: str, keys: list[str]) -> set[str]:
        """Those of the keys that a target has."""
        self._ask("POST", f"/{quote(target)}/_refresh")
        body = {"size": len(keys), "query": {"ids": {"values": keys}}, "_source": False}
        return {hit["_id"] for hit in self._ask("POST", f"/{quote(target)}/_search", body)["hits"]["hits"]}

    def _search(self, vector: list[float], limit: int) -> list[tuple[str, float]]:
        body: dict[str, Any]
        if self._version[0]:
            body = {"query": {"knn": {self._vector: {"vector": vector, "k": limit}}}}
        else:
            candidates = max(100, limit)
            body = {"knn": {"field": self._vector, "query_vector": vector, "k": limit, "num_candidates": candidates}}
        answer = self._ask("POST", f"/{quote(self._index)}/_search", {"size": limit, "_source": False} | body)
        return [(hit["_id"], float(hit["_score"])) for hit in answer["hits"]["hits"]]

    def _ask(self, method: str, path: str, body: Any = None, *, missing: Any = None) -> Any:
        """Send a request and return its answer; `missing`, if given, where there is nothing at the path.

        Raises:
            IsoglotError: The server cannot be reached, refuses the user, or reports an error.
        """
        import httpx2

        bulk = isinstance(body, str)
        text = body if bulk else None if body is None else json.dumps(body)
        kind = "application/x-ndjson" if bulk else "application/json"
        try:
            answer = self._client.request(method, path, content=text, headers={"Content-Type": kind} if text else None)
            if answer.status_code == 404 and missing is not None:
                return missing
            found = answer.json()
        except httpx2.HTTPError as error:
            raise IsoglotError(f"{self.name}: cannot be reached: {first_line(error)}; run the same again") from error
        except ValueError as error:
            raise IsoglotError(f"{self.name}: answers {answer.status_code} and no JSON") from error
        if answer.is_error:
            error_of = found.get("error", {}) if isinstance(found, dict) else {}
            why = _REFUSED.get(answer.status_code) or f"answers {answer.status_code}: {_reason(error_of)}"
            raise IsoglotError(f"{self.name}: {why}")
        return found


def _put(document: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for part in parents:
        document = document[part]
    document[last] = value


def _reason(error: Any) -> str:
    return str(error.get("reason", error) if isinstance(error, dict) else error)[:200]


def open_store(argument: str, fields: Fields) -> ElasticsearchStore:
    """Open ``URL/INDEX``, with the key or the user of the environment.

    Variables: ELASTICSEARCH_API_KEY; or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD, for OpenSearch as well.
    """
    with needs("elasticsearch", "elasticsearch"):
        import httpx2
    address, index = last_part(argument, FORM)
    if not address.startswith(("http://", "https://")):
        raise IsoglotError(f"name an index as {FORM}, with http:// or https://")
    key, user = os.environ.get("ELASTICSEARCH_API_KEY"), os.environ.get("ELASTICSEARCH_USERNAME")
    client = httpx2.Client(
        base_url=address,
        timeout=60,
        headers={"Authorization": f"ApiKey {key}"} if key else None,
        auth=(user, os.environ.get("ELASTICSEARCH_PASSWORD", "")) if user and not key else None,
    )
    return ElasticsearchStore(client, index, fields, f"elasticsearch:{argument}")
