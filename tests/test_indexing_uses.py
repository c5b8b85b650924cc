"""What is done with an index: exports, audits and the command line, with a real model."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import faiss
import numpy as np
import pytest
from qdrant_client import QdrantClient, models

import isoglot
from isoglot import Collection, Index, IsoglotError
from isoglot.indexing import exporting
from isoglot.indexing.exporting import EXPORTERS, export_index
from isoglot.indexing.passages import Passage
from isoglot.indexing.probes import PROXY_NOTE, audit_inputs
from isoglot.indexing.update import update_index
from tests import command_line
from tests.indexing import write_jsonl
from tests.postgres import postgres
from tests.test_alignment import files_up_to

HOSTILE = {
    "_id": "odd",
    "lang": "en",
    "title": "tab\there",
    "text": "back\\slash\nnew 'line' \\. $1",
    "shelf": "a\tb\\n",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, small_collection: Collection) -> Path:
    documents = [
        {"_id": f"{d.content_id}-{d.language}", "content_id": d.content_id, "lang": d.language, "text": d.text}
        for d in small_collection.documents
    ]
    file = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    return Path(write_jsonl(file, [*documents, HOSTILE]))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, corpus: Path) -> Index:
    folder = tmp_path_factory.mktemp("indexed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOGLOT_CACHE", str(folder / "cache"))
        update_index(str(corpus), folder / "index", [str(tiny_model)])
    return Index(folder / "index")


@pytest.fixture
def question(index: Index, own_cache: Path) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return index.load_encoder().encode(["when does the train leave?"], "query", ["en"])[0]


def nearest_ids(index: Index, vector: np.ndarray[tuple[int], np.dtype[np.float32]]) -> list[str]:
    return [hit.passage.id for hit in index.search_vector(vector, k=5)]


def test_faiss_finds_what_the_index_finds(index: Index, question: np.ndarray, tmp_path: Path) -> None:
    export_index(index, "faiss", tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "passages.jsonl").read_text().splitlines()]
    scores, places = faiss.read_index(str(tmp_path / "out" / "index.faiss")).search(question[None], 5)
    assert [lines[place]["id"] for place in places[0]] == nearest_ids(index, question)
    np.testing.assert_allclose(scores[0], [hit.score for hit in index.search_vector(question, k=5)], rtol=1e-5)


def test_qdrant_finds_what_the_index_finds(index: Index, question: np.ndarray, tmp_path: Path) -> None:
    steps = export_index(index, "qdrant", tmp_path / "out")
    assert str(tmp_path / "out") in steps[0]
    client = QdrantClient(path=str(tmp_path / "out"))
    points = client.query_points("passages", question.tolist(), limit=5).points
    assert [point.payload["id"] for point in points if point.payload] == nearest_ids(index, question)
    german = models.Filter(must=[models.FieldCondition(key="language", match=models.MatchValue(value="de"))])
    assert client.count("passages", count_filter=german).count == index.languages["de"]
    client.close()


def test_pgvector_gets_a_script_whose_copy_can_be_read_back(index: Index, tmp_path: Path) -> None:
    export_index(index, "pgvector", tmp_path / "out")
    script = (tmp_path / "out" / "passages.sql").read_text()
    head, rest = script.split("FROM stdin;\n")
    rows, tail = rest.split("\n\\.\n")
    assert "embedding vector(32)" in head
    assert "USING hnsw (embedding vector_cosine_ops)" in tail
    cells = [row.split("\t") for row in rows.split("\n")]
    assert len(cells) == len(index)
    assert {len(row) for row in cells} == {11}
    odd = next(row for row in cells if row[0] == "odd#1")
    assert odd[2] == "\\N"
    assert odd[4] == "tab\\there"
    assert odd[5] == "back\\\\slash\\nnew 'line' \\\\. $1"
    assert json.loads(odd[7].replace("\\\\", "\\")) == {"shelf": "a\tb\\n"}
    assert len(json.loads(odd[10])) == 32


@pytest.mark.process
def test_pgvector_finds_what_the_index_finds(index: Index, question: np.ndarray, tmp_path: Path) -> None:
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not here: pip install '.[dev]'")
    export_index(index, "pgvector", tmp_path / "out")
    with postgres() as server:
        server.load(tmp_path / "out" / "passages.sql")
        with psycopg.connect(server.address) as connection:
            nearest = "SELECT id FROM passages ORDER BY embedding <=> %s::vector LIMIT 5"
            assert [row[0] for row in connection.execute(nearest, [str(question.tolist())])] == nearest_ids(
                index, question
            )
            odd = connection.execute("SELECT title, text, metadata FROM passages WHERE id = 'odd#1'").fetchone()
    assert odd == ("tab\there", "back\\slash\nnew 'line' \\. $1", {"shelf": "a\tb\\n"})


@pytest.mark.process
def test_pgvector_loads_vectors_of_more_dimensions_than_its_index_takes_as_they_are(tmp_path: Path) -> None:
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not here: pip install '.[dev]'")
    random = np.random.default_rng(0)
    with postgres() as server, psycopg.connect(server.address, autocommit=True) as connection:
        for dimension, is_indexed in ((2_000, True), (2_001, True), (4_000, True), (4_001, False)):
            folder = tmp_path / str(dimension)
            folder.mkdir()
            vectors = random.normal(size=(5, dimension)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            passages = [passage(f"p{number}") for number in range(4)] + [passage(random.bytes(2000).hex())]
            steps = EXPORTERS["pgvector"](iter([(passages, vectors)]), dimension, folder)
            server.load(folder / "passages.sql")
            connection.execute("SET enable_seqscan = off")
            connection.execute(f"PREPARE nearest AS {steps[1]}")
            rows = connection.execute(f"EXECUTE nearest('{vectors[3].tolist()}')").fetchall()
            assert rows[0][0] == "p3#1"
            np.testing.assert_allclose([score for _, score in rows], np.sort(vectors @ vectors[3])[::-1], atol=1e-3)
            plan = str(connection.execute(f"EXPLAIN EXECUTE nearest('{vectors[3].tolist()}')").fetchall())
            assert ("Index Scan using passages_embedding_idx" in plan) is is_indexed, plan
            assert ("searches read all" in steps[-1]) is not is_indexed
            connection.execute("DEALLOCATE nearest; DROP TABLE passages")


def passage(document_id: str, **fields: Any) -> Passage:
    return Passage(
        id=f"{document_id}#1",
        document_id=document_id,
        **{"content_id": None, "language": "en", "title": "", "text": "snow", **fields},
    )


@pytest.mark.parametrize(("engine", "kind"), [("elasticsearch", "dense_vector"), ("opensearch", "knn_vector")])
def test_bulk_requests_hold_an_action_and_a_document_each(
    index: Index, tmp_path: Path, engine: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isoglot.indexing.exporting._BULK_BYTES", 3000)
    export_index(index, engine, tmp_path / "out")
    mapping = json.loads((tmp_path / "out" / "index.json").read_text())["mappings"]["properties"]
    assert mapping["embedding"]["type"] == kind
    files = sorted((tmp_path / "out").glob("bulk-*.ndjson"))
    assert len(files) > 1
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    actions, documents = lines[::2], lines[1::2]
    assert {action["index"]["_id"] for action in actions} == {passage.id for passage in index.passages(limit=100)}
    assert all(set(document) == set(mapping) for document in documents)


@pytest.mark.parametrize("engine", EXPORTERS)
def test_an_export_that_does_not_fit_on_the_disk_is_told_and_leaves_nothing(
    index: Index, tmp_path: Path, engine: str
) -> None:
    export_index(index, engine, tmp_path / "whole")
    largest = max(path.stat().st_size for path in (tmp_path / "whole").rglob("*") if path.is_file())
    with files_up_to(largest - 1), pytest.raises(IsoglotError, match="out: cannot write: "):
        export_index(index, engine, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


def test_the_end_of_a_faiss_index_that_does_not_fit_is_told(index: Index, tmp_path: Path) -> None:
    passages = [hit.passage for hit in index.search_vector(np.ones(index.snapshot().models[0].dimension), k=5)]
    with files_up_to(5 * 4000), pytest.raises(OSError, match="File too large"):
        EXPORTERS["faiss"](iter([(passages, np.zeros((5, 1000), dtype=np.float32))]), 1000, tmp_path)


@pytest.mark.process
@pytest.mark.parametrize("engine", ["elasticsearch", "opensearch"])
def test_what_is_longer_than_an_engine_takes_is_loaded_and_what_it_refuses_is_reported(
    engine: str, tmp_path: Path
) -> None:
    long = [passage("d" * 513), passage("é" * 40_000, source="s" * 40_000, content_id="c" * 40_000)]
    vectors = np.eye(2, 32, dtype=np.float32)
    folder = tmp_path / "a folder"
    folder.mkdir()
    steps = EXPORTERS[engine](iter([(long, vectors)]), 32, folder)
    with bulk_engine(max_id_bytes=512) as (url, loaded):
        assert run_steps(steps, url) == '{"acknowledged":true}'
        assert [document["document_id"] for document in loaded.values()] == [one.document_id for one in long]
    with bulk_engine(max_id_bytes=8) as (url, loaded):
        assert "bulk-00001.ndjson: " in (refused := run_steps(steps, url))
        assert "is too long" in refused
    assert "bulk-00001.ndjson: " in run_steps(steps, url)  # nobody answers any more


def run_steps(steps: Sequence[str], url: str) -> str:
    commands = "\n".join(steps)
    done = subprocess.run(
        ["bash", "-c", commands], env={**os.environ, "URL": url}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.stdout.decode()


@contextmanager
def bulk_engine(max_id_bytes: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """A server that takes bulk requests with the limits of Elasticsearch: its address, and what it has loaded."""
    loaded: dict[str, Any] = {}
    fields: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def answer(self, answered: Any) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answered, separators=(",", ":")).encode())

        def body(self) -> list[Any]:
            return self.rfile.read(int(self.headers["Content-Length"])).splitlines()

        def do_PUT(self) -> None:
            fields.update(json.loads(b"".join(self.body()))["mappings"]["properties"])
            self.answer({"acknowledged": True})

        def do_POST(self) -> None:
            lines = list(map(json.loads, self.body()))
            errors = []
            for action, document in zip(lines[::2], lines[1::2], strict=True):
                identity = action["index"]["_id"]
                immense = any(
                    len(value.encode()) > 32_766 and len(value) <= fields[name].get("ignore_above", len(value))
                    for name, value in document.items()
                    if fields[name]["type"] == "keyword" and value is not None
                )
                if immense or len(identity.encode()) > max_id_bytes:
                    errors.append({"index": {"error": {"reason": "immense term" if immense else "id is too long"}}})
                else:
                    loaded[identity] = document
            self.answer({"errors": True, "items": errors} if errors else {"errors": False})

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}", loaded
        server.shutdown()


def test_exports_that_cannot_be_are_refused(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IsoglotError, match="unknown engine 'solr'; known are qdrant, pgvector"):
        export_index(index, "solr", tmp_path / "out")
    monkeypatch.setitem(exporting._MAX_DIMENSIONS, "opensearch", 31)
    with pytest.raises(IsoglotError, match="opensearch takes vectors of at most 31 dimensions, and those"):
        export_index(index, "opensearch", tmp_path / "out")
    (tmp_path / "out").mkdir()
    with pytest.raises(IsoglotError, match="exists already"):
        export_index(index, "faiss", tmp_path / "out")
    for _ in range(2):
        export_index(index, "faiss", tmp_path / "out", force=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(IsoglotError, match="--force deletes no other"):
        export_index(index, "faiss", tmp_path / "mine", force=True)
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_an_index_is_audited_with_probes_that_are_called_a_proxy(index: Index, own_cache: Path) -> None:
    collection, retriever = audit_inputs(index)
    assert collection.notes == (PROXY_NOTE,)
    assert {query.query_id for query in collection.queries} == {
        document.content_id for document in collection.documents
    }
    result = isoglot.audit(retriever, collection, pools=[["en", "de"]])
    assert result.model.how == "vectors stored in an index, by inner product"
    assert result.scenarios[0].documents == 13


def test_an_audit_of_an_index_is_that_of_its_model(
    index: Index, tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    write_jsonl(
        tmp_path / "queries.jsonl",
        [
            {"_id": f"{q.query_id}-{q.language}", "query_id": q.query_id, "lang": q.language, "text": q.text}
            for q in small_collection.queries
        ],
    )
    (tmp_path / "qrels").mkdir()
    lines = [f"q-{d.content_id}-en\t{d.content_id}-en\t1" for d in small_collection.documents if d.language == "en"]
    (tmp_path / "qrels" / "test.tsv").write_text("\n".join(lines))
    collection, retriever = audit_inputs(index, data=f"folder:{tmp_path}")
    mine = isoglot.audit(retriever, collection, pools=[["de", "ru"]])
    usual = isoglot.audit(str(tiny_model), small_collection, pools=[["de", "ru"]])
    assert str([scenario.measures for scenario in mine.scenarios]) == str(
        [scenario.measures for scenario in usual.scenarios]
    )


def test_questions_for_documents_in_several_passages_are_left_out_with_a_note(
    tmp_path: Path, tiny_model: Path, own_cache: Path
) -> None:
    long = {"_id": "long", "lang": "en", "text": "the train leaves at nine. " * 20}
    update_index(
        write_jsonl(tmp_path / "c.jsonl", [long, {"_id": "short", "lang": "en", "text": "snow covers the road"}]),
        tmp_path / "index",
        [str(tiny_model)],
    )
    queries = [{"_id": name, "lang": "en", "text": name} for name in ("train", "snow", "part")]
    write_jsonl(tmp_path / "queries.jsonl", queries)
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("train\tlong\t1\nsnow\tshort\t1\npart\tlong#2\t1\n")
    collection, _ = audit_inputs(Index(tmp_path / "index"), data=f"folder:{tmp_path}")
    assert collection.golds == {"snow": ("short#1",), "part": ("long#2",)}
    assert collection.notes[0].startswith("1 of 3 questions were left out")


def run(*arguments: object) -> str:
    done = command_line.isoglot(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_line_indexes_describes_searches_and_deletes(
    tmp_path: Path, corpus: Path, tiny_model: Path, own_cache: Path
) -> None:
    folder = tmp_path / "index"
    made = run("index", corpus, "-m", tiny_model, "-o", folder)
    assert made.splitlines()[0] == "documents: 19 added"
    assert made.splitlines()[1].startswith(f"{folder}: 19 passages (en 7, de 6, ru 6)")
    assert "exact search" in made
    printed = run("search", folder, "when does the train leave?", "-k", 4, "--balance", "equal", "--explain", "--json")
    hits = json.loads(printed)
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4]
    assert {hit["passage"]["language"] for hit in hits[:3]} == {"de", "en", "ru"}
    assert set(hits[0]["explanation"]) == {
        "plain_rank",
        "language_rank",
        "language_mean",
        "deviations",
        "word_rank",
    }
    assert "the train leaves at nine" in run("search", folder, "train", "-k", 19)
    scaled = ("search", folder, "train", "--language", "en", "--balance", "scaled", "--scaled-k", 7)
    note = "isoglot: Scaled balance, languages with fewer than 7 documents: {}. What is usual"
    assert command_line.isoglot(*scaled).stderr.startswith(note.format("de (6), ru (6)"))
    assert command_line.isoglot(*scaled, "--languages", "ru,en").stderr.startswith(note.format("ru (6)"))
    assert command_line.isoglot(*scaled, "--languages", "ru").stderr == ""
    found = command_line.isoglot(*scaled, "--prefer-query-language", 9, "--json")
    languages = [hit["passage"]["language"] for hit in json.loads(found.stdout)]
    assert languages[0] == "en"
    assert languages == sorted(languages, key=lambda tag: tag != "en")
    assert run("index", "--delete", "odd", "-o", folder) == "deleted 1 passages of 1 documents\n"
    state = json.loads(run("index", "-o", folder, "--json"))
    assert (state["passages"], state["languages"]) == (18, {"de": 6, "en": 6, "ru": 6})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["index", "nothing", "-o", "x"], "nothing: no such file or folder"),
        (["index", "-m", "e5-small-q4", "-o", "x"], "name the corpus"),
        (["search", "nothing", "a question"], "nothing: no index here"),
        (["export", "nothing", "--to", "faiss", "-o", "x"], "nothing: no index here"),
    ],
)
def test_wrong_commands_are_reported_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command_line.isoglot(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
