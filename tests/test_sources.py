"""Collections from every source, and every fault of a file with its place."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isoglot import IsoglotError, load_collection
from isoglot.corpora.documents import read_documents
from isoglot.corpora.trec import read_documents_table
from tests.indexing import write_jsonl

CORPUS = [
    {"_id": "d1", "text": "hello", "lang": "en", "content_id": "a"},
    {"_id": "d2", "text": "你好", "metadata": {"lang": "zho_Hans", "content_id": "a"}},
    {"_id": "d3", "title": "<b>Bold</b>", "text": "other", "lang": "en"},
]
QUERIES = [
    {"_id": "q1", "text": "hi?", "lang": "en", "query_id": "q"},
    {"_id": "q2", "text": "嗨？", "lang": "zh", "query_id": "q"},
    {"_id": "q3", "text": "unjudged?", "lang": "en"},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td3\t0\n"


def write(folder: Path, corpus: Any = CORPUS, queries: Any = QUERIES, **qrels: str) -> str:
    """A BEIR folder; what is bytes is written as it is."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, rows in (("corpus", corpus), ("queries", queries)):
        data = rows if isinstance(rows, bytes) else "".join(json.dumps(row) + "\n" for row in rows).encode()
        (folder / f"{name}.jsonl").write_bytes(data)
    for split, text in (qrels or {"test": QRELS}).items():
        (folder / "qrels" / f"{split}.tsv").write_bytes(text.encode())
    return f"folder:{folder}"


def test_a_folder_in_the_beir_layout(tmp_path: Path) -> None:
    found = load_collection(write(tmp_path / "mine"))
    assert found.name == "mine"
    assert [(d.content_id, d.language, d.text) for d in found.documents] == [
        ("a", "en", "hello"),
        ("a", "zh", "你好"),
        ("d3", "en", "<b>Bold</b> other"),
    ]
    assert [(q.query_id, q.language) for q in found.queries] == [("q", "en"), ("q", "zh")]
    assert found.golds == {"q": ("a",)}
    assert found.named("zh") == "zho_Hans"


def test_language_and_shared_ids_may_stand_in_the_metadata_even_beside_an_empty_field(tmp_path: Path) -> None:
    queries = [
        {"_id": "q1", "text": "hi?", "metadata": {"lang": "eng_Latn", "query_id": 0}},
        {"_id": "q2", "text": "嗨？", "lang": None, "query_id": None, "metadata": {"lang": "zh", "query_id": 0}},
    ]
    corpus = [*CORPUS, {"_id": "d4", "text": "другое", "lang": "ru", "metadata": {"content_id": "d3"}}]
    found = load_collection(write(tmp_path, corpus, queries))
    assert [(q.query_id, q.language) for q in found.queries] == [("0", "en"), ("0", "zh")]
    assert [(d.content_id, d.language) for d in found.documents][2:] == [("d3", "en"), ("d3", "ru")]


