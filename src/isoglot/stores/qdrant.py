"""Qdrant: a server, or a folder of the client's local mode. The target is a second named vector of each point."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError, first_line
from isoglot.stores.base import BLOCK, Block, Fields, field_of, key_text, last_part, make_block, needs

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

FORM = "qdrant:URL/COLLECTION or qdrant:FOLDER/COLLECTION"
MARKS = "isoglot_targets"
"""The entry of a collection's metadata that holds the marks of targets."""


class QdrantStore:
    """A collection of Qdrant 1.18 or newer, the first that adds a named vector to points that are there.

    Args:
        client: The client.
        collection: Name of the collection.
        fields: The payload's fields, with dots into objects, and the name of the vector.
        name: As `Store.name`.
    """

    target_kind = "the named vector"

    def __init__(self, client: QdrantClient, collection: str, fields: Fields, name: str) -> None:
        self.name, self._client, self._collection, self._fields = name, client, collection, fields
        with self._explained():
            params = client.get_collection(collection).config.params.vectors
        vectors = params if isinstance(params, dict) else {"": params}
        marked = self._marks()
        own = [found for found in vectors if found not in marked]
        if fields.vector is None and len(own) != 1:
            raise IsoglotError(f"{name}: has the vectors {own}; name one, --vector-field")
        self._vector = own[0] if fields.vector is None else fields.vector
        if self._vector not in vectors:
            raise IsoglotError(f"{name}: has no vector {self._vector!r}, only {', '.join(map(repr, vectors))}")
        self._params = vectors[self._vector]
        if self._params.multivector_config is not None:
            raise IsoglotError(f"{name}: the vector {self._vector!r} has several rows a point, which is not supported")
        self.target = f"{self._vector or 'vector'}_mended"

    def count(self) -> int:
        """As `Store.count`."""
        with self._explained():
            return self._client.count(self._collection, exact=True).count

    def blocks(self, lacking: str | None = None) -> Iterator[Block]:
        """As `Store.blocks`."""
        from qdrant_client import models

        having = [models.HasVectorCondition(has_vector=self._vector)] if self._vector else None
        changed = None if lacking is None else [models.HasVectorCondition(has_vector=lacking)]
        wanted = [name for name in (self._fields.language, self._fields.content) if name]
        offset: Any = None
        while True:
            with self._explained():
                points, offset = self._client.scroll(
                    self._collection,
                    scroll_filter=models.Filter(must=having, must_not=changed),
                    limit=BLOCK,
                    offset=offset,
                    with_payload=wanted,
                    with_vectors=[self._vector] if self._vector else True,
                )
            if points:
                yield make_block(
                    [point.id for point in points],
                    [field_of(point.payload, self._fields.content) for point in points],
                    [field_of(point.payload, self._fields.language) for point in points],
                    [self._of(point.vector) for point in points],
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
            params = self._client.get_collection(self._collection).config.params.vectors
        marks = self._marks()
        return marks.get(target, "") if isinstance(params, dict) and target in params else None

    def create(self, target: str, mark: str) -> None:
        """As `Store.create`."""
        from qdrant_client import models

        config = models.DenseVectorConfig(
            size=self._params.size, distance=self._params.distance, datatype=self._params.datatype
        )
        with self._explained():
            self._client.update_collection(self._collection, metadata={MARKS: self._marks() | {target: mark}})
            self._client.create_vector_name(self._collection, target, models.DenseVectorNameConfig(dense=config))

    def write(self, target: str, block: Block, vectors: Vectors) -> None:
        """As `Store.write`."""
        from qdrant_client import models

        points = [
            models.PointVectors(id=key, vector={target: vector.tolist()})
            for key, vector in zip(block.keys, vectors, strict=True)
        ]
        with self._explained():
            self._client.update_vectors(self._collection, points, wait=True)

    def finish(self, target: str) -> int:
        """As `Store.finish`."""
        from qdrant_client import models

        having = models.Filter(must=[models.HasVectorCondition(has_vector=target)])
        with self._explained():
            return self._client.count(self._collection, count_filter=having, exact=True).count

    def drop(self, target: str) -> None:
        """As `Store.drop`."""
        marks = {name: mark for name, mark in self._marks().items() if name != target}
        with self._explained():
            self._client.delete_vector_name(self._collection, target)
            self._client.update_collection(self._collection, metadata={MARKS: marks or None})

    def close(self) -> None:
        """As `Store.close`."""
        self._client.close()

    def _of(self, vector: Any) -> Any:
        """The vector out of what a point has: a list where it is the only one and has no name."""
        return vector[self._vector] if isinstance(vector, dict) else vector

    def _marks(self) -> dict[str, str]:
        with self._explained():
            metadata = self._client.get_collection(self._collection).config.metadata or {}
        return dict(metadata.get(MARKS) or {})

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
    try:
        from qdrant_client import QdrantClient
    except ImportError as error:
        raise needs("qdrant-client", "qdrant") from error
    place, collection = last_part(argument, FORM)
    name = f"qdrant:{argument}"
    if "://" in place:
        key = os.environ.get("QDRANT_API_KEY")
        client = QdrantClient(url=place, api_key=key, timeout=60, check_compatibility=False)
    else:
        folder = Path(place).expanduser()
        if not (folder / "meta.json").is_file():
            raise IsoglotError(f"{name}: {folder} is no folder of Qdrant's local mode (it has no meta.json)")
        try:
            client = QdrantClient(path=str(folder))
        except RuntimeError as error:
            raise IsoglotError(f"{name}: {first_line(error)}") from error
    return QdrantStore(client, collection, fields, name)
