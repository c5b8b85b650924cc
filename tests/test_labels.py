"""Labels that disagree with the texts are noted in audits, and chance finds are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import isoglot
from isoglot import Collection
from isoglot.evaluation import labels

SWAPPED = {"en": "de", "de": "en"}


def notes(collection: Collection) -> tuple[str, ...]:
    return isoglot.audit("bm25", collection, pools=[["en", "de"]], query_languages=["en"], scenarios=["multi"]).notes


def with_wrong_labels(collection: Collection, contents: frozenset[str]) -> Collection:
    """The collection with English and German swapped in the labels of some contents."""
    return replace(
        collection,
        documents=[
            replace(document, language=SWAPPED.get(document.language, document.language))
            if document.content_id in contents
            else document
            for document in collection.documents
        ],
    )


def test_right_labels_are_not_noted(small_collection: Collection) -> None:
    assert notes(small_collection) == ()


def test_wrong_labels_are_counted_by_language(small_collection: Collection) -> None:
    wrong = with_wrong_labels(small_collection, frozenset({"bread", "train", "snow"}))
    assert notes(wrong) == (
        "6 of 12 documents look like another language than their label (English: 3 of 6, mostly like German; German: 3 "
        "of 6, mostly like English): results by language are not those of the languages they name.",
    )


def test_few_wrong_labels_of_many_are_not_noted(small_collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = with_wrong_labels(small_collection, frozenset({"bread"}))
    assert "2 of 12 documents" in notes(wrong)[0]
    monkeypatch.setattr(labels, "SHARE", 0.2)
    assert notes(wrong) == ()


def test_of_many_texts_a_sample_is_looked_at(small_collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MOST_CHECKED", 4)
    wrong = with_wrong_labels(
        small_collection, frozenset(document.content_id for document in small_collection.documents)
    )
    (note,) = notes(wrong)
    assert note.startswith("8 of 8 documents in a sample look like another language")
    shuffled = replace(wrong, documents=list(reversed(wrong.documents)))
    assert notes(shuffled) == (note,)


def test_ids_that_stand_for_texts_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "docs.tsv").write_text(
        "the-frogs-lay-eggs-in-spring\tzh\tfrog\nder-frosch-legt-eier-im-frühling\ten\tfrog\n"
    )
    (tmp_path / "qrels").write_text("where-do-frogs-lay-their-eggs 0 the-frogs-lay-eggs-in-spring 1\n")
    (tmp_path / "run").write_text("where-do-frogs-lay-their-eggs Q0 the-frogs-lay-eggs-in-spring 1 2.0 x\n")
    from isoglot.corpora.trec import judged_collection, read_documents_table
    from isoglot.retrievers.runs import RunRetriever

    table = tmp_path / "docs.tsv"
    collection = judged_collection(table, tmp_path / "qrels", "zh")
    run = RunRetriever(tmp_path / "run", read_documents_table(table))
    assert not isoglot.audit(run, collection, pools=[["zh", "en"]], scenarios=["multi"]).notes
