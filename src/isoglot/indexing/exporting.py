"""Exports of an index's passages and vectors to other search engines, as files or by the engine's own client."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, TextIO
from uuid import NAMESPACE_URL, uuid5

from isoglot.indexing.passages import PASSAGE_COLUMNS, Passage, passage_from_row
from isoglot.indexing.snapshot import Snapshot, StoredModel, vectors_in
from isoglot.indexing.store import Index
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.extras import needs
from isoglot.platform.files import EXPORT_MARK, new_folder
from isoglot.platform.progress import progress

TABLE_NAME = "passages"
"""What the collection, table or index is called in the other engine."""
_BULK_BYTES = 10 * 2**20
"""About how large a bulk request is: engines refuse 100 MB and recommend far less."""
_MAX_DIMENSIONS = {"qdrant": 65_536, "pgvector": 16_000, "elasticsearch": 4_096, "opensearch": 16_000}
"""How many dimensions an engine takes, where there is a limit."""
_HNSW_DIMENSIONS, _HNSW_HALF_DIMENSIONS = 2_000, 4_000
"""How many dimensions an HNSW index of pgvector takes: of 32 bits (vector) and of 16 (halfvec)."""

_MAX_ID_BYTES = 512
"""How long an id may be in Elasticsearch and OpenSearch; in a primary key of PostgreSQL, about five times as long."""
_KEYWORD = {"type": "keyword", "ignore_above": 8191}
"""Engines refuse a document with a keyword of more than 32,766 bytes; longer ones are kept, but not found."""

Batches = Iterator[tuple[list[Passage], Vectors]]


def export_index(
    index: Index,
    engine: str,
    output: Path,
    *,
    model: str | None = None,
    force: bool = False,
    show_progress: bool = False,
) -> list[str]:
    """Write the last committed state of an index in the format of another engine.

    Args:
        index: The index.
        engine: One of `EXPORTERS`.
        output: The folder to write.
        model: Model whose vectors are written; None: the first.
        force: Whether to replace the folder, if it is an export.
        show_progress: Whether to show progress on standard error.

    Returns:
        Lines that say how to load what was written.

    Raises:
        IsoglotError: The engine or the model is unknown, the engine does not take vectors of so many dimensions, a
            library is missing, or the folder cannot be written.
    """
    if engine not in EXPORTERS:
        raise IsoglotError(f"unknown engine {engine!r}; known are {', '.join(EXPORTERS)}")
    snapshot = index.snapshot()
    stored = snapshot.model(model)
    if stored.dimension > (most := _MAX_DIMENSIONS.get(engine, stored.dimension)):
        raise IsoglotError(
            f"{engine} takes vectors of at most {most:,} dimensions, and those of {stored.name} have "
            f"{stored.dimension:,}; export them to faiss, or index with a model that has fewer"
        )
    with (
        progress(f"exporting to {engine}", snapshot.count, show=show_progress) as advance,
        new_folder(output, replaces=EXPORT_MARK if force else None) as folder,
    ):
        try:
            steps = EXPORTERS[engine](_batches(snapshot, stored, advance), stored.dimension, folder)
        except sqlite3.Error as error:  # of Qdrant's local mode
            raise OSError(str(error)) from error
        (folder / EXPORT_MARK).touch()
    return [step.replace(str(folder), str(output)) for step in steps]


def _batches(snapshot: Snapshot, stored: StoredModel, advance: Callable[[int], None]) -> Batches:
    for batch in snapshot.scan([*PASSAGE_COLUMNS, stored.column]):
        passages = [passage_from_row(row) for row in batch.select(list(PASSAGE_COLUMNS)).to_pylist()]
        yield passages, vectors_in(batch[stored.column])
        advance(len(passages))


def _payload(passage: Passage) -> dict[str, Any]:
    return {name: getattr(passage, name) for name in PASSAGE_COLUMNS}


def _engine_id(passage: Passage) -> str:
    """Return the id of a passage for engines that limit its length; they have the long ones in `document_id`."""
    encoded = passage.id.encode()
    return passage.id if len(encoded) <= _MAX_ID_BYTES else blake2b(encoded, digest_size=16).hexdigest()


def _to_faiss(batches: Batches, dimension: int, folder: Path) -> list[str]:
    """Write a FAISS index, which is built in memory and so takes as much of it as the vectors do."""
    with needs("exporting to faiss", "faiss"):
        import faiss
    flat_index = faiss.IndexFlatIP(dimension)
    with (folder / "passages.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for passages, vectors in batches:
            flat_index.add(vectors)
            _write_lines(file, map(_payload, passages))
    with (folder / "index.faiss").open("wb") as file:  # FAISS keeps quiet when it cannot write the end of a file
        faiss.write_index(flat_index, faiss.PyCallbackIOWriter(file.write))  # type: ignore[attr-defined]
    return [
        f'faiss.read_index("{folder}/index.faiss")    # inner product of unit vectors: the cosine',
        "the n-th line of passages.jsonl is the passage of the n-th vector",
    ]


def _to_qdrant(batches: Batches, dimension: int, folder: Path) -> list[str]:
    with needs("exporting to qdrant", "qdrant"):
        from qdrant_client import QdrantClient, models
    client = QdrantClient(path=str(folder))
    try:
        vectors_config = models.VectorParams(size=dimension, distance=models.Distance.COSINE)
        client.create_collection(TABLE_NAME, vectors_config=vectors_config)
        for passages, vectors in batches:
            points = [
                models.PointStruct(id=str(uuid5(NAMESPACE_URL, p.id)), vector=vector.tolist(), payload=_payload(p))
                for p, vector in zip(passages, vectors, strict=True)
            ]
            client.upsert(TABLE_NAME, points)
    finally:
        client.close()
    return [
        f'client = QdrantClient(path="{folder}")    # collection {TABLE_NAME!r}, Qdrant\'s local mode',
        "client.migrate(QdrantClient(url=...))    # copies it to a server",
    ]


def _to_pgvector(batches: Batches, dimension: int, folder: Path) -> list[str]:
    indexed = dimension <= _HNSW_HALF_DIMENSIONS
    half = f"::halfvec({dimension})" if _HNSW_DIMENSIONS < dimension <= _HNSW_HALF_DIMENSIONS else ""
    operand = f"(embedding{half}) halfvec_cosine_ops" if half else "embedding vector_cosine_ops"
    with (folder / "passages.sql").open("w", encoding="utf-8", newline="\n") as file:
        file.write(
            "BEGIN;\nCREATE EXTENSION IF NOT EXISTS vector;\n"
            f"CREATE TABLE {TABLE_NAME} (id text PRIMARY KEY, document_id text NOT NULL, content_id text, "
            "language text NOT NULL, title text NOT NULL, text text NOT NULL, source text NOT NULL, "
            "metadata jsonb NOT NULL, part int NOT NULL, parts int NOT NULL, "
            f"embedding vector({dimension}) NOT NULL);\n"
            f"COPY {TABLE_NAME} ({', '.join(PASSAGE_COLUMNS)}, embedding) FROM stdin;\n"
        )
        for passages, vectors in batches:
            for passage, vector in zip(passages, vectors, strict=True):
                fields = [*{**_payload(passage), "id": _engine_id(passage)}.values(), vector.tolist()]
                file.write("\t".join(map(_copy_text, fields)) + "\n")
        file.write(
            "\\.\n"
            + (f"CREATE INDEX ON {TABLE_NAME} USING hnsw ({operand});\n" if indexed else "")
            + f"CREATE INDEX ON {TABLE_NAME} (language);\nCOMMIT;\n"
        )
    steps = [
        f'psql -v ON_ERROR_STOP=1 -f "{folder}/passages.sql"',
        f"SELECT id, 1 - (embedding <=> $1) AS score FROM {TABLE_NAME} ORDER BY embedding{half} <=> $1{half} LIMIT 10;",
    ]
    if not indexed:
        steps.append(f"pgvector makes no index of more than {_HNSW_HALF_DIMENSIONS:,} dimensions: searches read all")
    return steps


def _copy_text(value: Any) -> str:
    """Write a value in the text format of PostgreSQL's COPY."""
    if value is None:
        return "\\N"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    for character, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(character, escaped)
    return text


