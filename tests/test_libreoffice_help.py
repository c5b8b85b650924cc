"""LibreOffice's help: sections with what people translated, without what only the pages need."""

from __future__ import annotations

import logging

import pytest

from isoglot.platform.downloads import SourceMissingError
from isoglot.training_data.origins.libreoffice_help import rows
from isoglot.training_data.row import Row
from tests.packages import WrittenDownloads

PAGE = "shared/guide/saving.html"
ENGLISH = (
    "Every time you save a document, the version that was there before is moved to the backup folder. "
    "A file that has the same name there is overwritten without a question, whatever program it was written by."
)
GERMAN = (
    "Bei jedem Speichern eines Dokuments wird die Fassung, die zuvor da war, in den Sicherungsordner verschoben. "
    "Eine Datei gleichen Namens wird dort ohne Rückfrage überschrieben, gleich welches Programm sie schrieb."
)
EN = f'<h1 id="hd_1">Saving documents</h1><h2 id="hd_2">To create a backup copy:</h2><p id="par_2">{ENGLISH}</p>'
DE = f'<h1 id="hd_1">Dokumente speichern</h1><h2 id="hd_2">Eine Sicherung anlegen:</h2><p id="par_2">{GERMAN}</p>'


def help_of(folder: str, body: str, page: str = PAGE) -> dict[str, str]:
    html = (
        '<html><body><header><p>LibreOffice Help</p></header><div id="DisplayArea" itemprop="softwareHelp">'
        f'{body}</div>\n<div id="SearchFrame"></div><footer><h3 class="bug">Debug</h3></footer></body></html>'
    )
    return {f"usr/share/libreoffice/help/{folder}/text/{page}": html}


def rows_of(english: str, german: str, page: str = PAGE) -> list[Row]:
    packages = {
        "libreoffice-help-en-us": help_of("en-US", english, page),
        "libreoffice-help-de": help_of("de", german, page),
    }
    return rows(WrittenDownloads(packages), None)


def test_a_heading_is_the_query_and_the_text_under_it_the_document() -> None:
    assert rows_of(EN, DE) == [
        Row(
            "libreoffice-help:shared/guide/saving#hd_2",
            {"en": "To create a backup copy", "de": "Eine Sicherung anlegen"},
            {"en": ENGLISH, "de": GERMAN},
            "libreoffice-help",
            "MPL-2.0",
            {"en": "original", "de": "human"},
        )
    ]


def test_a_short_heading_gets_the_title_of_its_page_in_front() -> None:
    (row,) = rows_of(EN.replace("To create a backup copy", "Backup"), DE.replace("Eine Sicherung anlegen", "Sicherung"))
    assert row.query == {"en": "Saving documents: Backup", "de": "Dokumente speichern: Sicherung"}


def test_a_heading_over_several_documents_gets_the_title_in_front() -> None:
    other = '<h2 id="hd_3">To create a backup copy</h2><p id="par_3">'
    german = '<h2 id="hd_3">Eine Sicherung anlegen</h2><p id="par_3">'
    found = rows_of(f"{EN}{other}Or so: {ENGLISH}</p>", f"{DE}{german}Oder so: {GERMAN}</p>")
    assert {row.query["en"] for row in found} == {"Saving documents: To create a backup copy"}


def test_menu_paths_related_topics_icons_and_programs_are_left_out() -> None:
    clutter = (
        '<div class="howtoget"><p class="howtogetheader">To access this command...</p>'
        '<div class="howtogetbody"><p class="embedded">Choose File - Save now, please.</p></div></div>'
        '<div class="icontable"><div class="iconcell"><p id="par_4"><img alt="Icon"></p></div>'
        '<div class="iconcell"><p id="par_5">Save the backup</p></div></div>'
        '<div class="note"><div class="noteicon"><img alt="note"></div></div>'
        '<div class="bascode"><pre><code>Sub Main: Rem a program of some words: End Sub</code></pre></div>'
        '<p id="par_6"><a href="en-US/text/shared/01/save_as.html">Saving under another name</a></p>'
        '<div class="relatedtopics"><p class="related">Related Topics</p></div>'
    )
    (row,) = rows_of(EN + clutter, DE + clutter)
    assert row.document == {"en": ENGLISH, "de": GERMAN}


