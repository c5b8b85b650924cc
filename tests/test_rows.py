"""Rows: their files, what becomes rows, and what rows become."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

import isoglot
from isoglot import Collection, IsoglotError, Row, load_collection, read_rows, training_rows, write_rows
from isoglot.training_data.choosing import spread
from isoglot.training_data.exporting import NEGATIVES, export
from isoglot.training_data.groups import answer_groups
from isoglot.training_data.row import fingerprint
from isoglot.training_data.statistics import save_plot, statistics_of

ROWS = [
    Row(
        "a",
        {"en": "Where does bread come from?", "de": "Woher kommt Brot?"},
        {"en": "Flour becomes bread.", "de": "Aus Mehl wird Brot.", "zh": "面粉变成面包。"},
        "bakery",
        "CC0-1.0",
        {"en": "original", "de": "human", "zh": "gpt-4o"},
    ),
    Row("b", {"en": "When does the train leave?"}, {"en": "At nine\nand ten.", "ar": "في التاسعة"}),
]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_what_is_written_is_read(name: str, tmp_path: Path) -> None:
    write_rows(tmp_path / name, ROWS)
    assert read_rows(tmp_path / name) == ROWS
    assert training_rows(str(tmp_path / name)) == ROWS
    first = (tmp_path / name).read_bytes()
    write_rows(tmp_path / name, ROWS)
    assert (tmp_path / name).read_bytes() == first


def test_a_line_has_the_documented_fields(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", ROWS)
    line = json.loads((tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert list(line) == sorted(["content_id", "query", "document", "source", "licence", "provenance", "hash"])
    assert line["hash"] == ROWS[0].hash


def test_language_tags_come_in_through_the_one_door(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(
        '{"content_id": "a", "query": {"eng_Latn": "?", "zh-CN": "?"}, "document": {"en": "x", "zho_Hans": "y"}}'
    )
    assert read_rows(tmp_path / "rows.jsonl")[0].languages == ["en", "zh"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "malformed JSON"),
        ('{"content_id": "a"}', "missing required field `query`"),
        ('{"content_id": 7, "query": {"en": "q"}, "document": {"en": "d"}}', r"got `int` - at `\$.content_id`"),
        ('{"content_id": "a", "query": {"en": 7}, "document": {"en": "d"}}', r"at `\$.query\[...\]`"),
        ('{"content_id": "a", "query": {"en": "q"}, "document": {"en": "d"}, "x": 1}', "unknown field `x`"),
        ('{"content_id": "a", "query": {}, "document": {"en": "d"}}', "field 'query' has no text"),
        ('{"content_id": "a", "query": {"en": "q"}, "document": {}}', "field 'document' has no text"),
        ('{"content_id": "a", "query": {"en": "q"}, "document": {"en": " "}}', "field 'document.en' is empty"),
        ('{"content_id": "a", "query": {"xx1": "q"}, "document": {"en": "d"}}', "unknown language 'xx1'"),
        ('{"content_id": "a", "query": {"zh": "q", "zh-CN": "q"}, "document": {"en": "d"}}', "are one"),
        ('{"content_id": "a", "query": {"en": "q"}, "document": {"en": "d"}, "hash": "0"}', "the texts were changed"),
        ('{"content_id": "a", "query": {"en": "\\ud800"}, "document": {"en": "d"}}', "surrogate"),
    ],
)
def test_a_wrong_line_is_reported_with_file_and_line(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"content_id": "a", "query": {"en": "q"}, "document": {"en": "d"}}\n' + line)
    with pytest.raises(IsoglotError, match=message) as error:
        read_rows(path)
    assert str(error.value).startswith(f"{path}:2: ")
    assert "\n" not in str(error.value)


def test_files_that_are_no_rows_are_reported(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(IsoglotError, match=r"rows.parquet: cannot be read as Parquet"):
        read_rows(tmp_path / "rows.parquet")
    (tmp_path / "latin.jsonl").write_bytes('{"content_id": "ü"}'.encode("latin-1"))
    with pytest.raises(IsoglotError, match=r"latin.jsonl:1: byte 17 of the line is not UTF-8"):
        read_rows(tmp_path / "latin.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(IsoglotError, match="has no rows"):
        training_rows(str(tmp_path / "empty.jsonl"))
    with pytest.raises(IsoglotError, match="no such file"):
        training_rows(str(tmp_path / "none.jsonl"))
    with pytest.raises(IsoglotError, match=r"rows are written to .jsonl or .parquet"):
        write_rows(tmp_path / "rows.csv", ROWS)


def test_a_collection_gives_a_row_for_each_question_and_gold(small_collection: Collection) -> None:
    rows = training_rows(small_collection)
    assert len(rows) == 6
    assert rows[0].languages == ["en", "de", "ru"]
    assert rows[0].source == "small"
    assert fingerprint(rows) != fingerprint(rows[::-1])


def test_languages_are_kept_as_named_and_missing_ones_reported() -> None:
    assert training_rows(ROWS, ["en", "zh-Hans"])[0].languages == ["en", "zh"]
    with pytest.raises(IsoglotError, match=r"rows has no text in 'fr'; it has ar, de, en, zh"):
        training_rows(ROWS, ["fr"])
    with pytest.raises(IsoglotError, match="has no question with a gold document in ar"):
        training_rows(ROWS, ["ar"])


@given(
    st.lists(st.sets(st.sampled_from(["ar", "de", "fr", "ja", "zh"]), min_size=1), min_size=1, max_size=30),
    st.integers(1, 3),
    st.integers(0, 3),
)
def test_spread_keeps_english_and_evens_out_the_rest(sets: list[set[str]], per_row: int, seed: int) -> None:
    rows = [
        Row(str(i), dict.fromkeys(["en", *sorted(tags)], f"q{i}"), dict.fromkeys(["en", *sorted(tags)], f"d{i}"))
        for i, tags in enumerate(sets)
    ]
    kept = spread(rows, per_row, seed)
    assert [row.content_id for row in kept] == [row.content_id for row in rows]
    assert all(
        row.languages[0] == "en" and len(row.languages) == min(per_row, len(tags)) + 1
        for row, tags in zip(kept, sets, strict=True)
    )
    again = spread(rows[::-1], per_row, seed)[::-1]
    assert again == kept


def test_spread_is_a_round_robin() -> None:
    tags = ["en", "ar", "de", "fr", "ja"]
    rows = [Row(str(i), dict.fromkeys(tags, f"q{i}"), dict.fromkeys(tags, f"d{i}")) for i in range(40)]
    counted = statistics_of(spread(rows, 1))
    assert {tag: language.documents for tag, language in counted.languages.items()} == {
        "en": 40,
        "ar": 10,
        "de": 10,
        "fr": 10,
        "ja": 10,
    }
    with pytest.raises(IsoglotError, match="at least 1"):
        spread(rows, 0)


def test_an_export_for_beir_is_read_back_as_the_same_rows(tmp_path: Path) -> None:
    export(ROWS, "beir", tmp_path / "beir")
    again = training_rows(load_collection(f"folder:{tmp_path / 'beir'}@train"))
    assert [(row.content_id, row.query, row.document) for row in again] == [
        (row.content_id, row.query, row.document) for row in ROWS
    ]


def test_an_export_for_sentence_transformers_has_two_columns_that_load(tmp_path: Path) -> None:
    from datasets import load_dataset

    export(ROWS, "sentence-transformers", tmp_path / "pairs.jsonl")
    pairs = load_dataset("json", data_files=str(tmp_path / "pairs.jsonl"), split="train", cache_dir=str(tmp_path / "c"))
    assert pairs.column_names == ["anchor", "positive"]
    assert len(pairs) == 2 * 3 + 1 * 2


def test_an_export_for_flagembedding_has_negatives_of_other_contents_alone(tmp_path: Path) -> None:
    export(ROWS, "flagembedding", tmp_path / "flag.jsonl", seed=1)
    lines = [json.loads(line) for line in (tmp_path / "flag.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["query"] for line in lines] == [
        "Where does bread come from?",
        "Woher kommt Brot?",
        "When does the train leave?",
    ]
    assert lines[0]["pos"] == list(ROWS[0].document.values())
    assert all(len(line["neg"]) == NEGATIVES for line in lines)
    assert set(lines[0]["neg"]) <= set(ROWS[1].document.values())
    with pytest.raises(IsoglotError, match="at least two contents"):
        export(ROWS[:1], "flagembedding", tmp_path / "one.jsonl")


TWO_GOLDS = [
    Row("ill", {"en": "Why was it postponed?", "de": "Warum?"}, {"en": "The chair was ill."}),
    Row("strike", {"en": "Why was it postponed?"}, {"en": "There was a strike.", "de": "Es war Streik."}),
    Row("strike", {"en": "Who went on strike?"}, {"en": "There was a strike.", "de": "Es war Streik."}),
    Row("lamp", {"en": "Where is the lamp?"}, {"en": "It is on the table."}),
]


def test_all_documents_that_answer_a_question_are_its_positives_and_never_negatives(tmp_path: Path) -> None:
    assert answer_groups(TWO_GOLDS) == {"ill": "ill", "strike": "ill", "lamp": "lamp"}
    export(TWO_GOLDS, "flagembedding", tmp_path / "flag.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "flag.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["query"] for line in lines] == [
        "Why was it postponed?",
        "Warum?",
        "Who went on strike?",
        "Where is the lamp?",
    ]
    assert lines[0]["pos"] == ["The chair was ill.", "There was a strike.", "Es war Streik."]
    assert all(set(line["neg"]) == {"It is on the table."} for line in lines[:3])
    export(TWO_GOLDS, "beir", tmp_path / "beir")
    collection = load_collection(f"folder:{tmp_path / 'beir'}@train")
    assert collection.golds == {"0": ("ill", "strike"), "1": ("ill", "strike"), "2": ("strike",), "3": ("lamp",)}


def test_an_export_for_beir_has_ids_that_qrels_can_hold_and_no_document_in_place_of_another(tmp_path: Path) -> None:
    spaced = [msgspec.structs.replace(row, content_id=name) for row, name in zip(ROWS, (" a\tb ", "a\nb"), strict=True)]
    export(spaced, "beir", tmp_path / "spaced")
    documents = load_collection(f"folder:{tmp_path / 'spaced'}@train").documents
    assert len(documents) == sum(len(row.document) for row in ROWS)
    differing = [ROWS[0], msgspec.structs.replace(ROWS[1], content_id="a")]
    with pytest.raises(IsoglotError, match="two documents would have the id 'a/en'; give each a content_id of its own"):
        export(differing, "beir", tmp_path / "differing")
    assert not (tmp_path / "differing").exists()


def test_an_export_replaces_nothing_unasked(tmp_path: Path) -> None:
    export(ROWS, "beir", tmp_path / "out")
    with pytest.raises(IsoglotError, match="exists already"):
        export(ROWS, "beir", tmp_path / "out")
    export(ROWS, "beir", tmp_path / "out", force=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(IsoglotError, match="--force deletes no other"):
        export(ROWS, "beir", tmp_path / "mine", force=True)
    assert (tmp_path / "mine" / "thesis.tex").exists()
    with pytest.raises(IsoglotError, match="unknown form 'x'; choose from sentence-transformers, flagembedding, beir"):
        export(ROWS, "x", tmp_path / "new")


def test_statistics_count_what_is_there() -> None:
    counted = statistics_of(ROWS)
    assert (counted.rows, counted.contents) == (2, 2)
    assert list(counted.languages) == ["en", "ar", "de", "zh"]
    assert (
        counted.languages["zh"].queries,
        counted.languages["zh"].documents,
        counted.languages["zh"].document_length,
    ) == (
        0,
        1,
        7,
    )
    assert counted.sources == {"bakery": 1, "not stated": 1}
    assert counted.licences == {"CC0-1.0": 1, "not stated": 1}
    assert counted.provenance == {"not stated": 2, "original": 1, "human": 1, "gpt-4o": 1}
    assert counted.languages_in_a_row == {2: 1, 3: 1}


@pytest.mark.parametrize(
    ("name", "start"), [("plot.svg", b"<svg"), ("plot.png", b"\x89PNG"), ("plot.html", b"<!DOCTYPE html>")]
)
def test_a_plot_is_drawn_offline(name: str, start: bytes, tmp_path: Path) -> None:
    save_plot(statistics_of(training_rows("mini@demo-train")), tmp_path / name)
    data = (tmp_path / name).read_bytes()
    assert data.lstrip().startswith(start)
    assert b"src=" not in data[:2000]
    with pytest.raises(IsoglotError, match=r"a plot is written to .html, .svg, .png"):
        save_plot(statistics_of(ROWS), tmp_path / "plot.pdf")


@pytest.mark.parametrize("ending", ["svg", "html"])
def test_a_plot_shows_what_a_row_says_of_itself_and_runs_nothing(ending: str, tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m]]>"
    save_plot(
        statistics_of([msgspec.structs.replace(row, source=hostile) for row in ROWS]), tmp_path / f"plot.{ending}"
    )
    text = (tmp_path / f"plot.{ending}").read_text(encoding="utf-8")
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in text
    assert not re.search(r"<(script|img|foreignObject|iframe)|\son\w+=\"|\x1b", text)
    etree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6].encode())


def test_rows_of_a_file_align_a_model(
    tiny_model: Path, own_cache: Path, tmp_path: Path, small_collection: Collection
) -> None:
    write_rows(
        tmp_path / "rows.jsonl",
        [msgspec.structs.replace(row, licence="CC0-1.0") for row in training_rows(small_collection)],
    )
    folder = isoglot.align(
        str(tiny_model), "center", str(tmp_path / "rows.jsonl"), tmp_path / "aligned", languages=["en", "ru"]
    )
    record = json.loads((folder / "isoglot.json").read_text())
    assert record["data"]["languages"] == ["en", "ru"]
    assert record["data"]["licences"] == ["CC0-1.0"]
    assert "CC0-1.0" in (folder / "README.md").read_text()
