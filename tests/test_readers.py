"""Readers of formats, and what they leave out: counted, said once, an error where a user is strict."""

from __future__ import annotations

import gzip
import json
import os
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isoglot import IsoglotError, Row, load_collection, read_rows, training_rows
from isoglot.corpora.documents import read_documents
from isoglot.corpora.left_out import UNKNOWN_LANGUAGE, LeftOut
from isoglot.corpora.readers import extraction
from isoglot.corpora.readers.qrels import read_qrels
from isoglot.corpora.readers.records import read_records
from isoglot.corpora.trec import judged_collection, read_documents_table, read_run
from isoglot.platform.deadline import DeadlineError, deadline
from tests import command_line
from tests.indexing import write_jsonl

CORPUS = [
    {"_id": "lamp-en", "text": "A lamp shines.", "lang": "en", "content_id": "lamp"},
    {"_id": "lamp-zh", "text": "灯就发光。", "lang": "zh", "content_id": "lamp"},
    {"_id": "frog-en", "text": "Frogs lay eggs.", "lang": "en", "content_id": "frog"},
]
QUERIES = [
    {"_id": "q1", "text": "Why does a lamp shine?", "lang": "en"},
    {"_id": "q2", "text": "When do frogs lay eggs?", "lang": "en"},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\tlamp-en\t1\nq2\tfrog-en\t1\n"


def folder(path: Path, corpus: list[dict[str, Any]], queries: list[dict[str, Any]], qrels: str) -> str:
    (path / "qrels").mkdir(parents=True)
    write_jsonl(path / "corpus.jsonl", corpus)
    write_jsonl(path / "queries.jsonl", queries)
    (path / "qrels" / "test.tsv").write_text(qrels)
    return f"folder:{path}"


def texts(path: Path) -> list[str]:
    return [fields["text"] for _, fields in read_records(path)]


def test_a_line_of_a_tsv_is_a_record_whatever_quotation_marks_it_has(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('id\ttext\n1\t"Six\n2\tZug\n3\tbientôt"\n4\t""\n')
    assert texts(tmp_path / "a.tsv") == ['"Six', "Zug", 'bientôt"', '""']


def test_an_index_column_of_pandas_and_trailing_commas_are_no_fields(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(",id,text,\n0,1,eins,\n1,2,zwei,,\n")
    assert [fields for _, fields in read_records(tmp_path / "a.csv")] == [
        {"id": "1", "text": "eins"},
        {"id": "2", "text": "zwei"},
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("id,text,text\n".replace(",", "\t" if name == "a.tsv" else ","))
    with pytest.raises(IsoglotError, match=rf"{name}:1: two columns are named 'text'"):
        texts(tmp_path / name)


def gzipped(path: Path) -> Path:
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return target


def test_a_name_that_occurs_twice_is_told_in_every_format(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"_id": "a", "metadata": {"x": 1, "x": 2}}\n')
    pq.write_table(pa.table([["one"], ["two"]], names=["text", "text"]), tmp_path / "a.parquet")
    pairs = pa.array([[("x", "1"), ("x", "2")]], pa.map_(pa.string(), pa.string()))
    pq.write_table(pa.table({"text": ["one"], "metadata": pairs}), tmp_path / "map.parquet")
    for name, told in {
        "a.jsonl": r"a.jsonl:1: malformed JSON: the key 'x' occurs twice",
        "a.parquet": r"a.parquet: two columns are named 'text'; rename or remove one",
        "map.parquet": r"map.parquet:1: field 'metadata' has a key twice",
    }.items():
        with pytest.raises(IsoglotError, match=told):
            list(read_documents(str(tmp_path / name), "en"))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "_id\ttext\nd1\tx\n", "a.csv:1: the fields are separated by tabs"),
        ("a.tsv", '"_id","text"\n"d1","x"\n', "a.tsv:1: the fields are separated by commas"),
        ("a.csv", "d1,A lamp shines.\nd2,Frogs.\n", "a.csv:1: the first line names none of the fields: _id, text"),
        ("a.tsv", "d1\tA lamp shines.\nd2\tFrogs.\n", "a.tsv:1: the first line names none of the fields: _id, text"),
        ("a.tsv", "_id\ttext\rd1\tx\rd2\ty\r", "a.tsv:1: lines end in carriage returns alone"),
        ("a.csv", "_id,text\rd1,x\r", "a.csv:1: lines end in carriage returns alone"),
    ],
)
def test_a_table_in_another_form_than_its_name_says_is_told_by_its_first_line(
    tmp_path: Path, name: str, content: str, told: str
) -> None:
    (tmp_path / name).write_bytes(content.encode())
    with pytest.raises(IsoglotError, match=told):
        list(read_documents(str(tmp_path / name), "en"))


def test_gzipped_files_are_read_as_what_is_inside(tmp_path: Path) -> None:
    spec = folder(tmp_path / "data", CORPUS, QUERIES, QRELS)
    plain = load_collection(spec)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        gzipped(tmp_path / "data" / name)
    assert load_collection(spec).fingerprint == plain.fingerprint
    assert len(list(read_documents(str(tmp_path / "data" / "corpus.jsonl.gz")))) == 3
    pq.write_table(pa.Table.from_pylist(CORPUS), tmp_path / "a.parquet")
    (tmp_path / "note.txt").write_text("Der Zug kommt um sechs Uhr.")
    assert len(texts(gzipped(tmp_path / "a.parquet"))) == 3
    (note,) = read_documents(str(gzipped(tmp_path / "note.txt")))
    assert note.text == "Der Zug kommt um sechs Uhr."


def test_damaged_and_other_compression_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "x"}\n' * 1000)[:-20])
    (tmp_path / "b.jsonl").write_bytes(b"\x28\xb5\x2f\xfd\x00\xff")
    with pytest.raises(IsoglotError, match=r"a.jsonl.gz: cannot be decompressed: "):
        texts(tmp_path / "a.jsonl.gz")
    with pytest.raises(IsoglotError, match=r"b.jsonl: is compressed with zstd; decompress it"):
        texts(tmp_path / "b.jsonl")


