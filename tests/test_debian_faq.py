"""The Debian FAQ as a collection, out of folders laid out as in its packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoglot.corpora.sources import load_collection
from isoglot.platform.errors import InputError, IsoglotError

CHAPTER = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<html xmlns="http://www.w3.org/1999/xhtml"><body><div class="navheader"><p>Next</p></div><div class="chapter">
<p>About this chapter.</p>{sections}</div></body></html>"""

SECTION = """<div class="section"><div class="titlepage"><div><div>
<h2 class="title"><a id="{anchor}"></a>{number}. {heading}</h2></div></div></div>{body}</div>"""


def section(number: str, anchor: str, heading: str, body: str) -> str:
    return SECTION.format(number=number, anchor=anchor, heading=heading, body=body)


ENGLISH = section(
    "1.1",
    "what",
    "What is\n Debian?",
    "<p>Debian is a system<a class='footnote'><sup>[1]</sup></a> for all.</p><pre class='screen'>dpkg -l</pre>"
    "<div class='itemizedlist'><ul><li><p>It is free.</p></li></ul></div>"
    + section("1.1.1", "why", "Why is it free?", "<p>Because its authors wanted it so.</p>"),
) + section("1.2", "authors", "Authors of this", "<p>They have written all of it.</p>")

GERMAN = (
    ENGLISH.replace("What is\n Debian?", "Was ist Debian?")
    .replace("Debian is a system", "Debian ist ein System")
    .replace("for all", "für alle")
    .replace("It is free.", "Es ist frei.")
    .replace("Why is it free?", "Warum ist es frei?")
)


def write(folder: Path, **chapters: str) -> str:
    for language, sections in chapters.items():
        file = folder / ("" if language == "en" else language) / f"basic-defs.{language}.html"
        file.parent.mkdir(exist_ok=True)
        file.write_text(CHAPTER.format(sections=sections), encoding="utf-8")
    return f"debian-faq:{folder}"


def test_questions_are_queries_and_their_answers_documents(tmp_path: Path) -> None:
    collection = load_collection(write(tmp_path, en=ENGLISH))
    assert {query.query_id: query.text for query in collection.queries} == {
        "1.1/what": "What is Debian?",
        "1.1.1/why": "Why is it free?",
    }
    assert {document.content_id: document.text for document in collection.documents} == {
        "1.1/what": "Debian is a system for all.\nIt is free.",
        "1.1.1/why": "Because its authors wanted it so.",
    }


def test_an_answer_left_in_english_is_no_content_of_that_language(tmp_path: Path) -> None:
    collection = load_collection(write(tmp_path, en=ENGLISH, de=GERMAN))
    assert {document.content_id for document in collection.documents if document.language == "de"} == {"1.1/what"}


@pytest.mark.parametrize(
    ("written", "instead"),
    [("1.1. Was", "1.2. Was"), ('id="what"', 'id="who"'), ("<p>Es ist frei.</p>", "<p>Es ist</p><p>frei.</p>")],
    ids=["number", "anchor", "paragraphs"],
)
def test_a_section_that_does_not_correspond_is_left_out(tmp_path: Path, written: str, instead: str) -> None:
    german = GERMAN.replace("Because its authors wanted it so.", "Weil die Autoren das so wollten.")
    collection = load_collection(write(tmp_path, en=ENGLISH, de=german.replace(written, instead)))
    assert {document.content_id for document in collection.documents if document.language == "de"} == {"1.1.1/why"}


def test_pt_is_the_portuguese_of_portugal(tmp_path: Path) -> None:
    assert load_collection(write(tmp_path, en=ENGLISH, pt=GERMAN)).languages == ["en", "pt-PT"]


def test_a_folder_without_english_is_reported_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no English sections"):
        load_collection(write(tmp_path, de=GERMAN))


def test_an_empty_file_has_no_sections(tmp_path: Path) -> None:
    source = write(tmp_path, en=ENGLISH)
    (tmp_path / "choosing.en.html").touch()
    assert len(load_collection(source).documents) == 2


def test_there_are_no_splits(tmp_path: Path) -> None:
    with pytest.raises(IsoglotError, match="no split 'train'"):
        load_collection(f"debian-faq:{tmp_path}@train")