NUMBERS = [{"_id": at, "text": "x", "lang": tag, "content_id": at // 2} for at, tag in enumerate(("en", "zh") * 2)]
IN_METADATA = [
    {"_id": f"d{at}", "text": "x", "metadata": {"lang": tag, "content_id": "lamp"}}
    for at, tag in enumerate(("en", "zh"))
]
NULLS = [{"_id": "d1", "text": "x", "lang": "en", "content_id": None, "title": None}]
OTHER_NAMES = [{"id": "d1", "text": "x", "language": "zho_Hans", "content_id": "lamp"}]
DETECTED = [{"_id": "d1", "text": "Snow covers the road over the mountain."}, {"_id": "d2", "text": "雪覆盖了山路。"}]


@pytest.mark.parametrize("corpus", [CORPUS, NUMBERS, IN_METADATA, NULLS, OTHER_NAMES, DETECTED])
def test_a_corpus_holds_the_same_documents_in_a_folder_in_a_table_and_in_an_index(
    tmp_path: Path, corpus: list[dict[str, Any]]
) -> None:
    first = corpus[0].get("_id", corpus[0].get("id"))
    spec = write(tmp_path, corpus, test=f"q1\t{first}\t1\n")
    table = read_documents_table(tmp_path / "corpus.jsonl")
    assert len(table) == len(corpus)
    documents = load_collection(spec).documents
    assert [(document.content_id, document.language) for document in documents] == list(table.values())
    indexed = read_documents(str(tmp_path / "corpus.jsonl"))
    assert {document.id: (document.content_id or document.id, document.language) for document in indexed} == table


def test_a_lang_in_the_metadata_that_is_no_language_is_metadata_like_any_other(tmp_path: Path) -> None:
    row = {"_id": "d1", "text": "Snow covers the road over the mountain.", "metadata": {"lang": "python"}}
    spec = write(tmp_path, [row])
    (document,) = read_documents(str(tmp_path / "corpus.jsonl"))
    assert (document.language, document.metadata) == ("en", {"lang": "python"})
    assert [d.language for d in load_collection(spec).documents] == ["en"]


IN_ONE = {"lang": "en", "content_id": "c", "year": 2019}


def as_jsonl(path: Path, metadata: Any) -> Path:
    return write_jsonl(path / "a.jsonl", [{"_id": "a", "text": "x", "metadata": metadata}])


def as_csv(path: Path, metadata: Any) -> Path:
    with (path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["_id", "text", "metadata"], ["a", "x", str(metadata)]])
    return path / "a.csv"


def as_map(path: Path, metadata: Any) -> Path:
    kind = pa.map_(pa.string(), pa.string())
    pairs = [(name, str(value)) for name, value in metadata.items()]
    pq.write_table(pa.table({"_id": ["a"], "text": ["x"], "metadata": pa.array([pairs], kind)}), path / "a.parquet")
    return path / "a.parquet"


@pytest.mark.parametrize(
    ("writer", "metadata", "year"),
    [
        (as_jsonl, IN_ONE, 2019),
        (as_jsonl, json.dumps(IN_ONE), 2019),
        (as_csv, json.dumps(IN_ONE), 2019),
        (as_csv, IN_ONE, 2019),
        (as_map, IN_ONE, "2019"),
        (as_jsonl, IN_ONE | {"lang": None, "language": "eng_Latn"}, 2019),
        (as_jsonl, IN_ONE | {"lang": "python", "language": "en"}, 2019),
    ],
)
def test_metadata_is_read_in_each_form_that_tools_write(
    tmp_path: Path, writer: Callable[[Path, Any], Path], metadata: Any, year: Any
) -> None:
    (document,) = read_documents(str(writer(tmp_path, metadata)))
    assert (document.language, document.content_id, document.language_detected) == ("en", "c", False)
    assert document.metadata["year"] == year


@pytest.mark.parametrize(
    ("metadata", "kept"), [("a page", {"metadata": "a page"}), ("{open", {"metadata": "{open"}), ("", {}), (None, {})]
)
def test_metadata_that_is_no_object_is_kept_under_its_name(tmp_path: Path, metadata: Any, kept: dict[str, Any]) -> None:
    (document,) = read_documents(str(as_jsonl(tmp_path, metadata)), "en")
    assert document.metadata == kept


def test_an_id_of_another_name_is_the_id_and_beside_an_id_it_is_metadata(tmp_path: Path) -> None:
    rows = [
        {"docid": "a#1", "text": "x"},
        {"_id": "b", "docid": "a", "id": None, "text": "x", "url": "u", "source": "s"},
    ]
    miracl, both = read_documents(str(write_jsonl(tmp_path / "a.jsonl", rows)), "en")
    assert (miracl.id, miracl.metadata) == ("a#1", {})
    assert (both.id, both.source, both.metadata) == ("b", "u", {"docid": "a", "source": "s"})


def test_languages_that_are_not_named_are_detected_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corpus = [*CORPUS, {"_id": "d4", "text": "Schnee bedeckt die Straße über den Berg."}, {"_id": "d5", "text": "1815"}]
    found = load_collection(write(tmp_path, corpus, [*QUERIES, {"_id": "q4", "text": "What covers the road?"}]))
    assert [d.language for d in found.documents] == ["en", "zh", "en", "de"]
    assert found.notes[:2] == (
        "the language of 1 documents was detected: de 1; name it in 'lang'",
        "the language of 1 queries was detected: en 1; name it in 'lang'",
    )
    assert found.notes[2].startswith("left out: texts whose language cannot be told")
    assert f"{tmp_path}: {found.notes[0]}" in caplog.messages


def test_a_content_id_of_zero_is_an_id_like_any_other(tmp_path: Path) -> None:
    corpus = [{"_id": f"d{tag}", "text": tag, "lang": tag, "content_id": 0} for tag in ("en", "zh")]
    found = load_collection(write(tmp_path, corpus, test="q1\tdzh\t1\n"))
    assert [(d.content_id, d.language) for d in found.documents] == [("0", "en"), ("0", "zh")]
    assert found.golds == {"q": ("0",)}


def test_byte_order_mark_windows_line_ends_and_blank_lines_are_fine(tmp_path: Path) -> None:
    corpus = b"\xef\xbb\xbf" + b"\r\n\r\n".join(json.dumps(row).encode() for row in CORPUS)
    found = load_collection(write(tmp_path, corpus, test=QRELS.replace("\n", "\r\n")))
    assert len(found.documents) == 3
    assert found.golds == {"q": ("a",)}


def test_the_split_names_the_qrels(tmp_path: Path) -> None:
    spec = write(tmp_path, train="q1\td3\t1\n", test=QRELS)
    assert load_collection(spec).golds == {"q": ("a",)}
    assert load_collection(f"{spec}@train").golds == {"q": ("d3",)}
    with pytest.raises(IsoglotError, match=r"has no split 'dev'; name one of @test, @train"):
        load_collection(f"{spec}@dev")


def test_two_files_of_one_thing_and_files_of_other_kinds_are_told(tmp_path: Path) -> None:
    spec = write(tmp_path)
    corpus = (tmp_path / "corpus.jsonl").read_bytes()
    (tmp_path / "corpus.jsonl.gz").write_bytes(gzip.compress(corpus))
    with pytest.raises(IsoglotError, match=r"corpus.jsonl.gz: is there as corpus.jsonl too; remove one of them"):
        load_collection(spec)
    with pytest.raises(IsoglotError, match=r"corpus.jsonl.gz: is there as corpus.jsonl too; remove one of them"):
        list(read_documents(str(tmp_path)))  # its queries were documents, too
    (tmp_path / "corpus.jsonl").unlink()
    assert len(load_collection(spec).documents) == 3
    (tmp_path / "corpus.jsonl.gz").rename(tmp_path / "corpus.jsonl.bz2")
    with pytest.raises(IsoglotError, match=r"corpus.jsonl.bz2: unknown kind of file; known are .jsonl .csv"):
        load_collection(spec)
    (tmp_path / "qrels" / "test.tsv").rename(tmp_path / "qrels" / "test.json")
    with pytest.raises(IsoglotError, match=r"qrels/test.json: unknown kind of file; known are .jsonl .* .trec"):
        load_collection(spec)


def test_two_spellings_of_one_language_are_both_named(tmp_path: Path) -> None:
    corpus = [{"_id": f"d{tag}", "text": "x", "lang": tag, "content_id": "a"} for tag in ("no", "nb")]
    with pytest.raises(IsoglotError, match=r"jsonl:2: .*'a' occurs twice in no \('no' and 'nb' are one language\)"):
        load_collection(write(tmp_path, corpus))


def test_hidden_files_are_no_splits(tmp_path: Path) -> None:
    spec = write(tmp_path, train=QRELS)
    (tmp_path / "qrels" / "._train.tsv").write_bytes(b"\0\5\x16\7")
    (tmp_path / "._corpus.jsonl").write_bytes(b"\0\5\x16\7")
    assert load_collection(spec).golds == {"q": ("a",)}


def test_several_qrels_without_test_ask_for_a_split_and_a_single_one_is_taken(tmp_path: Path) -> None:
    assert load_collection(write(tmp_path / "one", dev=QRELS)).golds == {"q": ("a",)}
    with pytest.raises(IsoglotError, match="name one of @dev, @train"):
        load_collection(write(tmp_path / "two", dev=QRELS, train=QRELS))


def row(**fields: Any) -> list[dict[str, Any]]:
    return [*CORPUS, {"_id": "d4", "text": "x", "lang": "en", **fields}]


FAULTS = [
    ("corpus", b'{"_id": "d1", "text": \n', r"corpus.jsonl:1: malformed JSON"),
    (
        "corpus",
        b'{"_id": "d1", "text": "a", "lang": "en"}\n["d2"]\n',
        r"corpus.jsonl:2: expected a JSON object, found list",
    ),
    (
        "corpus",
        b'{"_id": "d1", "text": "caf\xe9", "lang": "fr"}\n',
        r"corpus.jsonl:1: byte 27 of the line is not UTF-8",
    ),
    ("corpus", '{"_id": "d1"}'.encode("utf-16"), r"corpus.jsonl:1: byte 1 of the line is not UTF-8"),
    ("corpus", b"", r"has no documents in its corpus$"),
    (
        "corpus",
        [{"_id": "d1", "lang": "en"}],
        r"no documents in its corpus; left out: documents .*: 1, first in .*jsonl:1",
    ),
    ("corpus", row(text=["x"]), r"corpus.jsonl:4: field 'text' is list, not text"),
    ("corpus", b'{"_id": ' + b"1" * 5000 + b"}\n", r"corpus.jsonl:1: malformed JSON: Exceeds the limit"),
    ("corpus", b"[" * 100_000 + b"\n", r"corpus.jsonl:1: malformed JSON: maximum recursion depth"),
    ("corpus", b"\xef\xbb\xbf", r"has no documents in its corpus"),
    ("corpus", row(title=["x"]), r"corpus.jsonl:4: field 'title' is list, not text"),
    ("corpus", row(lang=5), r"corpus.jsonl:4: field 'lang' is int, not text"),
    ("corpus", row(content_id=["a"]), r"corpus.jsonl:4: field 'content_id' is list, not text"),
    ("corpus", row(lang="klingon"), r"corpus.jsonl:4: unknown language 'klingon'"),
    ("corpus", row(_id=""), r"corpus.jsonl:4: field '_id' is missing or no text"),
    ("corpus", row(content_id="a"), r"corpus.jsonl:4: content_id 'a' occurs twice in en"),
    ("queries", b"", r": has no queries"),
    ("queries", [*QUERIES, {**QUERIES[0], "_id": "q4"}], r"queries.jsonl:4: query_id 'q' occurs twice in en"),
    ("queries", [{"_id": "q1", "lang": "en"}], r"has no queries; left out: queries without text: 1.*queries.jsonl:1"),
    ("queries", [{"_id": "q1", "text": "?"}], r"has no queries; left out: texts whose language cannot be told .*: 1"),
    ("queries", [{"_id": "q1", "text": "?", "lang": "xx"}], r"queries.jsonl:1: unknown language 'xx'"),
    (
        "queries",
        [{"_id": "q1", "text": "?", "lang": "en", "query_id": {}}],
        r"queries.jsonl:1: field 'query_id' is dict",
    ),
    ("queries", b'{"_id": "q\xe9"}\n', r"queries.jsonl:1: byte 11 of the line is not UTF-8"),
    ("queries", b"\n\n{]\n", r"queries.jsonl:3: malformed JSON"),
]


@pytest.mark.parametrize(("file", "content", "message"), FAULTS)
def test_a_fault_is_told_with_file_line_and_field(tmp_path: Path, file: str, content: Any, message: str) -> None:
    with pytest.raises(IsoglotError, match=message) as error:
        load_collection(write(tmp_path, **{file: content}))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ("q1\tnope\t1\n", r"no query has a relevant document; left out: judgements of documents.*: 1.*test.tsv:1"),
        ("q1\td1\tyes\nq1\td1\t1\n", r"test.tsv:1: the relevance 'yes' is no number"),
        (QRELS + "q1\td1\tnan\n", r"test.tsv:4: the relevance 'nan' is no number"),
        (QRELS + "q1\td1\n", r"test.tsv:4: has 2 fields, the header has 3"),
        ("q1\td1\n", r"test.tsv:1: has 2 fields, neither BEIR's .* nor TREC's"),
        (QRELS + "q1 0 d1 1 x\n", r"test.tsv:4: has 5 fields"),
        ("q1\td1\t0\n", r"no query has a relevant document"),
        ("", r"no query has a relevant document"),
    ],
)
def test_a_wrong_judgement_is_told(tmp_path: Path, qrels: str, message: str) -> None:
    with pytest.raises(IsoglotError, match=message) as error:
        load_collection(write(tmp_path, test=qrels))
    assert "\n" not in str(error.value)