def test_what_announces_something_that_was_left_out_is_left_out_as_well() -> None:
    code = '<p id="par_3">{}</p><div class="pycode"><pre><code>save()</code></pre></div>'
    (row,) = rows_of(EN + code.format("This is how to do it:"), DE + code.format("So wird es gemacht:"))
    assert row.document == {"en": ENGLISH, "de": GERMAN}


def test_of_variants_for_systems_the_default_is_kept_and_else_the_first() -> None:
    variants = (
        '<p id="par_3">Press <span id="swlnsys_1" class="switchinline"><span hidden="true" id="MAC_1" class="MAC">'
        '<span class="keycode">Command</span></span><span hidden="true" id="default_1">Ctrl</span></span>+S in '
        '<span id="swlnappl_2" class="switchinline"><span id="WRITER_2" class="WRITER">texts</span>'
        '<span id="CALC_2" class="CALC">sheets</span></span><br>and wait.</p>'
    )
    (row,) = rows_of(EN + variants, DE + variants.replace("Press", "Drücken:"))
    assert row.document["en"].split("\n")[1] == "Press Ctrl+S in texts and wait."
    assert row.document["de"].split("\n")[1] == "Drücken: Ctrl+S in texts and wait."


def test_an_example_belongs_to_the_section_above_it() -> None:
    example = '<div class="embedded"><h4 id="hd_4">Example</h4></div><p id="par_4">{}</p>'
    (row,) = rows_of(EN + example.format("Say you save twice a day."), DE + example.format("Zweimal täglich etwa."))
    assert row.document["en"] == f"{ENGLISH}\nSay you save twice a day."


def test_a_heading_that_leads_to_another_page_gives_no_row() -> None:
    linked = '<h2 id="hd_2"><a href="en-US/text/shared/01/backup.html">To create a backup copy</a></h2>'
    assert rows_of(EN.replace('<h2 id="hd_2">To create a backup copy:</h2>', linked), DE) == []


@pytest.mark.parametrize("text", ["A paragraph that nobody has translated so far", "Choose Insert - Image."])
def test_a_section_of_which_a_paragraph_is_still_english_is_not_translated(text: str) -> None:
    assert rows_of(f'{EN}<p id="par_3">{text}</p>', f'{DE}<p id="par_3">{text}</p>') == []


def test_code_and_names_may_be_the_same_in_both_languages() -> None:
    same = '<p id="par_3" class="code">SAVE(Name; Folder; Backup Copy; Number of Copies)</p><p id="par_4">Tux Paint</p>'
    (row,) = rows_of(EN + same, DE + same)
    assert row.document["de"].startswith(GERMAN + "\nSAVE(")


@pytest.mark.parametrize(
    ("heading", "title", "taken"),
    [
        ("To create a backup copy", "Dokumente speichern", False),
        ("Eine Sicherung anlegen", "Saving documents", True),
    ],
)
def test_a_section_is_taken_if_its_heading_is_translated(heading: str, title: str, taken: bool) -> None:
    german = DE.replace("Eine Sicherung anlegen", heading).replace("Dokumente speichern", title)
    assert bool(rows_of(EN, german)) == taken


@pytest.mark.parametrize(
    ("english", "heading", "title", "taken"),
    [
        ("Backup", "Backup", "Dokumente speichern", False),
        ("Backup", "Sicherung", "Saving documents", False),
        ("AVEDEV", "AVEDEV", "Dokumente speichern", True),
    ],
)
def test_a_title_in_front_must_be_translated_and_the_heading_unless_it_is_a_function(
    english: str, heading: str, title: str, taken: bool
) -> None:
    german = DE.replace("Eine Sicherung anlegen", heading).replace("Dokumente speichern", title)
    assert bool(rows_of(EN.replace("To create a backup copy", english), german)) == taken


