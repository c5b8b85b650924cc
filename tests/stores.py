"""A small corpus of vectors with a language bias, and each kind of store as its own client sees it."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import lancedb
import numpy as np
from qdrant_client import QdrantClient, models

from tests.elastic_server import Engine

LANGUAGES = ("en", "zh", "sw")
DIMENSION = 24


@dataclass(frozen=True)
class Corpus:
    """Translations side by side: document i is the content i // 3 in the language i % 3.

    Attributes:
        vectors: (n, d) unit vectors, each the sum of a content, a language and noise.
        languages: The language of each.
        contents: The content id of each.
    """

    vectors: np.ndarray
    languages: list[str]
    contents: list[str]


def corpus(contents: int = 80, bias: float = 2.0, seed: int = 0) -> Corpus:
    """Make one whose languages lie apart by `bias` times the length of a content."""
    generator = np.random.default_rng(seed)
    meanings = generator.normal(size=(contents, DIMENSION))
    offsets = bias * generator.normal(size=(len(LANGUAGES), DIMENSION))
    noise = 0.1 * generator.normal(size=(contents, len(LANGUAGES), DIMENSION))
    vectors = (meanings[:, None] + offsets[None] + noise).reshape(-1, DIMENSION).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Corpus(vectors, list(LANGUAGES) * contents, [f"c{at // 3}" for at in range(len(vectors))])


# One class for each kind: how its own client fills it, dumps all of it, and searches it.


class Qdrant:
    """A folder of the local mode, whose points have an unnamed vector."""

    target = "docs_mended"

    def __init__(self, folder: Path, documents: Corpus) -> None:
        self.folder, self.named = folder / "qdrant", f"qdrant:{folder}/qdrant/docs"
        with self.client() as client:
            config = models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)
            client.create_collection("docs", vectors_config=config)
            points = [
                models.PointStruct(id=at, vector=vector.tolist(), payload={"lang": tag, "title": f"document {at}"})
                for at, (vector, tag) in enumerate(zip(documents.vectors, documents.languages, strict=True))
            ]
            client.upsert("docs", points)

    def client(self) -> Any:
        return closing(QdrantClient(path=str(self.folder)))

    def dump(self) -> object:
        with self.client() as client:
            names = sorted(found.name for found in client.get_collections().collections)
            return [(name, client.scroll(name, limit=10_000, with_vectors=True)[0]) for name in names]

    def search(self, target: str, vector: np.ndarray, limit: int) -> list[int]:
        with self.client() as client:
            return [int(p.id) for p in client.query_points(target, vector.tolist(), limit=limit).points]

    def lose_languages(self, count: int) -> None:
        with self.client() as client:
            client.delete_payload("docs", ["lang"], points=list(range(count)))


class Pgvector:
    """A table of PostgreSQL."""

    target = "embedding_mended"

    def __init__(self, address: str, documents: Corpus) -> None:
        import psycopg

        settings = dict(part.split("=") for part in address.split())
        self.address = address
        self.named = f"pgvector:postgresql:///{settings['dbname']}/docs?host={settings['host']}&user=postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute("DROP TABLE IF EXISTS docs")
            connection.execute(
                f"CREATE TABLE docs (id bigint PRIMARY KEY, lang text, title text, embedding vector({DIMENSION}))"
            )
            with connection.cursor().copy("COPY docs FROM STDIN") as copy:
                for at, (vector, tag) in enumerate(zip(documents.vectors, documents.languages, strict=True)):
                    copy.write_row((at, tag, f"document {at}", str(vector.tolist())))

    def _rows(self, statement: str, *values: object) -> list[Any]:
        import psycopg

        with psycopg.connect(self.address, autocommit=True) as connection:
            found = connection.execute(statement, values)  # type: ignore[arg-type]
            return found.fetchall() if found.description else []

    def dump(self) -> object:
        columns = self._rows("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'docs'")
        return sorted(columns), self._rows("SELECT * FROM docs ORDER BY id")

    def search(self, target: str, vector: np.ndarray, limit: int) -> list[int]:
        statement = f"SELECT id FROM docs ORDER BY {target} <=> %s::vector LIMIT %s"
        return [int(row[0]) for row in self._rows(statement, str(vector.tolist()), limit)]

    def lose_languages(self, count: int) -> None:
        self._rows("UPDATE docs SET lang = NULL WHERE id < %s", count)


class Elasticsearch:
    """An index of the local server that speaks what the two engines document."""

    target = "docs_mended"

    def __init__(self, engine: Engine, address: str, documents: Corpus) -> None:
        self.engine, self.named = engine, f"elasticsearch:{address}/docs"
        kind = "knn_vector" if engine.distribution == "opensearch" else "dense_vector"
        mappings = {"properties": {"lang": {"type": "keyword"}, "embedding": {"type": kind}}, "_meta": {"team": "a"}}
        settings = {"index": {"number_of_shards": "1", "uuid": "x", "default_pipeline": "embed", "version": {"a": "1"}}}
        engine.indexes["docs"] = {"mappings": mappings, "settings": settings, "documents": {}}
        for at, (vector, tag) in enumerate(zip(documents.vectors, documents.languages, strict=True)):
            document = {"lang": tag, "title": f"document {at}", "embedding": vector.tolist()}
            engine.indexes["docs"]["documents"][str(at)] = document

    def dump(self) -> object:
        return json.dumps(self.engine.indexes)

    def search(self, target: str, vector: np.ndarray, limit: int) -> list[int]:
        documents = self.engine.indexes[target]["documents"]
        vectors = np.array([document["embedding"] for document in documents.values()])
        keys = list(documents)
        return [int(keys[at]) for at in np.argsort(-vectors @ vector)[:limit]]

    def lose_languages(self, count: int) -> None:
        for at in range(count):
            del self.engine.indexes["docs"]["documents"][str(at)]["lang"]


class Lance:
    """A table of LanceDB."""

    target = "docs_mended"

    def __init__(self, folder: Path, documents: Corpus) -> None:
        self.folder, self.named = folder / "lance", f"lancedb:{folder}/lance/docs"
        rows = [
            {"id": at, "lang": tag, "title": f"document {at}", "vector": vector}
            for at, (vector, tag) in enumerate(zip(documents.vectors, documents.languages, strict=True))
        ]
        lancedb.connect(self.folder).create_table("docs", rows)

    def dump(self) -> object:
        database = lancedb.connect(self.folder)
        return {name: database.open_table(name).to_arrow().to_pylist() for name in database.list_tables().tables}

    def search(self, target: str, vector: np.ndarray, limit: int) -> list[int]:
        table = lancedb.connect(self.folder).open_table(target)
        return [row["id"] for row in table.search(vector).distance_type("cosine").limit(limit).to_list()]

    def lose_languages(self, count: int) -> None:
        lancedb.connect(self.folder).open_table("docs").update(where=f"id < {count}", values_sql={"lang": "NULL"})


class Faiss:
    """An index file with ids of its own, and the file of ids and languages."""

    def __init__(self, folder: Path, documents: Corpus) -> None:
        self.folder, self.path = folder / "faiss", folder / "faiss" / "docs.faiss"
        self.named, self.target = f"faiss:{self.path}", str(self.folder / "docs_mended.faiss")
        self.folder.mkdir()
        index = faiss.IndexIDMap(faiss.index_factory(DIMENSION, "IVF4,Flat", faiss.METRIC_INNER_PRODUCT))
        index.train(documents.vectors)
        index.add_with_ids(documents.vectors, np.arange(1000, 1000 + len(documents.vectors)))
        faiss.extract_index_ivf(index).nprobe = 4
        faiss.write_index(index, str(self.path))
        lines = [f"{at}@{tag}" for at, tag in enumerate(documents.languages)]
        (self.folder / "docs.ids.txt").write_text("\n".join(lines) + "\n")

    def dump(self) -> object:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def search(self, target: str, vector: np.ndarray, limit: int) -> list[int]:
        index = faiss.read_index(target)
        faiss.extract_index_ivf(index).nprobe = 4
        return [int(key) - 1000 for key in index.search(vector[None], limit)[1][0]]

    def lose_languages(self, count: int) -> None:
        path = self.folder / "docs.ids.txt"
        lines = [f"{at}@" if at < count else line for at, line in enumerate(path.read_text().splitlines())]
        path.write_text("\n".join(lines) + "\n")