def test_a_judgement_in_another_encoding_is_told(tmp_path: Path) -> None:
    spec = write(tmp_path)
    (tmp_path / "qrels" / "test.tsv").write_bytes(QRELS.encode() + "q\u00e9\td1\t1\n".encode("latin-1"))
    with pytest.raises(IsoglotError, match=r"test.tsv:4: byte 2 of the line is not UTF-8"):
        load_collection(spec)


def test_missing_files_and_folders_are_told(tmp_path: Path) -> None:
    spec = write(tmp_path / "c")
    (tmp_path / "c" / "qrels" / "test.tsv").unlink()
    with pytest.raises(IsoglotError, match=r"has no qrels/SPLIT.tsv"):
        load_collection(spec)
    spec = write(tmp_path / "c")
    (tmp_path / "c" / "queries.jsonl").unlink()
    with pytest.raises(IsoglotError, match=r"queries.jsonl: no such file"):
        load_collection(spec)
    for wrong, message in (
        ("folder", "name the folder"),
        (f"folder:{tmp_path}/nope", "no such folder"),
        ("nope", "unknown source 'nope'; known are mini, xquad, belebele, mlqa, .*, folder, hub, parallel"),
        (str(tmp_path), "for a folder write folder:"),
        ("mini@dev", "mini has no split 'dev'"),
        (f"mini:{tmp_path}", "takes no folder"),
        (f"xquad:{tmp_path}", "has no file named xquad.XX.json"),
        (f"belebele:{tmp_path}", "has no file named xxx_Xxxx.jsonl"),
        (f"xquad:{tmp_path}@test", "xquad has no split"),
    ):
        with pytest.raises(IsoglotError, match=message):
            load_collection(wrong)