def test_sections_that_a_translation_sorts_anew_still_meet() -> None:
    second = '<h2 id="hd_3">{} a file in peace</h2><p id="par_3">{}</p>'
    english = EN + second.format("Closing", f"Otherwise: {ENGLISH}")
    title, section = DE.split("</h1>")
    german = f"{title}</h1>{second.format('Schließen:', f'Sonst: {GERMAN}')}{section}"
    assert [row.document["de"] for row in rows_of(english, german)] == [GERMAN, f"Sonst: {GERMAN}"]


def test_a_section_with_other_paragraphs_than_the_english_one_is_not_taken() -> None:
    assert rows_of(EN, DE.replace("par_2", "par_9")) == []


def test_sections_of_a_few_words_and_tables_of_names_are_left_out() -> None:
    names = "".join(f'<p id="par_{number}">Field Name {number} Type</p>' for number in range(3, 23))
    assert rows_of(EN.replace(ENGLISH, "Makes a copy of the document."), DE) == []
    assert rows_of(EN + names, DE + names.replace("Field", "Feld")) == []


def test_what_stands_in_many_sections_is_left_out() -> None:
    many = "".join(
        f'<h2 id="hd_a{number}">How to do number {number}</h2><p id="par_a{number}">{ENGLISH} {number}</p>'
        f'<p id="par_b{number}">This feature is available since version five.</p>'
        for number in range(12)
    )
    found = rows_of(EN + many, DE + many.replace("How to do", "Wie geht").replace(ENGLISH, GERMAN))
    assert not any("available since" in row.document["en"] for row in found)


def test_languages_are_those_asked_for_and_portuguese_is_portugals() -> None:
    packages = {
        "libreoffice-help-common": {},
        "libreoffice-help-en-gb": help_of("en-GB", DE),
        "libreoffice-help-en-us": help_of("en-US", EN),
        "libreoffice-help-de": help_of("de", DE),
        "libreoffice-help-pt": help_of("pt", DE),
        "libreoffice-help-pt-br": help_of("pt-BR", DE),
        "libreoffice-help-zh-cn": help_of("zh-CN", DE),
    }
    (every,) = rows(WrittenDownloads(packages), None)
    assert every.languages == ["en", "de", "pt", "pt-PT", "zh"]
    (some,) = rows(WrittenDownloads(packages), frozenset({"zh"}))
    assert some.languages == ["en", "zh"]


def test_a_second_language_in_a_package_is_not_read_as_the_first() -> None:
    valencian = help_of("ca-valencia", DE.replace("Eine Sicherung", "Una altra"))
    packages = {
        "libreoffice-help-en-us": help_of("en-US", EN),
        "libreoffice-help-ca": {**help_of("ca", DE), **valencian},
    }
    (row,) = rows(WrittenDownloads(packages), None)
    assert row.query["ca"] == "Eine Sicherung anlegen"


def test_a_package_without_pages_is_reported_and_the_rest_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    packages = {
        "libreoffice-help-en-us": help_of("en-US", EN),
        "libreoffice-help-de": help_of("de", DE),
        "libreoffice-help-sk": {},
    }
    with caplog.at_level(logging.WARNING):
        assert len(rows(WrittenDownloads(packages), None)) == 1
    assert "libreoffice-help-sk" in caplog.text


@pytest.mark.parametrize("packages", [{}, {"libreoffice-help-en-us": help_of("en-US", "<p>Moved to the web</p>")}])
def test_without_english_pages_as_known_the_source_is_missing(packages: dict[str, dict[str, str]]) -> None:
    with pytest.raises(SourceMissingError, match="en-us"):
        rows(WrittenDownloads(packages), None)
