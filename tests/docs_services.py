"""The servers that pages of the documentation ask, started for the page; each speaks the real protocol.

Every store holds the 320 documents of ``mini@demo`` with their vectors of ``e5-small-q4``, twice: as ``docs``, with the
language in ``lang``, and as ``passages``, with it in ``language``, as `isoglot export` writes them. Vectors come from
the cache, so that only the first run of a machine encodes.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from isoglot import Document, load_collection, model_path
from isoglot.encoders.cache import VectorCache
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder
from tests.hub_server import documented_hub

MODEL = "e5-small-q4"


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


@cache
def model_folder() -> str:
    return str(model_path(MODEL))


@cache
def encoder() -> Encoder:
    return load_encoder(model_folder(), device="cpu")


@cache
def documents() -> tuple[tuple[Document, ...], np.ndarray]:
    """The documents of ``mini@demo`` and their vectors (n, d)."""
    found = load_collection("mini@demo").documents
    return tuple(found), encoder().encode([d.text for d in found], "document", [d.language for d in found])


def fields(document: Document, language_field: str) -> dict[str, str]:
    """What a store holds of a document beside its vector."""
    return {language_field: document.language, "content_id": document.content_id, "text": document.text}


@contextmanager
def corpus() -> Iterator[dict[str, str]]:
    """A file ``corpus.jsonl``, the reader's own: the documents of ``mini@demo``."""
    lines = (json.dumps({"text": d.text, "lang": d.language}) for d in load_collection("mini@demo").documents)
    Path("corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    yield {}


@contextmanager
def openai() -> Iterator[dict[str, str]]:
    """A server of OpenAI's protocol with the model ``e5-small-q4``; isoglot has kept nothing yet, so texts are sent."""
    from tests.embedding_protocols import PROTOCOLS, body
    from tests.llm_server import Reply
    from tests.llm_server import serving as llm_serving

    protocol, lock = PROTOCOLS["openai"], threading.Lock()
    kept = VectorCache({"documentation": MODEL})
    model_folder()  # which lies in the cache

    def vectors(texts: list[str]) -> list[list[float]]:
        with lock:
            known = kept.get(texts)
            missing = [text for text in dict.fromkeys(texts) if text not in known]
            for prompt, role in (("query: ", "query"), ("passage: ", "document")):
                new = [text for text in missing if text.startswith(prompt)]
                if new:
                    found = encoder().encode([t.removeprefix(prompt) for t in new], role, [""] * len(new), keep=False)
                    kept.put(new, found)
                    known |= dict(zip(new, found, strict=True))
        return [known[text].tolist() for text in texts]

    def answer(texts: list[str]) -> Reply:
        tokens = sum(len(text.encode()) for text in texts) // 4  # about as many
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return body(protocol.answer(vectors(texts)) | {"usage": usage})

    with (
        llm_serving(answer, posts=[protocol.path]) as server,
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("ISOGLOT_CACHE", folder)
        patch.setenv("OPENAI_BASE_URL", server.url)
        patch.setenv("OPENAI_API_KEY", "of-the-tests")
        yield {"http://localhost:8000/v1": server.url}


@contextmanager
def qdrant() -> Iterator[dict[str, str]]:
    """A folder of Qdrant's local mode in place of a server."""
    from qdrant_client import QdrantClient, models

    found, vectors = documents()
    config = models.VectorParams(size=vectors.shape[1], distance=models.Distance.COSINE)
    with tempfile.TemporaryDirectory() as folder:
        with closing(QdrantClient(path=folder)) as client:
            for name, language_field in (("docs", "lang"), ("passages", "language")):
                client.create_collection(name, vectors_config=config)
                points = [
                    models.PointStruct(id=at, vector=vector.tolist(), payload=fields(document, language_field))
                    for at, (document, vector) in enumerate(zip(found, vectors, strict=True))
                ]
                client.upsert(name, points)
        server = "http://localhost:6333"
        yield {f'QdrantClient("{server}")': f'QdrantClient(path="{folder}")', server: folder}


@contextmanager
def pgvector() -> Iterator[dict[str, str]]:
    """A database ``app`` of PostgreSQL; the page is skipped where none starts."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not here: pip install '.[dev]'")
    from tests.postgres import postgres

    found, vectors = documents()
    with postgres() as server, pytest.MonkeyPatch.context() as patch:
        with psycopg.connect(server.address, autocommit=True) as connection:
            connection.execute("CREATE DATABASE app")
        settings = dict(part.split("=") for part in server.address.split())
        patch.setenv("PGHOST", settings["host"])
        patch.setenv("PGUSER", settings["user"])
        patch.setenv("PATH", str(server.psql.parent), prepend=os.pathsep)
        with psycopg.connect(dbname="app", autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
            for table, language in (("docs", "lang"), ("passages", "language")):
                columns = f"id text PRIMARY KEY, {language} text, text text, embedding vector({vectors.shape[1]})"
                connection.execute(f"CREATE TABLE {table} ({columns})")
                with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                    for d, vector in zip(found, vectors, strict=True):
                        copy.write_row((f"{d.content_id}@{d.language}", d.language, d.text, str(vector.tolist())))
        yield {"postgresql://localhost/app": "postgresql:///app"}


@contextmanager
def elasticsearch() -> Iterator[dict[str, str]]:
    """The server of `tests.elastic_server`."""
    from tests.elastic_server import Engine, elastic_server

    found, vectors = documents()
    engine = Engine()
    for index, language_field in (("docs", "lang"), ("passages", "language")):
        properties = {language_field: {"type": "keyword"}, "embedding": {"type": "dense_vector"}}
        engine.indexes[index] = {
            "mappings": {"properties": properties},
            "settings": {"index": {"number_of_shards": "1"}},
            "documents": {
                f"{document.content_id}@{document.language}": fields(document, language_field)
                | {"embedding": vector.tolist()}
                for document, vector in zip(found, vectors, strict=True)
            },
        }
    with elastic_server(engine) as address:
        yield {"http://localhost:9200": address}


@contextmanager
def lancedb() -> Iterator[dict[str, str]]:
    """A database in the folder ``my-lancedb``."""
    import lancedb

    found, vectors = documents()
    database = lancedb.connect("my-lancedb")
    for table, language_field in (("docs", "lang"), ("passages", "language")):
        rows = [
            {"id": f"{d.content_id}@{d.language}", "vector": vector} | fields(d, language_field)
            for d, vector in zip(found, vectors, strict=True)
        ]
        database.create_table(table, rows)
    yield {}


@contextmanager
def faiss() -> Iterator[dict[str, str]]:
    """An index ``docs.faiss`` and the ids and languages of its vectors."""
    import faiss

    found, vectors = documents()
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, "docs.faiss")
    lines = [f"{document.content_id}@{document.language}" for document in found]
    Path("docs.ids.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    yield {}


SERVICES: dict[str, Callable[[], AbstractContextManager[dict[str, str]]]] = {
    "corpus": corpus,
    "elasticsearch": elasticsearch,
    "faiss": faiss,
    "hub": documented_hub,
    "lancedb": lancedb,
    "openai": openai,
    "pgvector": pgvector,
    "qdrant": qdrant,
    "serve": serve,
}
"""Name in a page's head -> what starts it; yields text in commands -> what stands for it here."""
