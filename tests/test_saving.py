"""Collections saved as files are read back as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from isoglot import Collection, IsoglotError, load_collection
from isoglot.corpora.saving import save_collection
from tests.command_line import isoglot


def test_a_saved_collection_is_read_back_the_same(small_collection: Collection, tmp_path: Path) -> None:
    graded = replace(
        small_collection,
        names={"de": "deu_Latn"},
        grades={"q-bread": {"bread": 3.0, "garden": 1.0}, "q-train": {"train": 2.0}},
    )
    for number, collection in enumerate((load_collection("mini@demo"), small_collection, graded)):
        found = load_collection(f"folder:{save_collection(collection, tmp_path / str(number))}")
        assert set(found.documents) == set(collection.documents)
        assert set(found.queries) == set(collection.queries)
        assert {
            query: grades for query, grades in found.grades.items() if query in collection.grades
        } == collection.grades
        assert found.named("de") == collection.named("de")
        assert collection is graded or found.golds == collection.golds


def test_a_query_with_the_id_of_a_document_still_finds_it(tmp_path: Path) -> None:
    mini = load_collection("mini@demo")
    assert {query.query_id for query in mini.queries} & {document.content_id for document in mini.documents}
    assert not load_collection(f"folder:{save_collection(mini, tmp_path / 'mini')}").identical


def test_ids_that_qrels_cannot_hold_are_refused(small_collection: Collection, tmp_path: Path) -> None:
    spaced = replace(
        small_collection,
        queries=[replace(query, query_id=f"my {query.query_id}") for query in small_collection.queries],
        golds={f"my {query}": golds for query, golds in small_collection.golds.items()},
    )
    with pytest.raises(IsoglotError, match="white space"):
        save_collection(spaced, tmp_path / "spaced")
    assert not (tmp_path / "spaced").exists()


def test_the_command_saves_and_replaces_only_what_it_exported(tmp_path: Path) -> None:
    folder = tmp_path / "mini"
    assert "320 documents, 320 queries" in isoglot("sources", "mini@demo", "-o", folder).stderr
    again = isoglot("sources", "mini@demo", "-o", folder)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert isoglot("sources", "mini@demo", "-o", folder, "--force").returncode == 0
    assert "name both" in isoglot("sources", "mini@demo").stderr
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "letter.txt").touch()
    assert isoglot("sources", "mini@demo", "-o", tmp_path / "own", "--force").returncode == 2


def test_every_version_of_a_query_is_judged_with_the_document_in_its_language(tmp_path: Path) -> None:
    folder = save_collection(load_collection("mini@demo"), tmp_path / "mini")
    head, *judgements = (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()
    assert head == "query-id\tcorpus-id\tscore"
    assert len(judgements) == 320
    assert "q:fabrics-denim/zh\tfabrics-denim/zh\t1" in judgements