@pytest.mark.parametrize(
    "text",
    [
        "query-id\tcorpus-id\tscore\nq1\td1\t1\n",
        "q1\td1\t1\n",
        "q1 d1 1\n",
        "q1 0 d1 1\n",
        "q1\t0\td1\t1\n",
        " q1  Q0   d1 1.0 \r\n",
        "qid 0 docid rel\nq1 0 d1 1\n",
    ],
)
def test_the_one_reader_of_qrels_takes_the_shapes_of_beir_and_trec(tmp_path: Path, text: str) -> None:
    (tmp_path / "qrels").write_text(text)
    ((query, document, relevance, _),) = read_qrels(tmp_path / "qrels")
    assert (query, document, relevance) == ("q1", "d1", 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", "query-id\tcorpus-id\tscore\titeration\nq1\td1\t2\t0\n"),
        ("a.tsv", "Topic iteration DocNo rel\nq1 0 d1 2\n"),
        ("a.jsonl", '{"query_id": "q1", "doc_id": "d1", "relevance": 2, "iteration": "0"}'),
        ("a.csv", "qid,docid,label\nq1,d1,2\n"),
    ],
)
def test_the_header_of_qrels_says_which_column_is_which(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert [judgement[:3] for judgement in read_qrels(tmp_path / name)] == [("q1", "d1", 2)]


def test_a_line_of_qrels_that_lacks_a_column_of_the_header_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("query-id\titeration\tcorpus-id\tscore\nq1\td1\t1\n")
    with pytest.raises(IsoglotError, match=r"a.tsv:2: has 3 fields, the header has 4"):
        list(read_qrels(tmp_path / "a.tsv"))


def test_ids_are_split_where_trec_eval_splits_them(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("q\u00a01 0 d\u30001 1\n")
    assert [judgement[:2] for judgement in read_qrels(tmp_path / "qrels")] == [("q\u00a01", "d\u30001")]
    (tmp_path / "run").write_text("q\u00a01 Q0 d\u30001 1 0.5 x\n")
    assert [line.document for line in read_run(tmp_path / "run")["q\u00a01"]] == ["d\u30001"]


def test_an_id_with_spaces_is_whole_between_tabs(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("q 1\td 1\t2\n")
    assert [judgement[:3] for judgement in read_qrels(tmp_path / "qrels")] == [("q 1", "d 1", 2)]


@pytest.mark.parametrize("relevance", ["nan", "inf", "yes"])
def test_a_relevance_that_is_no_number_is_told_with_its_line(tmp_path: Path, relevance: str) -> None:
    (tmp_path / "qrels").write_text(f"q1\td1\t1\nq1\t0\td1\t{relevance}\n")
    with pytest.raises(IsoglotError, match=r"qrels:2: the relevance .* is no number"):
        list(read_qrels(tmp_path / "qrels"))


def test_both_ways_to_name_qrels_leave_out_the_same_judgements(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A judgement of an absent document is counted if it says relevant, and of no interest if it says 0."""
    qrels = QRELS + "q2\tzzz\t1\nq2\tyyy\t0\nq9\tfrog-en\t1\n"
    spec = folder(tmp_path / "data", CORPUS, QUERIES, qrels)
    found = load_collection(spec)
    assert found.golds == {"q1": ("lamp",), "q2": ("frog",)}
    assert found.notes == (
        "left out: judgements of documents that the corpus lacks: 1, first in test.tsv:4; "
        "judgements of queries that the collection lacks: 1, first in test.tsv:6",
    )
    table = tmp_path / "data" / "corpus.jsonl"
    judged = judged_collection(table, tmp_path / "data" / "qrels" / "test.tsv", "en")
    assert judged.golds == {**found.golds, "q9": ("frog",)}
    assert judged.notes[1] == "left out: judgements of documents that the corpus lacks: 1, first in test.tsv:4"
    assert [record.getMessage().split(": left out")[0] for record in caplog.records] == [
        spec,
        str(tmp_path / "data" / "qrels" / "test.tsv"),
    ]
    with pytest.raises(IsoglotError, match=r"test.tsv:4: --strict refuses judgements of documents"):
        load_collection(spec, strict=True)
    with pytest.raises(IsoglotError, match=r"test.tsv:4: --strict refuses judgements of documents"):
        judged_collection(table, tmp_path / "data" / "qrels" / "test.tsv", "en", strict=True)


def test_a_title_stands_for_a_text_and_a_document_without_either_is_left_out_everywhere(tmp_path: Path) -> None:
    more = [
        {"_id": "t", "title": "Salt", "text": " ", "lang": "en"},
        {"_id": "n", "title": None, "text": None, "lang": "en"},
        {"_id": "m", "text": "x", "lang": "mul"},
    ]
    queries = [*QUERIES, {"_id": "q3", "text": "", "lang": "en"}, {"_id": "q4", "text": "?", "lang": "und"}]
    found = load_collection(folder(tmp_path / "data", [*CORPUS, *more], queries, QRELS))
    assert [document.text for document in found.documents][3:] == ["Salt"]
    assert "left out: documents without text (field 'text' or 'title'): 1, first in corpus.jsonl:5; " in found.notes[0]
    assert "texts whose language cannot be told" in found.notes[0]
    assert "queries without text: 1, first in queries.jsonl:3" in found.notes[0]
    indexed = list(read_documents(str(tmp_path / "data" / "corpus.jsonl")))
    assert [(document.id, document.title, document.text) for document in indexed][3:4] == [("t", "", "Salt")]
    assert "n" not in {document.id for document in indexed}


@pytest.mark.parametrize("tag", ["mis", "und_Latn", "qaa", "unknown", "N/A"])
def test_a_line_that_says_that_it_has_no_language_stops_no_reader(tmp_path: Path, tag: str) -> None:
    corpus = [*CORPUS, {"_id": "x9", "text": "brr brr", "lang": tag}]
    data = tmp_path / "data"
    found = load_collection(folder(data, corpus, QUERIES, QRELS))
    assert found.notes == (f"left out: {UNKNOWN_LANGUAGE}: 1, first in corpus.jsonl:4",)
    judged = judged_collection(data / "corpus.jsonl", data / "qrels" / "test.tsv", "en")
    assert judged.notes[1:] == found.notes
    assert len(read_documents_table(data / "corpus.jsonl")) == len(found.documents) == 3
    assert len(list(read_documents(str(data / "corpus.jsonl"), "de"))) == 4
    with pytest.raises(IsoglotError, match=r"corpus.jsonl:4: --strict refuses texts whose language cannot be told"):
        read_documents_table(data / "corpus.jsonl", strict=True)


def test_a_text_whose_language_cannot_be_told_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [{"id": "1", "text": "The train arrives at six."}, {"id": "2", "text": "👍 12:30"}])
    assert [document.id for document in read_documents(str(path))] == ["1"]
    assert [document.language for document in read_documents(str(path), "de")] == ["de", "de"]
    (record,) = caplog.records
    assert "left out: texts whose language cannot be told" in record.getMessage()


@pytest.mark.parametrize("command", ["index", "encode"])
def test_a_strict_command_stops_at_what_another_leaves_out(tmp_path: Path, command: str, tiny_model: Path) -> None:
    corpus = write_jsonl(tmp_path / "a.jsonl", [{"id": "1", "text": "The road.", "lang": "en"}, {"id": "2"}])
    arguments = [command, corpus, "-m", tiny_model, "-o", tmp_path / "out"]
    strict = command_line.isoglot(*arguments, "--strict")
    assert strict.returncode == 2
    assert f"isoglot: {corpus}:2: --strict refuses documents without text" in strict.stderr
    done = command_line.isoglot(*arguments)
    assert done.returncode == 0
    assert done.stderr.count("left out: documents without text (field 'text' or 'title'): 1, first in a.jsonl:2") == 1
    if command == "encode":
        again = command_line.isoglot(*arguments, "--json")
        assert json.loads(again.stdout)["left_out"].startswith("left out: documents without text")


def parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


JUDGED = [
    {"query-id": "q1", "corpus-id": "lamp-en", "score": 1},
    {"query-id": "q2", "corpus-id": "frog-en", "score": 1},
]
SHARD = "test-00000-of-00001.parquet"


def _folders(root: Path) -> None:
    parquet(root / "corpus" / "corpus-00000-of-00002.parquet", CORPUS[:2])
    parquet(root / "corpus" / "corpus-00001-of-00002.parquet", CORPUS[2:])
    parquet(root / "queries" / SHARD, QUERIES)
    parquet(root / "default" / SHARD, JUDGED)


def _one_folder(root: Path) -> None:
    parquet(root / "data" / "corpus-00000-of-00001.parquet", CORPUS)
    parquet(root / "data" / "queries-00000-of-00001.parquet", QUERIES)
    parquet(root / "qrels" / SHARD, JUDGED)


def _json_lines(root: Path) -> None:
    folder(root, CORPUS, QUERIES, "")
    (root / "qrels" / "test.tsv").unlink()
    write_jsonl(root / "qrels" / "test.jsonl", JUDGED)


@pytest.mark.parametrize("layout", [_folders, _one_folder, _json_lines])
def test_the_layouts_of_the_hub_hold_the_same_collection(tmp_path: Path, layout: Callable[[Path], None]) -> None:
    plain = load_collection(folder(tmp_path / "plain", CORPUS, QUERIES, QRELS))
    layout(tmp_path / "hub")
    assert load_collection(f"folder:{tmp_path / 'hub'}").fingerprint == plain.fingerprint
    assert load_collection(f"folder:{tmp_path / 'hub'}@test").fingerprint == plain.fingerprint


def test_a_configuration_of_mteb_is_a_language_and_its_ids_are_its_own(tmp_path: Path) -> None:
    for tag, text in (("deu_Latn", "Salz kommt aus dem Meer."), ("fr", "Le sel vient de la mer.")):
        parquet(tmp_path / f"{tag}-corpus" / SHARD, [{"_id": "1", "title": "", "text": text}])
        parquet(tmp_path / f"{tag}-queries" / SHARD, [{"_id": "1", "text": f"{text}?"}])
        parquet(tmp_path / f"{tag}-qrels" / SHARD, [{"query-id": "1", "corpus-id": "1", "score": 1}])
    found = load_collection(f"folder:{tmp_path}")
    assert [(d.content_id, d.language) for d in found.documents] == [("deu_Latn:1", "de"), ("fr:1", "fr")]
    assert found.golds == {"deu_Latn:1": ("deu_Latn:1",), "fr:1": ("fr:1",)}
    assert found.named("de") == "deu_Latn"


ENGLISH, GERMAN, XHOSA = (
    "The committee postponed the meeting until Wednesday because the chair was ill.",
    "Die Sitzung wurde auf Mittwoch verschoben, weil die Vorsitzende krank war.",
    "Umongameli wathi urhulumente uza kwakha izindlu ezintsha kulo nyaka. Abantwana baya esikolweni yonke imihla.",
)


@pytest.mark.parametrize(
    ("texts", "tags"),
    [
        ({"law": ENGLISH, "cs": ENGLISH, "gis": ENGLISH}, ["en", "en", "en"]),
        ({"cs": ENGLISH}, ["en"]),
        ({"cs": ENGLISH, "en": ENGLISH}, ["en", "en"]),
        ({"en-de": GERMAN, "deu-eng": GERMAN}, ["de", "de"]),
        ({"de": GERMAN, "xh": XHOSA}, ["de", "xh"]),
        ({"xh": XHOSA}, ["xh"]),
        ({"de": GERMAN, "xh": XHOSA, "pcm": ENGLISH}, ["de", "pcm", "xh"]),
    ],
)
def test_a_configuration_is_a_language_only_where_the_texts_agree(
    tmp_path: Path, texts: dict[str, str], tags: list[str]
) -> None:
    for name, text in texts.items():
        parquet(tmp_path / f"{name}-corpus" / SHARD, [{"_id": "1", "text": text}])
        parquet(tmp_path / f"{name}-queries" / SHARD, [{"_id": "1", "text": text}])
        parquet(tmp_path / f"{name}-qrels" / SHARD, [{"query-id": "1", "corpus-id": "1", "score": 1}])
    found = load_collection(f"folder:{tmp_path}", find_identical=True)
    assert sorted(document.language for document in found.documents) == tags
    assert any("was detected" in note for note in found.notes) == (not {*texts} & {*tags} or "cs" in texts)


def test_a_table_of_documents_may_have_a_header(tmp_path: Path) -> None:
    (tmp_path / "bare.tsv").write_text("d1\ten\tc\nd2\tzh\tc\n")
    (tmp_path / "header.tsv").write_text("id\tlanguage\tcontent_id\nd1\ten\tc\nd2\tzh\tc\n")
    (tmp_path / "a.csv").write_text("_id,lang,content_id\nd1,en,c\nd2,zh,c\n")
    tables = [read_documents_table(tmp_path / name) for name in ("bare.tsv", "header.tsv", "a.csv")]
    assert tables == [{"d1": ("c", "en"), "d2": ("c", "zh")}] * 3


def test_whatever_is_damaged_in_a_parquet_file_is_told_in_one_line(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", CORPUS)
    whole = (tmp_path / "a.parquet").read_bytes()
    messages = []
    for at in range(0, len(whole), 3):
        (tmp_path / "a.parquet").write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
        try:
            list(read_records(tmp_path / "a.parquet"))
        except IsoglotError as error:
            messages.append(str(error))
    assert messages
    start = f"{tmp_path}/a.parquet: cannot "
    assert all(message.startswith(start) and "\n" not in message for message in messages)


QUESTION, ANSWER, OTHER = "When do frogs lay eggs?", "青蛙在早春把卵产在池塘里。", "灯芯把油吸到火焰处，灯就发光。"


@pytest.mark.parametrize(
    ("line", "content_id", "document"),
    [
        ({"anchor": QUESTION, "positive": ANSWER, "negative": OTHER}, None, ANSWER),
        ({"anchor": QUESTION, "positive": ANSWER, "negative_1": OTHER, "negative_2": OTHER}, None, ANSWER),
        ({"query": QUESTION, "pos": [ANSWER], "neg": [OTHER], "pos_scores": [0.9], "neg_scores": [0.1]}, None, ANSWER),
        (
            {
                "query_id": "7",
                "query": QUESTION,
                "positive_passages": [{"docid": "1#0", "title": "灯", "text": ANSWER}],
                "negative_passages": [{"docid": "2#0", "title": "蛙", "text": OTHER}],
            },
            "zh:1#0",
            f"灯\n{ANSWER}",
        ),
    ],
)
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rows_of_other_tools_are_read_as_they_are_written(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    line: dict[str, Any],
    content_id: str | None,
    document: str,
    suffix: str,
) -> None:
    path = tmp_path / f"rows.{suffix}"
    if suffix == "jsonl":
        path.write_text(json.dumps(line) + "\n")
    else:
        parquet(path, [line])
    (row,) = read_rows(path)
    assert (row.query, row.document) == ({"en": QUESTION}, {"zh": document})
    assert content_id is None or row.content_id == content_id
    negatives = 2 if "negative_2" in line else 1
    assert f"{path}: {negatives} negatives are not read; training mines its own" in caplog.messages
    assert any(
        "the language of 1 queries was detected: en 1; name it with --query-language" in m for m in caplog.messages
    )
    (named,) = read_rows(path, query_language="eng_Latn", document_language="zh-TW")
    assert (list(named.query), list(named.document)) == (["en"], ["zh-TW"])


def test_every_positive_is_a_row_and_a_row_without_any_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [{"query": QUESTION, "pos": [ANSWER, OTHER], "neg": []}, {"query": QUESTION, "pos": [], "neg": []}]
    write_jsonl(tmp_path / "rows.jsonl", lines)
    rows = read_rows(tmp_path / "rows.jsonl", document_language="zh", query_language="en")
    assert [row.document["zh"] for row in rows] == [ANSWER, OTHER]
    assert len({row.content_id for row in rows}) == 2
    assert "left out: rows without a question or a positive text: 1, first in rows.jsonl:2" in caplog.text
    with pytest.raises(IsoglotError, match=r"rows.jsonl:2: --strict refuses rows without"):
        read_rows(tmp_path / "rows.jsonl", strict=True)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "csv", "tsv"])
def test_a_row_whose_question_or_positive_is_null_is_left_out(
    suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = [(QUESTION, ANSWER), (QUESTION, None), (None, ANSWER)]
    path = tmp_path / f"rows.{suffix}"
    for names in (("anchor", "positive"), ("query", "positive")):
        records = [dict(zip(names, pair, strict=True)) for pair in pairs]
        if suffix == "jsonl":
            write_jsonl(path, records)
        elif suffix == "parquet":
            parquet(path, records)
        else:
            cells = [names, *((one or "", other or "") for one, other in pairs)]
            path.write_text("".join({"csv": ",", "tsv": "\t"}[suffix].join(line) + "\n" for line in cells))
        assert [row.query for row in training_rows(str(path))] == [{"en": QUESTION}]
        assert "left out: rows without a question or a positive text: 2" in caplog.text


def test_null_positives_are_passed_over(tmp_path: Path) -> None:
    lines = [
        {"query": QUESTION, "pos": None, "neg": [OTHER]},
        {"query": QUESTION, "pos": [None, ANSWER], "neg": None},
        {"query": QUESTION, "pos": None},
    ]
    write_jsonl(tmp_path / "rows.jsonl", lines)
    assert [row.document for row in read_rows(tmp_path / "rows.jsonl")] == [{"zh": ANSWER}]


def test_rows_in_structs_have_null_for_each_language_that_they_lack(tmp_path: Path) -> None:
    rows = [Row("a", {"en": QUESTION}, {"en": "In spring.", "zh": ANSWER}), Row("b", {"de": "Warum?"}, {"de": "So."})]
    tags = dict.fromkeys(("de", "en", "zh"))
    records = [
        {"content_id": row.content_id, "query": tags | row.query, "document": tags | row.document, "source": None}
        for row in rows
    ]
    parquet(tmp_path / "rows.parquet", records)
    write_jsonl(tmp_path / "rows.jsonl", records)
    assert read_rows(tmp_path / "rows.parquet") == read_rows(tmp_path / "rows.jsonl") == rows
    parquet(tmp_path / "rows.parquet", [{"query": QUESTION, "document": [ANSWER, OTHER]}])
    with pytest.raises(IsoglotError, match=r"rows.parquet:1: not a training row: "):
        read_rows(tmp_path / "rows.parquet")


def test_what_is_no_row_of_any_tool_names_the_forms(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [{"sentence1": "a", "sentence2": "b"}])
    with pytest.raises(IsoglotError, match=r"rows.jsonl:1: not a training row: .*FlagEmbedding's"):
        read_rows(tmp_path / "rows.jsonl")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_folder_gives_its_own_regular_files_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "The road over the mountain is closed."
    (tmp_path / "secret.txt").write_text(text)
    root = tmp_path / "corpus"
    (root / "inside").mkdir(parents=True)
    (root / "inside" / "a.txt").write_text(text)
    (root / "link.txt").symlink_to("inside/a.txt")
    (root / "again").symlink_to("inside")
    (root / "out.txt").symlink_to("../secret.txt")
    (root / "up").symlink_to("..")
    (root / "nowhere.txt").symlink_to("absent.txt")
    (root / "loop.txt").symlink_to("loop.txt")
    os.mkfifo(root / "pipe.txt")
    Path(os.fsdecode(bytes(root) + b"/caf\xe9.txt")).write_text(text)
    assert [document.id for document in read_documents(str(root))] == ["link.txt", "inside/a.txt"]
    assert caplog.messages == [
        f"{root}: left out: files whose names are not UTF-8: 1, first in caf\\udce9.txt; "
        "links that lead out of the folder or nowhere: 4, first in loop.txt; "
        "pipes, sockets and devices: 1, first in pipe.txt"
    ]


def test_files_that_are_too_large_or_too_slow_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "MAX_BYTES", 2**20)
    monkeypatch.setattr(extraction, "MAX_SECONDS", 0.3)
    (tmp_path / "a.txt").write_text("The road over the mountain is closed.")
    (tmp_path / "bomb.txt.gz").write_bytes(gzip.compress(b"x" * 2**24))
    operators = zlib.compress(b"BT /F1 12 Tf (snow) Tj ET\n" * 1_000_000)
    stream = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(operators), operators)
    (tmp_path / "slow.pdf").write_bytes(pdf_of(stream))
    assert [document.id for document in read_documents(str(tmp_path))] == ["a.txt"]
    assert caplog.messages == [
        f"{tmp_path}: left out: files that are too large or nested too deeply, or take too long to read: 2, "
        "first in bomb.txt.gz"
    ]


def test_a_file_of_a_folder_that_cannot_be_read_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.txt").write_text("The road over the mountain is closed.")
    (tmp_path / "empty.pdf").touch()
    (tmp_path / "latin.txt").write_bytes("Die Straße ist gesperrt.".encode("latin-1"))
    (tmp_path / "cut.jsonl").write_text('{"_id": "d", "lang": "en", "text": "Frogs lay eggs."}\n{"_id": "e", "te')
    assert [document.id for document in read_documents(str(tmp_path))] == ["a.txt", "d"]
    (message,) = caplog.messages
    assert "files that cannot be read, or not to their end: 3, first in cut.jsonl:2 (malformed JSON" in message
    with pytest.raises(IsoglotError, match=r"cut.jsonl:2: malformed JSON"):
        list(read_documents(str(tmp_path), left_out=LeftOut(strict=True)))
    with pytest.raises(IsoglotError, match=r"latin.txt:1: is not UTF-8 here"):
        list(read_documents(str(tmp_path / "latin.txt")))


@pytest.mark.parametrize("layout", ["files", "folders"])
def test_of_a_folder_that_is_a_collection_the_corpus_alone_is_read(layout: str, tmp_path: Path) -> None:
    folder(tmp_path, CORPUS, QUERIES, QRELS)
    names, first = ["lamp-en", "lamp-zh", "frog-en"], "test.tsv"
    if layout == "folders":
        for name in ("corpus", "queries"):
            (tmp_path / f"en-{name}").mkdir()
            (tmp_path / f"{name}.jsonl").rename(tmp_path / f"en-{name}" / "train.jsonl")
        names, first = [f"en:{name}" for name in names], "train.jsonl"
    left_out = LeftOut(strict=True)
    assert [document.id for document in read_documents(str(tmp_path), left_out=left_out)] == names
    kind = "files beside the corpus of a collection, such as queries and qrels"
    assert left_out.note == f"left out: {kind}: 2, first in {first}"


def test_of_documents_and_of_queries_with_one_id_the_first_counts(tmp_path: Path) -> None:
    other = {"_id": "lamp-en", "text": "Another text.", "lang": "en", "content_id": "other"}
    data = folder(tmp_path / "c", [*CORPUS, CORPUS[0], other], [*QUERIES, QUERIES[0]], QRELS)
    collection = load_collection(data)
    assert [document.text for document in collection.documents] == [document["text"] for document in CORPUS]
    assert [query.text for query in collection.queries] == [query["text"] for query in QUERIES]
    documents = "documents with the id of an earlier one, or its text if they have no id: 2, first in corpus.jsonl:4"
    queries = "queries with the id of an earlier one: 1, first in queries.jsonl:3"
    assert collection.notes == (f"left out: {documents}; {queries}",)
    left_out = LeftOut()
    found = list(read_documents(str(tmp_path / "c" / "corpus.jsonl"), left_out=left_out))
    assert [document.id for document in found] == [document["_id"] for document in CORPUS]
    assert left_out.note == f"left out: {documents}"
    with pytest.raises(IsoglotError, match=r"corpus.jsonl:4: --strict refuses documents with the id of an earlier"):
        load_collection(data, strict=True)
    corpus = tmp_path / "c" / "corpus.jsonl"
    assert read_documents_table(corpus) == {
        document["_id"]: (document["content_id"], document["lang"]) for document in CORPUS
    }
    with pytest.raises(IsoglotError, match=r"corpus.jsonl:4: --strict refuses documents with the id of an earlier"):
        read_documents_table(corpus, strict=True)


def test_a_small_file_does_not_become_a_huge_line_or_cell(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "' + b"x" * 2**26 + b'"}', 1))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b'text\n"' + (b"x" * 2**20 + b"\n") * 65 + b'"', 1))
    pq.write_table(pa.table({"text": ["x" * (2**26 + 1)]}), tmp_path / "a.parquet", compression="zstd")
    (tmp_path / "b.parquet.gz").write_bytes(gzip.compress(bytes(2**26 + 1), 1))
    for name, message in (
        ("a.jsonl.gz", "a.jsonl.gz:1: the line is longer than 64 MiB"),
        ("a.csv.gz", "a.csv.gz:2: malformed CSV: field larger than field limit"),
        ("a.parquet", "a.parquet: rows are longer than 64 MiB"),
        ("b.parquet.gz", "b.parquet.gz: is larger than 64 MiB; decompress it"),
    ):
        with pytest.raises(IsoglotError, match=message):
            list(read_records(tmp_path / name))
    pq.write_table(pa.table({"text": pa.array(["x" * 2**21] * 64).dictionary_encode()}), tmp_path / "c.parquet")
    assert (tmp_path / "c.parquet").stat().st_size < 2**18
    before = pa.total_allocated_bytes()
    assert max(pa.total_allocated_bytes() - before for _ in read_records(tmp_path / "c.parquet")) < 2**24


def pdf_of(stream: bytes) -> bytes:
    """A PDF of one page with this content stream."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 500 200] /Contents 4 0 R /Resources << /Font << /F1 "
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        stream,
    ]
    data, table = b"%PDF-1.4\n", b"0000000000 65535 f \n"
    for number, content in enumerate(objects, start=1):
        table += b"%010d 00000 n \n" % len(data)
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    end = b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % len(data)
    return data + b"xref\n0 5\n" + table + end


def test_a_block_that_takes_too_long_is_ended_and_a_quick_one_is_not() -> None:
    def endless() -> None:
        with deadline(0.05):
            while True:
                pass

    with pytest.raises(DeadlineError, match=r"took more than 0\.05 seconds"):
        endless()
    with deadline(60):
        pass
