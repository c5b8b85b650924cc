"""`isoglot audit` and `isoglot mend` of the stores that people have, in the stores themselves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from isoglot import Transform
from isoglot.stores.base import Fields, Store
from isoglot.stores.registry import open_store
from tests.command_line import Done, isoglot
from tests.forked import Forked
from tests.postgres import postgres
from tests.stores import DIMENSION, Corpus, corpus

LANG = ("--language-field", "lang")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transforms are written to the working folder."""
    monkeypatch.chdir(tmp_path)


# One class for each kind: how its own client fills it, dumps all of it, and searches it.


class Qdrant:
    """A folder of the local mode, whose points have an unnamed vector."""

    target = "vector_mended"

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
            points = client.scroll("docs", limit=10_000, with_vectors=True)[0]
            config = client.get_collection("docs").config.params.model_dump()
            vectors = config.pop("vectors")
            names = sorted(vectors) if "size" not in vectors else [""]
            marks = client.get_collection("docs").config.metadata or {}
            return (
                names,
                marks,
                [(p.id, p.payload, p.vector if isinstance(p.vector, list) else p.vector[""]) for p in points],
            )

    def search(self, target: str, vector: np.ndarray, limit: int) -> list[int]:
        with self.client() as client:
            return [int(p.id) for p in client.query_points("docs", vector.tolist(), using=target, limit=limit).points]

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


Kind = Any


@pytest.fixture(scope="module")
def documents() -> Corpus:
    return corpus()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    pytest.importorskip("psycopg", reason="psycopg is not here: pip install '.[dev]'")
    with postgres() as started:
        yield started.address


@pytest.fixture(params=["qdrant", "pgvector"])
def store(request: pytest.FixtureRequest, tmp_path: Path, documents: Corpus) -> Kind:
    if request.param == "pgvector":
        return Pgvector(request.getfixturevalue("server"), documents)
    return {"qdrant": Qdrant}[request.param](tmp_path, documents)


def ranks(store: Kind, target: str, vectors: np.ndarray) -> np.ndarray:
    """The rank of content 0's English twin for its document in Chinese, and so on for each content."""
    found = []
    for content in range(20):
        order = store.search(target, vectors[3 * content + 1], 240)
        found.append(order.index(3 * content) + 1)
    return np.array(found)


def plain(name: str) -> str:
    """What the own search calls the vectors as they were."""
    return name.removesuffix("_mended").removeprefix("vector") if name == "vector_mended" else name[: -len("_mended")]


def test_a_store_is_audited_mended_searched_and_left_as_it_was(store: Kind, documents: Corpus) -> None:
    before = store.dump()
    audited = json.loads(isoglot("audit", store.named, *LANG, "--json").stdout)
    assert audited["sampled"] == {"en": 80, "sw": 80, "zh": 80}
    assert audited["self_retrieval"] == 100
    assert min(entry["lift"] for entry in audited["lift"].values()) > 2

    dry = isoglot("mend", store.named, *LANG, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "would write 240 changed vectors to" in dry.stdout
    assert store.dump() == before
    assert list(Path().glob("*.transform")) == []

    done = isoglot("mend", store.named, *LANG)
    assert done.returncode == 0, done.stderr
    assert f"{store.target} has 240 changed vectors" in done.stdout
    transform = Transform.load(f"{store.target}.transform")
    changed = transform.queries(documents.vectors, documents.languages)
    old, new = ranks(store, plain(store.target), documents.vectors), ranks(store, store.target, changed)
    assert np.median(old) > 40
    assert np.median(new) <= 3

    again = isoglot("mend", store.named, *LANG)
    assert "240 were there from before" in again.stdout
    undone = isoglot("mend", store.named, *LANG, "--undo")
    assert undone.returncode == 0, undone.stderr
    assert store.dump() == before
    assert "there is no" in isoglot("mend", store.named, *LANG, "--undo").stderr


def test_a_tenth_without_a_language_is_counted_and_changed_by_what_languages_share(store: Kind) -> None:
    store.lose_languages(24)
    audited = isoglot("audit", store.named, *LANG)
    assert "24 documents have no known language" in audited.stdout
    mended = isoglot("mend", store.named, *LANG)
    assert mended.returncode == 0, mended.stderr
    assert "24 documents have no known language in the language field: changed by what all languages" in mended.stdout
    assert "has 240 changed vectors" in mended.stdout


def _killed_between_blocks(named: str) -> None:
    from isoglot.alignment import mending
    from isoglot.stores import base, pgvector, qdrant

    for module in (base, pgvector, qdrant):
        module.BLOCK = 50
    kind = {"qdrant": qdrant.QdrantStore, "pgvector": pgvector.PgvectorStore}[named.partition(":")[0]]
    write, blocks = kind.write, []

    def write_two(self: Store, target: str, block: Any, vectors: Any) -> None:
        if len(blocks) == 2:
            os._exit(9)
        blocks.append(block)
        write(self, target, block, vectors)

    kind.write = write_two
    mending.mend(named, Fields("lang"))


@pytest.mark.process
def test_a_mend_that_was_killed_between_two_blocks_goes_on(store: Kind) -> None:
    before = store.dump()
    with Forked(_killed_between_blocks, store.named) as killed:
        assert killed.wait() == 9
    first = Path(f"{store.target}.transform", "transform.json").read_bytes()
    done = isoglot("mend", store.named, *LANG)
    assert done.returncode == 0, done.stderr
    assert "has 240 changed vectors, of which 100 were there from before" in done.stdout
    assert Path(f"{store.target}.transform", "transform.json").read_bytes() == first
    assert isoglot("mend", store.named, *LANG, "--undo").returncode == 0
    assert store.dump() == before


def refused(done: Done, message: str, code: int = 2) -> None:
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert message in done.stderr


def test_what_is_not_ours_is_neither_written_nor_removed(store: Kind) -> None:
    vector = ("--vector-field", plain(store.target))
    with closing(open_store(store.named, Fields("lang"))) as opened:
        opened.create("theirs", "somebody else's")
    before = store.dump()
    refused(isoglot("mend", store.named, *LANG, *vector, "--into", "theirs"), "theirs is not isoglot's; choose another")
    refused(isoglot("mend", store.named, *LANG, *vector, "--into", "theirs", "--undo"), "is not isoglot's, and stays")
    assert store.dump() == before
