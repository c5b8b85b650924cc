"""`isoglot audit` and `isoglot mend` of the stores that people have, in the stores themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from isoglot import Transform
from isoglot.stores.base import Fields
from isoglot.stores.registry import open_store
from tests.command_line import Done, isoglot
from tests.elastic_server import Engine, basic, elastic_server
from tests.forked import Forked
from tests.killed_mends import mend_two_blocks
from tests.postgres import postgres
from tests.stores import DIMENSION, Corpus, Elasticsearch, Faiss, Lance, Pgvector, Qdrant, corpus

LANG = ("--language-field", "lang")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transforms are written to the working folder."""
    monkeypatch.chdir(tmp_path)


Kind = Any


@pytest.fixture(scope="module")
def documents() -> Corpus:
    return corpus()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    pytest.importorskip("psycopg", reason="psycopg is not here: pip install '.[dev]'")
    with postgres() as started:
        yield started.address


ENGINES = {
    "elasticsearch": Engine(),
    "elasticsearch-8": Engine(version="8.19.0"),
    "opensearch": Engine("opensearch", "3.1.0"),
}


@pytest.fixture(params=["qdrant", pytest.param("pgvector", marks=pytest.mark.process), "lancedb", "faiss", *ENGINES])
def store(request: pytest.FixtureRequest, tmp_path: Path, documents: Corpus) -> Iterator[Kind]:
    if request.param in ENGINES:
        engine = replace(ENGINES[request.param], indexes={}, scrolls={})
        with elastic_server(engine) as address:
            yield Elasticsearch(engine, address, documents)
    elif request.param == "pgvector":
        yield Pgvector(request.getfixturevalue("server"), documents)
    else:
        yield {"qdrant": Qdrant, "lancedb": Lance, "faiss": Faiss}[request.param](tmp_path, documents)


def ranks(store: Kind, target: str, vectors: np.ndarray) -> np.ndarray:
    """The rank of content 0's English twin for its document in Chinese, and so on for each content."""
    found = []
    for content in range(20):
        order = store.search(target, vectors[3 * content + 1], 240)
        found.append(order.index(3 * content) + 1)
    return np.array(found)


def plain(name: str) -> str:
    """What the own search calls the vectors as they were."""
    return name.removesuffix("_mended").replace("docs_mended.", "docs.")


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
    transform = Transform.load(f"{Path(store.target).name}.transform")
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


@pytest.mark.process
def test_a_mend_that_was_killed_between_two_blocks_goes_on(store: Kind) -> None:
    before = store.dump()
    with Forked(mend_two_blocks, store.named) as killed:
        assert killed.wait() == 9
    transform = Path(f"{Path(store.target).name}.transform", "transform.json")
    first = transform.read_bytes()
    done = isoglot("mend", store.named, *LANG)
    assert done.returncode == 0, done.stderr
    there = "" if isinstance(store, Faiss) else ", of which 100 were there from before"
    assert f"has 240 changed vectors{there}\n" in done.stdout
    assert transform.read_bytes() == first
    assert isoglot("mend", store.named, *LANG, "--undo").returncode == 0
    assert store.dump() == before


def refused(done: Done, message: str, code: int = 2) -> None:
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert message in done.stderr


def test_what_is_not_ours_is_neither_written_nor_removed(store: Kind) -> None:
    theirs = str(Path(store.target).with_stem("theirs"))
    vector = ("--vector-field", "embedding") if isinstance(store, Pgvector) else ()
    options = (*LANG, *vector, "--into", theirs)
    with closing(open_store(store.named, Fields("lang"))) as opened:
        opened.create(theirs, "somebody else's")
    before = store.dump()
    refused(isoglot("mend", store.named, *options), "is not isoglot's; choose another name, --into")
    refused(isoglot("mend", store.named, *options, "--undo"), "is not isoglot's, and stays")
    assert store.dump() == before