def test_a_file_that_is_no_collection_is_told_what_it_needs(tmp_path: Path) -> None:
    for name, lines, message in (
        (
            "corpus.jsonl",
            '{"_id": "1", "text": "A text."}\n',
            r"corpus.jsonl: holds documents alone; an audit needs ",
        ),
        (
            "corpus.csv",
            "_id,text\n1,A text.\n",
            r"isoglot choose MODEL --data .*corpus.csv asks for documents by ",
        ),
        (
            "pairs.tsv",
            "en\tde\nHello\tHallo\n",
            r"unknown source .*; for parallel sentences write para.*pairs.tsv",
        ),
        ("rows.jsonl", '{"id": 1, "anchor": "a", "positive": "b"}\n', r"folder, hub, parallel$"),
        ("notes.txt", "A text.\n", r"folder, hub, parallel$"),
    ):
        (tmp_path / name).write_text(lines)
        with pytest.raises(IsoglotError, match=message) as error:
            load_collection(str(tmp_path / name))
        assert "\n" not in str(error.value)


def squad(context: str = "c", question_id: Any = "1") -> dict[str, Any]:
    return {"data": [{"paragraphs": [{"context": context, "qas": [{"id": question_id, "question": "?"}]}]}]}


def test_xquad_faults_are_told(tmp_path: Path) -> None:
    (tmp_path / "xquad.en.json").write_text(json.dumps(squad()))
    two = squad()
    two["data"][0]["paragraphs"].insert(0, {"context": "other", "qas": [{"id": "2", "question": "?"}]})
    (tmp_path / "xquad.de.json").write_text(json.dumps(two))
    with pytest.raises(IsoglotError, match="question 1 in en belongs to paragraph p000, in another language to p001"):
        load_collection(f"xquad:{tmp_path}")
    for broken, message in (
        (
            '{"data": [{}]}',
            r"xquad.de.json: not in SQuAD form: Object missing required field `paragraphs` - at `\$.data\[0\]`",
        ),
        ("[1, 2]", "xquad.de.json: not in SQuAD form"),
        ('{"data": [', "xquad.de.json:1: malformed JSON"),
        ('{\n\n\n"data": [}\n', "xquad.de.json:4: malformed JSON"),
        ("", "xquad.de.json: malformed JSON"),
        (json.dumps(squad(context="")), "xquad.de.json: field 'context' is empty"),
        (json.dumps(squad(question_id=["1"])), "xquad.de.json: field 'id' is list, not text"),
        (json.dumps({"data": [{"paragraphs": [[]]}]}), "xquad.de.json: not in SQuAD form"),
    ):
        (tmp_path / "xquad.de.json").write_text(broken)
        with pytest.raises(IsoglotError, match=message):
            load_collection(f"xquad:{tmp_path}")


