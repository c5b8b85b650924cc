"""Data sets as the hub has them: by the datasets library from a local folder, as files, and out of the hub's cache."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isoglot import Collection, IsoglotError, load_collection
from isoglot.corpora.documents import read_documents
from tests import command_line
from tests.indexing import write_jsonl

TEXTS = {
    "en": ["The cat sleeps on the sofa.", "Snow fell on the road in May.", "A red car passes the house."],
    "de": ["Die Katze schläft auf dem Sofa.", "Im Mai fiel Schnee auf die Straße.", "Ein rotes Auto fährt vorbei."],
}
QUESTIONS = {
    "en": ["Where does the cat sleep?", "When did snow fall on the road?"],
    "de": ["Wo schläft die Katze?", "Wann fiel Schnee auf die Straße?"],
}
ROLES = ("corpus", "queries", "qrels")


def rows(language: str) -> dict[str, list[dict[str, Any]]]:
    return {
        "corpus": [{"_id": f"d{n}", "title": None, "text": text} for n, text in enumerate(TEXTS[language])],
        "queries": [{"_id": f"q{n}", "text": text} for n, text in enumerate(QUESTIONS[language])],
        "qrels": [{"query-id": f"q{n}", "corpus-id": f"d{n}", "score": int(n < 2)} for n in range(2)],
    }


def data_set(folder: Path, files: dict[tuple[str, str], list[dict[str, Any]]]) -> Path:
    """A data set of Parquet files with a card that names them, by configuration and split."""
    configurations: dict[str, list[str]] = {}
    for (configuration, split), content in files.items():
        file = folder / configuration / f"{split}-00000-of-00001.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(content), file)
        configurations.setdefault(configuration, []).append(split)
    card = "".join(
        f"- config_name: {name}\n  data_files:\n"
        + "".join(f"  - split: {split}\n    path: {name}/{split}-*\n" for split in splits)
        for name, splits in configurations.items()
    )
    folder.mkdir(exist_ok=True)
    (folder / "README.md").write_text(f"---\nconfigs:\n{card}---\n")
    return folder


def configuration_for_each_language(folder: Path) -> Path:
    return data_set(folder, {(f"{tag}-{role}", "test"): rows(tag)[role] for tag in TEXTS for role in ROLES})


def split_for_each_language(folder: Path) -> Path:
    return data_set(folder, {(role, tag): rows(tag)[role] for tag in TEXTS for role in ROLES})


def language_field(folder: Path, qrels: str = "default", split: str = "test") -> Path:
    """One configuration of each kind, as mteb writes it; ids of the two languages differ, and a field is theirs."""
    files: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for tag in TEXTS:
        content = rows(tag)
        for row in content["corpus"] + content["queries"]:
            row.update({"_id": f"{tag}:{row['_id']}", "lang": tag})
        for row in content["qrels"]:
            row.update({name: f"{tag}:{row[name]}" for name in ("query-id", "corpus-id")})
        for role in ROLES:
            place = {"corpus": ("corpus", "corpus"), "queries": ("queries", "queries"), "qrels": (qrels, split)}[role]
            files.setdefault(place, []).extend(content[role])
    return data_set(folder, files)


LAYOUTS = [configuration_for_each_language, split_for_each_language, language_field]


def check(found: Collection) -> None:
    texts = {(document.content_id, document.language): document.text for document in found.documents}
    assert texts == {(f"{tag}:d{n}", tag): text for tag in TEXTS for n, text in enumerate(TEXTS[tag])}
    assert found.golds == {f"{tag}:q{n}": (f"{tag}:d{n}",) for tag in TEXTS for n in range(2)}
    assert {(query.query_id, query.text) for query in found.queries} == {
        (f"{tag}:q{n}", text) for tag in TEXTS for n, text in enumerate(QUESTIONS[tag])
    }
    assert found.notes == ()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The datasets library keeps what it prepared of a folder."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize("write", LAYOUTS)
@pytest.mark.parametrize("kind", ["hub", "folder"])
def test_layouts_of_the_hub_are_read_by_its_library_and_as_files(write: Any, kind: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "set")
    found = load_collection(f"{kind}:{folder}")
    check(found)
    assert found.name == (folder.as_posix() if kind == "hub" else "set")


def beir_for_each_language(folder: Path) -> None:
    for tag in TEXTS:
        (folder / tag / "qrels").mkdir(parents=True)
        content = rows(tag)
        write_jsonl(folder / tag / "corpus.jsonl", content["corpus"])
        write_jsonl(folder / tag / "queries.jsonl", content["queries"])
        (folder / tag / "qrels" / "test.tsv").write_text("".join(f"q{n}\td{n}\t1\n" for n in range(2)))


def test_a_folder_may_have_a_folder_in_beirs_layout_for_each_language(tmp_path: Path) -> None:
    beir_for_each_language(tmp_path)
    check(load_collection(f"folder:{tmp_path}"))


def test_files_of_a_corpus_may_be_named_by_their_languages_and_ids_stay_as_they_are(tmp_path: Path) -> None:
    for role in ROLES:
        (tmp_path / role).mkdir()
    for tag in TEXTS:
        corpus = [{**row, "_id": f"{tag}:{row['_id']}"} for row in rows(tag)["corpus"]]
        queries = [{**row, "_id": f"{tag}:{row['_id']}"} for row in rows(tag)["queries"]]
        write_jsonl(tmp_path / "corpus" / f"{tag}.jsonl", corpus)
        write_jsonl(tmp_path / "queries" / f"{tag}.jsonl", queries)
    judged = [f"{tag}:q{n}\t{tag}:d{n}\t1\n" for tag in TEXTS for n in range(2)]
    (tmp_path / "qrels" / "test.tsv").write_text("".join(judged))
    check(load_collection(f"folder:{tmp_path}"))


def test_an_index_of_such_a_folder_has_the_same_documents(tmp_path: Path) -> None:
    folder = split_for_each_language(tmp_path / "set")
    found = load_collection(f"folder:{folder}")
    assert [(document.id, document.language, document.text) for document in read_documents(str(folder))] == [
        (document.content_id, document.language, document.text) for document in found.documents
    ]


def test_a_split_that_is_a_language_can_be_asked_alone(tmp_path: Path) -> None:
    folder = split_for_each_language(tmp_path / "set")
    for kind in ("hub", "folder"):
        assert {query.language for query in load_collection(f"{kind}:{folder}@de").queries} == {"de"}


def test_the_split_of_the_qrels_is_named_and_a_missing_one_is_told(tmp_path: Path) -> None:
    folder = language_field(tmp_path / "set", "qrels", "dev")
    assert load_collection(f"hub:{folder}@dev").golds == load_collection(f"hub:{folder}").golds
    with pytest.raises(IsoglotError, match=r"set: has no split 'test'; name one of @dev"):
        load_collection(f"hub:{folder}@test")


def faulty(folder: Path, place: tuple[str, str], content: Iterable[dict[str, Any]]) -> Path:
    files = {(f"{tag}-{role}", "test"): rows(tag)[role] for tag in TEXTS for role in ROLES}
    return data_set(folder, {**files, place: list(content)})


@pytest.mark.parametrize(
    ("place", "content", "message"),
    [
        ("de-corpus", [{"text": "a"}], r"set/de-corpus.test:1: field '_id' is missing"),
        ("de-corpus", [{"_id": "a", "text": 7}], r"de-corpus.test:1: field 'text' is int, not text"),
        ("de-corpus", [{"_id": "a", "text": "b", "lang": "klingon"}], r"de-corpus.test:1: unknown language 'klingon'"),
        ("de-qrels", [{"query-id": "q0", "score": 1}], r"de-qrels.test:1: field 'corpus-id' is missing"),
        ("de-qrels", [{"query-id": "q0", "corpus-id": "d0", "score": "x"}], r":1: the relevance 'x' is no number"),
    ],
)
def test_a_fault_is_told_with_configuration_split_row_and_field(
    tmp_path: Path, place: str, content: Any, message: str
) -> None:
    folder = faulty(tmp_path / "set", (place, "test"), content)
    with pytest.raises(IsoglotError, match=message):
        load_collection(f"hub:{folder}")


def test_what_is_of_no_use_is_counted_or_refused(tmp_path: Path) -> None:
    corpus = [*rows("de")["corpus"], {"_id": "d0", "text": "again"}, {"_id": "d8", "text": ""}]
    folder = faulty(tmp_path / "set", ("de-corpus", "test"), corpus)
    found = load_collection(f"hub:{folder}")
    assert found.notes == (
        "left out: documents with the id of an earlier one, or its text if they have no id: 1, first in "
        "de-corpus.test:4; documents without text (field 'text' or 'title'): 1, first in de-corpus.test:5",
    )
    with pytest.raises(IsoglotError, match=r"de-corpus.test:4: --strict refuses documents with the id"):
        load_collection(f"hub:{folder}", strict=True)


def test_qrels_that_name_nothing_are_told(tmp_path: Path) -> None:
    content = [{"query-id": "x", "corpus-id": "y", "score": 1}]
    folder = data_set(
        tmp_path / "set",
        {("corpus", "a"): rows("en")["corpus"], ("queries", "a"): rows("en")["queries"], ("qrels", "a"): content},
    )
    with pytest.raises(IsoglotError, match="no query has a relevant document; left out: judgements of queries that"):
        load_collection(f"hub:{folder}")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"the datasets library cannot read it"),
        ({("corpus", "test"): rows("en")["corpus"]}, r"has no configuration queries or query, but corpus"),
    ],
)
def test_other_data_sets_are_told(tmp_path: Path, files: Any, message: str) -> None:
    with pytest.raises(IsoglotError, match=message):
        load_collection(f"hub:{data_set(tmp_path / 'set', files)}")


def test_damaged_files_are_told_in_one_line(tmp_path: Path) -> None:
    folder = configuration_for_each_language(tmp_path / "set")
    (folder / "de-corpus" / "test-00000-of-00001.parquet").write_bytes(b"PAR1 nothing")
    done = command_line.isoglot("audit", "bm25", "--data", f"hub:{folder}")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"isoglot: {folder}: the datasets library cannot read it")


def test_a_data_set_is_audited(tmp_path: Path) -> None:
    done = command_line.isoglot("audit", "bm25", "--data", f"hub:{split_for_each_language(tmp_path / 'set')}", "-q")
    assert done.returncode == 0, done.stderr
    assert "6 documents in en+de" in done.stdout


@pytest.mark.process
@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("hub:owner/name", "folder:DIR"),
        ("mlqa", "mlqa:DIR"),
        ("miracl", "miracl:DIR"),
        ("neuclir", "neuclir:DIR"),
        ("multieup", "multieup:DIR"),
        ("xrag", "xrag:DIR"),
        ("mlir-benchmarks@XQuAD_test", "mlir-benchmarks:DIR"),
    ],
)
def test_without_the_hub_one_line_says_what_to_do(name: str, instead: str, tmp_path: Path) -> None:
    code = f"import isoglot\ntry: isoglot.load_collection({name!r})\nexcept isoglot.IsoglotError as e: print(e)"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert f"the hub cannot be reached; use {instead}" in done.stdout
    assert done.stdout.count("\n") == 1