def test_a_mend_whose_store_goes_away_in_the_middle_goes_on(documents: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isoglot.stores.elasticsearch.BLOCK", 50)
    engine = Engine(fail_after=2)
    with elastic_server(engine) as address:
        store = Elasticsearch(engine, address, documents)
        gone = isoglot("mend", store.named, *LANG)
        assert (gone.returncode, "cannot be reached" in gone.stderr, "Traceback" in gone.stderr) == (2, True, False)
        engine.fail_after = 1_000_000
        assert "of which 100 were there from before" in isoglot("mend", store.named, *LANG).stdout


def test_credentials_come_from_the_environment_and_are_never_shown(documents: Corpus) -> None:
    engine = Engine(credentials=basic("ann", "s3cret"))
    with elastic_server(engine) as address:
        engine_store = Elasticsearch(engine, address, documents)
        refused(isoglot("audit", engine_store.named, *LANG), "refuses the key or password in the environment")
        refused(isoglot("audit", f"qdrant:{address}/docs", *LANG), "refuses the key in QDRANT_API_KEY, or wants one")
        user = {"ELASTICSEARCH_USERNAME": "ann", "ELASTICSEARCH_PASSWORD": "s3cret"}
        assert isoglot("audit", engine_store.named, *LANG, environment=user).returncode == 0
    for named in (
        "pgvector:postgresql://ann:s3cret@localhost/db/docs",
        "pgvector:postgresql://localhost/db/docs?password=s3cret",
        "qdrant:http://ann:s3cret@localhost:6333/docs",
        "elasticsearch:https://ann:s3cret@localhost:9200/docs",
    ):
        done = isoglot("audit", named, *LANG)
        refused(done, "leave the password out of the address")
        assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("qdrant:http://localhost:1/docs", "cannot be reached"),
        ("qdrant:nowhere/docs", "is no folder of Qdrant's local mode"),
        ("pgvector:postgresql://localhost:1/db/docs", "connection"),
        ("pgvector:postgresql://localhost/docs", "name a table as pgvector:postgresql://HOST/DATABASE/TABLE"),
        ("elasticsearch:http://localhost:1/docs", "cannot be reached"),
        ("lancedb:nowhere/docs", "no such folder"),
        ("faiss:nowhere.faiss", "no such file"),
        ("chroma:docs", "is no kind of store; name one as qdrant:URL/COLLECTION"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(named: str, message: str) -> None:
    refused(isoglot("mend", named, *LANG), message)


def test_a_store_without_documents_languages_or_the_named_field_is_refused(tmp_path: Path, documents: Corpus) -> None:
    store = Qdrant(tmp_path, documents)
    refused(isoglot("audit", store.named), "name the field of the language, --language-field")
    refused(
        isoglot("audit", store.named, "--language-field", "tongue"), "none of its 240 documents has a known language"
    )
    refused(isoglot("mend", store.named, *LANG, "--vector-field", "title"), "has no vector 'title'")
    with store.client() as client:
        only_english = models.FieldCondition(key="lang", match=models.MatchValue(value="en"))
        client.delete("docs", models.FilterSelector(filter=models.Filter(must_not=[only_english])))
    refused(isoglot("mend", store.named, *LANG), "all documents are in one language, en")
    with store.client() as client:
        client.delete("docs", models.FilterSelector(filter=models.Filter(must=[only_english])))
    refused(isoglot("mend", store.named, *LANG), "is empty")
    refused(isoglot("audit", store.named, *LANG), "holds no vectors of documents")


def test_a_mend_that_loses_neighbours_or_gains_nothing_is_refused_with_3(tmp_path: Path) -> None:
    documents = corpus()
    store = Qdrant(tmp_path, documents)
    fitted = Transform.fit(documents.vectors, documents.languages)
    flat = np.zeros((DIMENSION, DIMENSION), dtype=np.float32)
    flat[0, 0] = flat[1, 1] = 1
    replace(fitted, matrix=flat).save("flat")
    replace(fitted, offsets=np.zeros_like(fitted.offsets)).save("same")
    before = store.dump()
    refused(isoglot("mend", store.named, *LANG, "--transform", "flat"), "would stay in", code=3)
    refused(isoglot("mend", store.named, *LANG, "--transform", "same"), "there is nothing to gain", code=3)
    assert store.dump() == before
    assert isoglot("mend", store.named, *LANG, "--transform", "same", "--force").returncode == 0


def test_a_transform_of_another_model_or_store_is_refused(tmp_path: Path) -> None:
    store, other = Qdrant(tmp_path, corpus(160)), corpus(160, seed=1)
    Transform.fit(other.vectors, other.languages, model="other").save("other")
    refused(isoglot("mend", store.named, *LANG, "--transform", "other"), "the vectors are unlike those of other")
    refused(isoglot("mend", store.named, *LANG, "-o", "other"), "is a transform of other; choose another folder, -o")


def test_stored_vectors_are_audited_without_data(tmp_path: Path) -> None:
    documents = corpus()
    lines = [f"{content}@{tag}" for content, tag in zip(documents.contents, documents.languages, strict=True)]
    for role in ("documents", "queries"):
        np.save(tmp_path / f"{role}.npy", documents.vectors)
        (tmp_path / f"{role}.ids.txt").write_text("\n".join(lines))
    done = isoglot("audit", f"vectors:{tmp_path}", "-o", tmp_path / "audit", "--json")
    assert done.returncode == 0, done.stderr
    audited = json.loads(done.stdout)
    assert audited["self_retrieval"] is None
    assert json.loads((tmp_path / "audit" / "unlabelled.json").read_text()) == audited
    assert "| en | 80 |" in (tmp_path / "audit" / "unlabelled.md").read_text()


def test_a_transform_is_fitted_to_a_store_and_says_what_mend_would(tmp_path: Path, documents: Corpus) -> None:
    store = Qdrant(tmp_path, documents)
    assert isoglot("align", store.named, *LANG, "-o", "fitted").returncode == 0
    mended = isoglot("mend", store.named, *LANG, "--transform", "fitted", "--dry-run", "--json")
    probes = json.loads(mended.stdout)["probes"]
    assert probes["lift"] == {tag: list(pair) for tag, pair in Transform.load("fitted").record.lift.items()}
    changed = isoglot("audit", f"{store.named}+fitted", *LANG, "--json")
    assert {tag: entry["lift"] for tag, entry in json.loads(changed.stdout)["lift"].items()} == {
        tag: pair[1] for tag, pair in probes["lift"].items()
    }


def test_passages_of_one_document_share_its_content_id(tmp_path: Path, documents: Corpus) -> None:
    store = Qdrant(tmp_path, documents)
    with store.client() as client:
        for at in range(240):
            client.set_payload("docs", {"content": f"c{at // 6}"}, points=[at])
    done = isoglot("align", store.named, *LANG, "--content-field", "content", "--method", "shift", "-o", "shifted")
    assert done.returncode == 0, done.stderr
    assert Transform.load("shifted").record.languages == ("en", "sw", "zh")


def test_documents_that_came_later_are_mended_by_the_same_command(tmp_path: Path, documents: Corpus) -> None:
    store = Qdrant(tmp_path, documents)
    assert isoglot("mend", store.named, *LANG).returncode == 0
    with store.client() as client:
        point = models.PointStruct(id=999, vector=documents.vectors[0].tolist(), payload={"lang": "en"})
        client.upsert("docs", [point])
    assert "has 241 changed vectors, of which 240 were there from before" in isoglot("mend", store.named, *LANG).stdout


def test_a_file_beside_an_index_never_takes_the_ids_of_another(tmp_path: Path, documents: Corpus) -> None:
    store = Faiss(tmp_path, documents)
    before = store.dump()
    beside = ("--into", store.path.with_suffix(".new"))  # whose ids would be docs.ids.txt
    refused(isoglot("mend", store.named, *beside), "is not isoglot's; choose another name")
    refused(isoglot("mend", store.named, *beside, "--undo"), "is not isoglot's, and stays")
    assert store.dump() == before


@pytest.mark.process
def test_a_stranger_to_the_database_is_refused(server: str, documents: Corpus) -> None:
    stranger = Pgvector(server, documents).named.replace("user=postgres", "user=stranger")
    refused(isoglot("audit", stranger, *LANG), 'role "stranger" does not exist')


@pytest.mark.process
def test_a_table_whose_triggers_would_fire_is_refused(server: str, documents: Corpus) -> None:
    store = Pgvector(server, documents)
    store._rows("CREATE FUNCTION touch() RETURNS trigger AS 'BEGIN RETURN NEW; END' LANGUAGE plpgsql")
    store._rows("CREATE TRIGGER touched BEFORE UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION touch()")
    before = store.dump()
    refused(isoglot("mend", store.named, *LANG), "its trigger touched would fire for each row")
    assert store.dump() == before
