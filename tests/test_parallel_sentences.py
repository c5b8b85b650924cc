"""Tables of parallel sentences: which column is in which language, and what a sentence finds."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import isoglot
from isoglot import IsoglotError, load_collection
from isoglot.alignment.guard import hold_out
from isoglot.ranking.pools import PoolBuilder
from isoglot.training_data.loading import training_rows
from isoglot.training_data.row import Row
from tests import command_line

PAIRS = [
    ("The cat sleeps.", "El gato duerme."),
    ("Snow, in May?", "¿Nieve, en mayo?"),
    ("A red car passes.", "Pasa un coche rojo."),
    ("Water boils.", "El agua hierve."),
]


def table(path: Path, *rows: tuple[str, ...]) -> Path:
    """A TSV; its rows stand as they are."""
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_heads_that_are_language_tags_need_no_options(tmp_path: Path) -> None:
    found = load_collection(f"parallel:{table(tmp_path / 'a.tsv', ('eng', 'es'), *PAIRS)}")
    assert found.name == "a.tsv"
    assert [(d.content_id, d.language, d.text) for d in found.documents[:2]] == [
        ("2", "en", "The cat sleeps."),
        ("2", "es", "El gato duerme."),
    ]
    assert [(q.query_id, q.language, q.text) for q in found.queries] == [
        (d.content_id, d.language, d.text) for d in found.documents
    ]
    assert found.golds == {str(line): (str(line),) for line in range(2, 6)}
    assert (found.named("en"), len(found.notes)) == ("eng", 1)
    assert "bitext" in found.notes[0]


def test_a_sentence_finds_its_translation_and_not_itself(tmp_path: Path) -> None:
    found = load_collection(f"parallel:{table(tmp_path / 'a.tsv', ('en', 'es'), *PAIRS)}")
    pools = PoolBuilder(found).build()
    assert {pool.scenario for pool in pools} == {"multi", "mono-cross", "control"}
    for pool in pools:
        for query, golds, itself in zip(pool.queries, pool.golds, pool.ignored, strict=True):  # type: ignore[arg-type]
            (gold,) = pool.documents[golds]
            asked, answer = found.queries[query], found.documents[gold]
            assert asked.query_id == answer.content_id
            assert asked.language != answer.language
            if itself >= 0:
                assert found.documents[pool.documents[itself]].text == asked.text
    multi = [pool for pool in pools if pool.scenario == "multi"]
    assert all(np.all(pool.ignored >= 0) for pool in multi)  # type: ignore[operator]


def test_more_than_two_languages_are_read_and_a_row_may_lack_some(tmp_path: Path) -> None:
    rows = [("a b", "c d", "e f"), ("g h", "", "i j"), ("", "k l", "")]
    path = table(tmp_path / "a.tsv", ("en", "es", "de"), *rows)
    found = load_collection(f"parallel:{path}")
    assert [(d.content_id, d.language) for d in found.documents] == [
        *(("2", tag) for tag in ("en", "es", "de")),
        *(("3", tag) for tag in ("en", "de")),
    ]
    assert found.notes[-1] == "left out: rows with a sentence in fewer than two languages: 1, first in a.tsv:4"
    two = load_collection(f"parallel:{path}@de,en")
    assert two.languages == ["en", "de"]
    assert len(two.documents) == 4


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet", "csv.gz", "jsonl.gz"])
def test_every_format_of_records_is_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    quoted = "".join(f'"{one}","{other}"\n' for one, other in [("source", "target"), *PAIRS])
    records = [{"source": one, "target": other} for one, other in PAIRS]
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    else:
        text = {
            "csv": quoted,
            "tsv": "".join(f"{one}\t{other}\n" for one, other in [("source", "target"), *PAIRS]),
            "jsonl": "".join(json.dumps(record) + "\n" for record in records),
        }[kind.removesuffix(".gz")].encode()
        path.write_bytes(gzip.compress(text) if kind.endswith(".gz") else text)
    found = load_collection(f"parallel:{path}@en,es")
    assert [(d.language, d.text) for d in found.documents] == [
        version for one, other in PAIRS for version in (("en", one), ("es", other))
    ]
    assert found.notes[1] == "columns read by their order: 'source' as en, 'target' as es"


def test_columns_are_in_the_order_of_the_heads_even_where_first_cells_are_empty(tmp_path: Path) -> None:
    found = load_collection(f"parallel:{table(tmp_path / 'a.tsv', ('source', 'target'), ('', 'x'), *PAIRS)}@en,es")
    assert found.documents[0].language == "en"
    assert found.documents[0].text == PAIRS[0][0]


def test_a_column_named_id_is_ids_or_indonesian(tmp_path: Path) -> None:
    rows = [("s1", "The cat sleeps.", "El gato duerme."), ("s2", "Water boils.", "El agua hierve.")]
    ids = load_collection(f"parallel:{table(tmp_path / 'a.tsv', ('id', 'en', 'es'), *rows)}")
    assert ids.languages == ["en", "es"]
    sentences = [("Kucing itu tidur.", "The cat sleeps."), ("Air mendidih.", "Water boils.")]
    assert load_collection(f"parallel:{table(tmp_path / 'b.tsv', ('id', 'en'), *sentences)}").languages == ["en", "id"]


def test_rows_that_repeat_a_sentence_are_counted_or_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "a.tsv", ("en", "es"), *PAIRS, ("The cat sleeps.", "Duerme el gato."))
    found = load_collection(f"parallel:{path}")
    assert len(found.documents) == 8
    assert found.notes[-1] == "left out: rows with a sentence of an earlier row: 1, first in a.tsv:6"
    with pytest.raises(IsoglotError, match=r"a.tsv:6: --strict refuses rows with a sentence of an earlier row"):
        load_collection(f"parallel:{path}", strict=True)


@pytest.mark.parametrize(
    ("head", "row", "split", "message"),
    [
        (
            ("source", "target"),
            ("a", "b"),
            "",
            r"a.tsv:1: the columns are 'source', 'target', not two languages; .*--src",
        ),
        (("en", "text"), ("a", "b"), "", r"a.tsv:1: the columns are 'en', 'text', not two languages"),
        (("zh", "zho_Hans"), ("a", "b"), "", r"a.tsv:1: the columns 'zh' and 'zho_Hans' are one language"),
        (("en", "en"), ("a", "b"), "", r"a.tsv:1: two columns are named 'en'"),
        (("en", "es"), ("a", "b"), "@en,klingon", r"unknown language 'klingon'"),
        (("en", "es"), ("a", "b"), "@en", r"'en' is not two languages"),
        (("en", "es"), ("a", "b"), "@en,eng", r"'en,eng' is not two languages"),
        (
            ("en", "es"),
            ("a", "b"),
            "@en,fr",
            r"the columns are 'en', 'es', so 'en,fr' must be the heads of some of them",
        ),
        (("n", "source", "target"), ("1", "a", "b"), "@en,es", r"the columns are 'n', 'source', 'target', so 'en,es'"),
        (("en", "es"), ("a", ""), "", r"the columns are 'en', not two languages"),
        (("en", "es"), ("a", "b", "c"), "", r"a.tsv:2: has 3 fields, more than the header's 2"),
        (("en;es",), ("a;b",), "", r"a.tsv:1: the fields are separated by semicolons"),
        ((), (), "", r"the columns are none"),
    ],
)
def test_a_fault_is_told_with_its_place(
    tmp_path: Path, head: tuple[str, ...], row: tuple[str, ...], split: str, message: str
) -> None:
    path = table(tmp_path / "a.tsv", head, row)
    with pytest.raises(IsoglotError, match=message):
        load_collection(f"parallel:{path}{split}")


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    whole = gzip.compress(b"en,es\n" + b"".join(f"{n} a,{n} b\n".encode() for n in range(1000)))
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "b.txt").write_text("en es")
    (tmp_path / "c.jsonl").write_text('{"en": "a", "es": 7}\n')
    for spec, message in {
        "a.csv.gz": "cannot be decompressed",
        "b.txt": "unknown kind of file",
        "c.jsonl": "c.jsonl:1: field 'es' is int, not text",
        "d.csv": "d.csv: no such file",
    }.items():
        with pytest.raises(IsoglotError, match=message):
            load_collection(f"parallel:{tmp_path / spec}")
    with pytest.raises(IsoglotError, match="name the file"):
        load_collection("parallel")
    with pytest.raises(IsoglotError, match="for parallel sentences write parallel:"):
        load_collection(str(tmp_path / "c.jsonl"))


def test_src_and_tgt_name_the_columns_of_a_table(tmp_path: Path) -> None:
    path = table(tmp_path / "a.tsv", ("source", "target"), *PAIRS)
    for data in (path, f"parallel:{path}"):
        done = command_line.isoglot("audit", "bm25", "--data", data, "--src", "en", "--tgt", "es", "-q")
        assert done.returncode == 0, done.stderr
        assert "English questions among 8 documents in en+es" in done.stdout
        assert "bitext test" in done.stdout
    done = command_line.isoglot("compare", "bm25", "bm25", "--data", path, "--src", "en", "--tgt", "es")
    assert done.returncode == 0, done.stderr
    for command in (("audit", "bm25"), ("compare", "bm25"), ("align", "e5-small-q4", "-o", tmp_path / "o")):
        done = command_line.isoglot(*command, "--data", path, "--src", "en")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "--src and --tgt go together" in done.stderr


def test_no_similarity_is_that_of_a_sentence_with_itself(tmp_path: Path, tiny_model: Path) -> None:
    path = table(tmp_path / "a.tsv", ("en", "es"), *PAIRS)
    found = isoglot.audit(str(tiny_model), f"parallel:{path}").similarities
    assert found is not None
    assert found.relevant_same is None
    assert found.relevant_cross is not None
    assert found.relevant_cross.pairs == 8
    assert found.unrelated_same is not None
    assert found.unrelated_same.pairs == 2 * 4 * 3


def test_what_is_held_out_of_parallel_sentences_finds_translations_alone() -> None:
    texts = [{"en": f"snow {number}", "es": f"nieve {number}"} for number in range(40)]
    _, development = hold_out([Row(f"c{number}", both, both) for number, both in enumerate(texts)], "rows")
    assert development is not None
    assert "mono-same" not in {pool.scenario for pool in PoolBuilder(development).build()}


def test_parallel_sentences_are_rows_to_align_on(tmp_path: Path) -> None:
    path = table(tmp_path / "a.tsv", ("en", "es"), *PAIRS)
    rows = training_rows(f"parallel:{path}")
    assert [row.query for row in rows] == [{"en": one, "es": other} for one, other in PAIRS]
    assert isoglot.training_rows(f"parallel:{path}@en,es") == rows
