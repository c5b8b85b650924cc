"""Qdrant: a server, or a folder of the client's local mode. The target is a new collection of the same points."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError, first_line
from isoglot.platform.extras import needs
from isoglot.platform.files import expanded
from isoglot.stores.base import BLOCK, Block, Fields, field_of, key_text, last_part, make_block

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

FORM = "qdrant:URL/COLLECTION or qdrant:FOLDER/COLLECTION"
MARK = "isoglot"
"""The entry of a target's metadata that holds its mark."""


class QdrantStore:
    """A collection of Qdrant 1.16 or newer, the first whose collections have metadata.

    Since 1.18 a collection can get another named vector. The target is a new collection nevertheless: a second vector
    beside an unnamed one makes points with one vector, as their writers send them, invalid.

    Args:
        client: The client.
        collection: Name of the collection.
        fields: The payload's fields, with dots into objects, and the name of the vector.
        name: As `Store.name`.
    """

    target_kind = "the collection"

    def __init__(self, client: QdrantClient, collection: str, fields: Fields, name: str) -> None:
        self.name, self._client, self._collection, self._fields = name, client, collection, fields
        self.target = f"{collection}_mended"
        with self._explained():
            self._info = client.get_collection(collection)
        params = self._info.config.params.vectors
        vectors = dict(params) if isinstance(params, dict) else {} if params is None else {"": params}
        if fields.vector is None and len(vectors) != 1:
            raise IsoglotError(f"{name}: has the vectors {list(vectors)}; name one, --vector-field")
        self._vector = next(iter(vectors)) if fields.vector is None else fields.vector
        if self._vector not in vectors:
            raise IsoglotError(f"{name}: has no vector {self._vector!r}, only {', '.join(map(repr, vectors))}")
        self._params = vectors[self._vector]
        if self._params.multivector_config is not None:
            raise IsoglotError(f"{name}: the vector {self._vector!r} has several rows a point, which is not supported")

    def count(self) -> int:
        """As `Store.count`."""
        with self._explained():
            return self._client.count(self._collection, exact=True).count

    def blocks(self, lacking: str | None = None) -> Iterator[Block]:
        """As `Store.blocks`."""
        wanted: Any = True if lacking else [name for name in (self._fields.language, self._fields.content) if name]
        offset: Any = None
        while True:
            with self._explained():
                points, offset = self._client.scroll(
                    self._collection,
                    limit=BLOCK,
                    offset=offset,
                    with_payload=wanted,
                    with_vectors=True if lacking or not self._vector else [self._vector],
                )
                if lacking:
                    there = self._client.retrieve(lacking, [point.id for point in points], with_payload=False)
                    keys = {point.id for point in there}
                    points = [point for point in points if point.id not in keys]
            if points := [point for point in points if self._of(point) is not None]:
                yield make_block(
                    [point.id for point in points],
                    [field_of(point.payload, self._fields.content) for point in points],
                    [field_of(point.payload, self._fields.language) for point in points],
                    [self._of(point) for point in points],
                    points,
                )
            if offset is None:
                return

    def nearest(self, vectors: Vectors, limit: int) -> list[list[tuple[str, float]]]:
        """As `Store.nearest`."""
        from qdrant_client import models

        asked = [
            models.QueryRequest(query=vector.tolist(), using=self._vector or None, limit=limit) for vector in vectors
        ]
        sign = -1 if self._params.distance in (models.Distance.EUCLID, models.Distance.MANHATTAN) else 1
        with self._explained():
            answers = self._client.query_batch_points(self._collection, asked)
        return [[(key_text(point.id), sign * point.score) for point in answer.points] for answer in answers]

    def mark(self, target: str) -> str | None:
        """As `Store.mark`."""
        with self._explained():
            if not self._client.collection_exists(target):
                return None
            return str((self._client.get_collection(target).config.metadata or {}).get(MARK, ""))

    def create(self, target: str, mark: str) -> None:
        """As `Store.create`, with the settings of the collection."""
        from qdrant_client import models

        config, params = self._info.config, self._info.config.params
        with self._explained():
            self._client.create_collection(
                target,
                vectors_config=params.vectors,
                sparse_vectors_config=params.sparse_vectors,
                shard_number=params.shard_number,
                replication_factor=params.replication_factor,
                write_consistency_factor=params.write_consistency_factor,
                on_disk_payload=params.on_disk_payload,
                hnsw_config=models.HnswConfigDiff(**config.hnsw_config.model_dump()),
                quantization_config=config.quantization_config,
                metadata=(config.metadata or {}) | {MARK: mark},
            )
        if self.mark(target) != mark:
            self.drop(target)
            raise IsoglotError(f"{self.name}: Qdrant keeps no metadata of collections before 1.16; upgrade it")

    def write(self, target: str, block: Block, vectors: Vectors) -> None:
        """As `Store.write`: with the payload, and what else the points have of vectors."""
        from qdrant_client import models

        points = [
            models.PointStruct(
                id=point.id,
                payload=point.payload,
                vector=point.vector | {self._vector: vector.tolist()}
                if isinstance(point.vector, dict)
                else vector.tolist(),
            )
            for point, vector in zip(block.rows or (), vectors, strict=True)
        ]
        with self._explained():
            self._client.upsert(target, points, wait=True)

    def done(self, target: str) -> int:
        """As `Store.done`."""
        with self._explained():
            return self._client.count(target, exact=True).count

    def finish(self, target: str) -> None:
        """As `Store.finish`; the payload gets the indexes that it has in the collection."""
        with self._explained():
            there = self._client.get_collection(target).payload_schema
            for field, index in self._info.payload_schema.items():
                if field not in there:
                    self._client.create_payload_index(target, field, index.params or index.data_type)

    def drop(self, target: str) -> None:
        """As `Store.drop`."""
        with self._explained():
            self._client.delete_collection(target)

    def close(self) -> None:
        """As `Store.close`."""
        self._client.close()

    def _of(self, point: Any) -> Any:
        """The vector of a point: a list where it is the only one and has no name; None where it has none."""
        return point.vector.get(self._vector) if isinstance(point.vector, dict) else point.vector

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the client's errors into one line."""
        from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

        try:
            yield
        except UnexpectedResponse as error:
            why = {401: "refuses the key in QDRANT_API_KEY, or wants one", 403: "does not let this key do that"}.get(
                error.status_code or 0
            )
            raise IsoglotError(f"{self.name}: {why or f'answers {error.status_code}: {_status(error)}'}") from error
        except ApiException as error:
            raise IsoglotError(f"{self.name}: cannot be reached: {first_line(error)}; run the same again") from error
        except (ValueError, KeyError) as error:  # of the local mode
            raise IsoglotError(f"{self.name}: {first_line(error)}") from error


def _status(error: Any) -> str:
    try:
        status = error.structured().get("status", {})
    except ValueError:
        return str(error.reason_phrase)
    return str(status.get("error", status) if isinstance(status, dict) else status)[:200]


def open_store(argument: str, fields: Fields) -> QdrantStore:
    """Open ``URL/COLLECTION`` or ``FOLDER/COLLECTION``; a server's key is in QDRANT_API_KEY."""
    with needs("qdrant", "qdrant"):
        from qdrant_client import QdrantClient
    place, collection = last_part(argument, FORM)
    name = f"qdrant:{argument}"
    if "://" in place:
        key = os.environ.get("QDRANT_API_KEY")
        client = QdrantClient(url=place, api_key=key, timeout=60, check_compatibility=False)
    else:
        folder = expanded(place)
        if not (folder / "meta.json").is_file():
            raise IsoglotError(f"{name}: {folder} is no folder of Qdrant's local mode (it has no meta.json)")
        try:
            client = QdrantClient(path=str(folder))
        except RuntimeError as error:
            raise IsoglotError(f"{name}: {first_line(error)}") from error
    return QdrantStore(client, collection, fields, name)
