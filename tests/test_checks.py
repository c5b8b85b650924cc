"""What each check finds, what it leaves alone, and what it drops."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from isoglot import IsoglotError, Row, load_collection
from isoglot.training_data.checks import CHECKS, check_rows, count_findings, require_no_findings
from isoglot.training_data.loading import training_rows
from isoglot.training_data.overlap import EightGrams

EN = (
    "The Nile flows north through eleven countries for 6650 kilometres and reaches the Mediterranean Sea in Egypt, "
    "where half of the people live in its delta."
)
DE = (
    "Der Nil fließt auf 6650 Kilometern nach Norden durch elf Länder und erreicht in Ägypten das Mittelmeer, "
    "wo die Hälfte der Menschen in seinem Delta lebt."
)
ZH = "尼罗河向北流经十一个国家,全长6650公里,在埃及注入地中海,埃及一半的人口居住在它的三角洲。"
OTHER_EN = (
    "A violin has four strings that are tuned in fifths, and its body is carved from spruce and maple wood by "
    "makers who learn their craft for years."
)
OTHER_DE = (
    "Eine Geige hat vier Saiten, die in Quinten gestimmt sind, und ihr Körper wird aus Fichte und Ahorn von "
    "Handwerkern geschnitzt, die ihr Fach jahrelang lernen."
)


def row(content: str = "nile", query: Mapping[str, str] | None = None, **documents: str) -> Row:
    queries = {
        "en": "Which sea does the Nile reach?",
        "de": "Welches Meer erreicht der Nil?",
        "zh": "尼罗河注入哪个海?",
    }
    texts = {"en": EN, "de": DE, "zh": ZH, **documents}
    return Row(content, {**queries, **(query or {})}, texts, "test").keep(tag for tag in texts if texts[tag])


def faults(*rows: Row, against: Mapping[str, EightGrams] | None = None) -> list[tuple[str, str]]:
    return [(finding.check, finding.language) for finding in check_rows(rows, against)[1]]


def test_a_clean_row_passes_unchanged() -> None:
    assert check_rows([row()]) == ([row()], [])


def test_the_bundled_collection_is_clean() -> None:
    rows = training_rows("mini")
    passed, findings = check_rows(rows)
    assert (len(passed), findings) == (320, [])


@pytest.mark.parametrize(
    ("check", "documents"),
    [
        ("markup", {"de": DE.replace("Nil", "<b>Nil</b>")}),
        ("markup", {"de": DE + " &nbsp;"}),
        ("markup", {"de": DE + " \ufffd"}),
        ("length", {"de": "Der Nil."}),
        ("length", {"de": DE * 200}),
        ("language", {"de": "Le Nil coule vers le nord à travers onze pays sur 6650 kilomètres jusqu'à la mer."}),
        ("untranslated", {"de": DE + " " + EN}),
        ("language", {"de": EN}),
        ("numbers", {"en": EN + " 1815 1916 2017", "de": DE}),
        ("names", {"en": EN + " GeoNile iNile NileX2 Nile_3", "de": DE}),
    ],
)
def test_a_fault_of_one_cell_drops_that_cell(check: str, documents: dict[str, str]) -> None:
    passed, findings = check_rows([row(**documents, **({"zh": ""} if "en" in documents else {}))])
    assert [(finding.check, finding.language) for finding in findings if finding.check != "alone"] == [(check, "de")]
    assert [kept.languages for kept in passed] == ([] if "en" in documents else [["en", "zh"]])


def test_the_detail_says_what_was_found() -> None:
    details = {finding.check: finding.detail for finding in check_rows([row(de=EN), row("b", en=EN + " <p>")])[1]}
    assert details["language"] == "en"
    assert details["markup"] == "<p>"


def test_an_english_query_over_a_translated_document_is_untranslated() -> None:
    assert faults(row(query={"de": "Which sea does the Nile reach?"})) == [("untranslated", "de")]


def test_a_name_may_be_the_same_in_all_languages() -> None:
    assert faults(row(query={"en": "Nile Delta", "de": "Nile Delta"})) == []


def test_a_query_that_stands_word_by_word_in_its_document_is_found() -> None:
    assert faults(row(query={"de": "erreicht in Ägypten das Mittelmeer"})) == [("query-in-document", "de")]
    assert faults(row(query={"zh": "在埃及注入地中海,埃及一半"})) == [("query-in-document", "zh")]
    assert faults(row(query={"de": "Der Nil"})) == []


def test_a_fault_of_the_english_cell_drops_the_row() -> None:
    assert check_rows([row(en=EN + " <br>")])[0] == []


def test_a_row_that_has_lost_its_translations_is_dropped_and_counted() -> None:
    passed, findings = check_rows([row(de=EN, zh=EN)])
    assert passed == []
    assert count_findings(findings)["alone"] == 1


def test_english_rows_without_translations_pass_and_await_them() -> None:
    english = Row("a", {"en": "Which sea does the Nile reach?"}, {"en": EN})
    assert check_rows([english]) == ([english], [])


def test_translations_of_the_document_alone_are_checked_too() -> None:
    partial = Row("a", {"en": "Which sea does the Nile reach?"}, {"en": EN, "de": DE, "zh": EN})
    passed, findings = check_rows([partial])
    assert passed[0].languages == ["en", "de"]
    assert findings[0].language == "zh"


def test_repeated_queries_and_documents_are_dropped_by_language() -> None:
    other = row(
        "violin", {"en": "How many strings has a violin?", "zh": "小提琴有几根弦?"}, en=OTHER_EN, de=OTHER_DE, zh=""
    )
    passed, findings = check_rows([row(), other])
    assert [(finding.check, finding.language, finding.detail) for finding in findings] == [
        ("duplicate", "de", "query of nile"),
        ("alone", "", ""),
    ]
    assert passed == [row()]


def test_a_content_may_have_several_questions() -> None:
    other = row(query={"en": "Where do people live?", "de": "Wo leben Menschen?", "zh": "人们住在哪里?"})
    assert check_rows([row(), other])[0] == [row(), other]


def test_a_content_has_one_document_in_a_language() -> None:
    other = row(query={"en": "How many strings?", "de": "Wie viele Saiten?"}, en=OTHER_EN, de=OTHER_DE, zh="")
    assert faults(row(), other) == [("content", "en"), ("content", "de")]
    assert faults(row(zh=""), row(query={"en": "Where?", "de": "Wo denn?", "zh": "在哪"})) == []


def test_a_nearly_repeated_content_is_dropped_with_the_name_of_the_first() -> None:
    changed = row(
        "nile2", {"en": "Where?", "de": "Wo denn?", "zh": "在哪"}, en=EN + " Yes.", de=DE + " Ja.", zh=ZH + "是。"
    )
    _, findings = check_rows([row(), changed])
    assert [(finding.check, finding.content_id, finding.detail) for finding in findings] == [
        ("near-duplicate", "nile2", "nile")
    ]


def test_an_overlap_in_any_language_drops_the_whole_row() -> None:
    other = row(
        "violin", {"en": "How many strings?", "de": "Wie viele Saiten?", "zh": "几根弦?"}, en=OTHER_EN, de=OTHER_DE
    )
    against = {"held": EightGrams.of(["... " + DE[20:100]]), "far": EightGrams.of(["nothing"])}
    other = other.keep(["en", "de"])
    passed, findings = check_rows([row(), other], against)
    assert passed == [other]
    assert [(finding.check, finding.content_id, finding.language) for finding in findings] == [
        ("contamination", "nile", "")
    ]
    assert findings[0].detail.startswith("held: kilometern nach norden durch elf")


@pytest.mark.parametrize("source", ["xquad", "belebele"])
def test_rows_made_of_evaluation_texts_are_all_dropped(source: str, shared_data) -> None:  # type: ignore[no-untyped-def]
    collection = load_collection(f"{source}:{shared_data / source}")
    texts = [document.text for document in collection.documents][::50]
    grams = EightGrams.of([document.text for document in collection.documents])
    rows = [Row(str(at), {"en": f"question {at}"}, {"en": f"See here: {text}"}) for at, text in enumerate(texts)]
    passed, findings = check_rows(rows, {source: grams})
    assert passed == []
    assert {finding.check for finding in findings} == {"contamination"}


def test_every_check_is_counted_and_strict_makes_findings_an_error() -> None:
    _, findings = check_rows([row(de=EN)])
    assert list(count_findings(findings)) == list(CHECKS)
    require_no_findings("clean", [])
    with pytest.raises(IsoglotError, match=r"^rows: 1 findings, the first: language in nile de: en$"):
        require_no_findings("rows", findings)


def test_length_bounds_come_from_the_rows_themselves() -> None:
    words = DE.split()
    rows = [
        Row(
            str(at),
            {"en": f"q {at}", "de": f"f {at}"},
            {"en": f"{at} {EN[at:]} {at}", "de": f"{at} " + " ".join(words[at % 9 :])},
        )
        for at in range(24)
    ]
    odd = Row("odd", {"en": "odd", "de": "komisch"}, {"en": OTHER_EN, "de": OTHER_DE[:70]})
    findings = check_rows([*rows, odd])[1]
    assert ("length-ratio", "odd") in [(finding.check, finding.content_id) for finding in findings]