def test_belebele_faults_are_told(tmp_path: Path) -> None:
    line = {"link": "l", "question_number": 1, "flores_passage": "p", "question": "?"}
    file = tmp_path / "eng_Latn.jsonl"
    file.write_text(json.dumps(line) + "\n" + json.dumps({**line, "flores_passage": "other"}) + "\n")
    with pytest.raises(IsoglotError, match=r"eng_Latn.jsonl:2: another passage than before for the link l"):
        load_collection(f"belebele:{tmp_path}")
    for wrong, message in (
        ({**line, "question": ""}, r"eng_Latn.jsonl:1: field 'question' is empty"),
        ({**line, "link": None}, r"eng_Latn.jsonl:1: field 'link' is NoneType, not text"),
        ({**line, "question_number": None}, r"eng_Latn.jsonl:1: field 'question_number' is missing"),
        ([line], r"eng_Latn.jsonl:1: expected a JSON object, found list"),
    ):
        file.write_text(json.dumps(wrong) + "\n")
        with pytest.raises(IsoglotError, match=message):
            load_collection(f"belebele:{tmp_path}")
    file.write_text((json.dumps(line) + "\n") * 2)
    with pytest.raises(IsoglotError, match=r"belebele: query 'l#1' occurs twice in en"):
        load_collection(f"belebele:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        ("xquad", "xquad.klingon.json", squad()),
        ("belebele", "xxx_Xxxx.jsonl", {"link": "l", "question_number": 1, "flores_passage": "p", "question": "?"}),
    ],
)
def test_a_file_named_after_no_language_is_told(tmp_path: Path, name: str, file: str, content: Any) -> None:
    (tmp_path / file).write_text(json.dumps(content) + "\n")
    with pytest.raises(IsoglotError, match=r"unknown language '(klingon|xxx_Xxxx)'"):
        load_collection(f"{name}:{tmp_path}")


@pytest.mark.parametrize(("name", "documents", "queries"), [("xquad", 240, 1190), ("belebele", 488, 900)])
def test_the_real_collections_are_whole(shared_data: Path, name: str, documents: int, queries: int) -> None:
    found = load_collection(f"{name}:{shared_data / name}")
    assert len(found.languages) == 12
    for language in found.languages:
        assert sum(d.language == language for d in found.documents) == documents
        assert sum(q.language == language for q in found.queries) == queries
    assert found.named("zh") == {"xquad": "zh", "belebele": "zho_Hans"}[name]


@pytest.mark.process
@pytest.mark.parametrize("name", ["xquad", "belebele"])
def test_without_the_hub_and_without_a_folder_one_line_says_so(name: str, tmp_path: Path) -> None:
    code = f"import isoglot\ntry: isoglot.load_collection({name!r})\nexcept isoglot.IsoglotError as e: print(e)"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert f"use {name}:DIR" in done.stdout
    assert done.stdout.count("\n") == 1