def _to_elasticsearch(batches: Batches, dimension: int, folder: Path) -> list[str]:
    vector = {"type": "dense_vector", "dims": dimension, "index": True, "similarity": "cosine"}
    return _to_bulk(batches, folder, vector, {})


def _to_opensearch(batches: Batches, dimension: int, folder: Path) -> list[str]:
    method = {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"}
    vector = {"type": "knn_vector", "dimension": dimension, "method": method}
    return _to_bulk(batches, folder, vector, {"index": {"knn": True}})


def _to_bulk(batches: Batches, folder: Path, vector: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    properties: dict[str, Any] = dict.fromkeys(("document_id", "content_id", "language"), _KEYWORD)
    properties |= {name: {"type": "text"} for name in ("title", "text")}
    properties |= {"source": {**_KEYWORD, "index": False}, "metadata": {"type": "object", "enabled": False}}
    properties |= {"part": {"type": "integer"}, "parts": {"type": "integer"}, "embedding": vector}
    definition = {"settings": settings, "mappings": {"properties": properties}}
    (folder / "index.json").write_text(json.dumps(definition, indent=1), encoding="utf-8", newline="\n")
    number, file = 0, None
    try:
        for passages, vectors in batches:
            for passage, embedding in zip(passages, vectors, strict=True):
                if file is None or file.tell() > _BULK_BYTES:
                    if file is not None:
                        file.close()
                    number += 1
                    file = (folder / f"bulk-{number:05}.ndjson").open("w", encoding="utf-8", newline="\n")
                document = _payload(passage)
                del document["id"]
                action = {"index": {"_id": _engine_id(passage)}}
                _write_lines(file, [action, {**document, "embedding": embedding.tolist()}])
    finally:
        if file is not None:
            file.close()
    send = "curl -sS -H 'Content-Type: application/json' -X"
    bulk = f'{send} POST "$URL/{TABLE_NAME}/_bulk?filter_path=errors,items.*.error" --data-binary "@$f"'
    return [
        f'{send} PUT $URL/{TABLE_NAME} --data-binary "@{folder}/index.json"',
        # The status is 200 whatever happens to the documents.
        f'for f in "{folder}"/bulk-*.ndjson; do a=$({bulk}); [ "$a" = \'{{"errors":false}}\' ] || echo "$f: $a"; done',
    ]


def _write_lines(file: TextIO, objects: Iterable[dict[str, Any]]) -> None:
    for value in objects:
        file.write(json.dumps(value, ensure_ascii=False) + "\n")


EXPORTERS: dict[str, Callable[[Batches, int, Path], list[str]]] = {
    "qdrant": _to_qdrant,
    "pgvector": _to_pgvector,
    "elasticsearch": _to_elasticsearch,
    "opensearch": _to_opensearch,
    "faiss": _to_faiss,
}
