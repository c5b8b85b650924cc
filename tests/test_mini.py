"""The bundled collection is whole, in the languages it says, and translated throughout."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

import pytest

from isoglot import Collection, load_collection
from isoglot.platform.languages import detect

LANGUAGES = ("en", "ar", "de", "es", "hi", "ru", "th", "zh")
LENGTH_RATIOS = {  # characters of a document to those of its English version
    "ar": (0.6, 1.15),
    "de": (0.9, 1.45),
    "es": (0.9, 1.45),
    "hi": (0.75, 1.3),
    "ru": (0.8, 1.4),
    "th": (0.65, 1.25),
    "zh": (0.2, 0.45),
}
QUERY_SLACK = 1.5  # a question is one short sentence: its ratio varies more
LATIN_ALLOWED = {
    ("zh", "elements-phosphorus"): {"DNA"},
    ("zh", "diseases-scurvy"): {"C"},  # the vitamin
    ("zh", "trees-baobab"): {"C"},
    ("zh", "instruments-violin"): {"G", "D", "A", "E"},  # its strings
    ("hi", "instruments-violin"): {"G", "D", "A", "E"},
}
ROMAN = {"II", "VI", "XVI", "XIX", "XX"}  # Russian writes centuries and rulers so
SCRIPTS = {"ar": "ARABIC", "hi": "DEVANAGARI", "ru": "CYRILLIC", "th": "THAI", "zh": "CJK"}


def texts_of(collection: Collection) -> list[tuple[str, str, str, str]]:
    """(kind, content id, language, text) of each cell."""
    documents = [("document", d.content_id, d.language, d.text) for d in collection.documents]
    return documents + [("query", q.query_id, q.language, q.text) for q in collection.queries]


@pytest.fixture(scope="module")
def mini() -> Collection:
    return load_collection("mini")


def test_every_topic_is_there_in_every_language(mini: Collection) -> None:
    assert mini.languages == list(LANGUAGES)
    topics = {document.content_id for document in mini.documents}
    assert len(topics) == 80
    assert {(d.content_id, d.language) for d in mini.documents} == {(t, tag) for t in topics for tag in LANGUAGES}
    assert {(q.query_id, q.language) for q in mini.queries} == {(t, tag) for t in topics for tag in LANGUAGES}


def test_the_splits_are_halves_of_eight_groups_of_five_that_share_no_group() -> None:
    groups = []
    for split in ("train", "test"):
        found = load_collection(f"mini@{split}")
        topics = {document.content_id for document in found.documents}
        count = Counter(topic.split("-")[0] for topic in topics)
        assert (len(topics), set(count.values()), len(count)) == (40, {5}, 8)
        groups.append(set(count))
    assert not groups[0] & groups[1]


def test_english_passages_have_50_to_90_words_and_questions_7_to_18(mini: Collection) -> None:
    assert all(50 <= len(d.text.split()) <= 90 for d in mini.documents if d.language == "en")
    assert all(7 <= len(q.text.split()) <= 18 for q in mini.queries if q.language == "en")


def test_every_text_is_in_its_language(mini: Collection) -> None:
    texts = [(d.text, d.language) for d in mini.documents] + [(q.text, q.language) for q in mini.queries]
    found = detect((text for text, _ in texts), frozenset(LANGUAGES))
    wrong = [(text, language, seen) for (text, language), seen in zip(texts, found, strict=True) if seen != language]
    assert not wrong


def test_translations_are_about_as_long_as_translations_are(mini: Collection) -> None:
    lengths = {(kind, content, language): len(text) for kind, content, language, text in texts_of(mini)}
    for (kind, content, language), length in lengths.items():
        if language != "en":
            low, high = LENGTH_RATIOS[language]
            slack = QUERY_SLACK if kind == "query" else 1
            ratio = length / lengths[kind, content, "en"]
            assert low / slack <= ratio <= high * slack, (kind, content, language, ratio)


def test_no_foreign_letter_is_left_in_languages_of_another_script(mini: Collection) -> None:
    for kind, content, language, text in texts_of(mini):
        if language in SCRIPTS:
            foreign = {c for c in text if c.isalpha() and not unicodedata.name(c).startswith(SCRIPTS[language])}
            allowed = LATIN_ALLOWED.get((language, content), set()) | (ROMAN if language == "ru" else set())
            assert foreign <= set("".join(allowed)), (kind, content, language)
            assert set(re.findall(r"[A-Za-z]+", text)) <= allowed, (kind, content, language)


def test_german_and_spanish_share_no_run_of_five_words_with_the_english(mini: Collection) -> None:
    def runs(text: str) -> set[tuple[str, ...]]:
        words = text.lower().split()
        return set(zip(*(words[at:] for at in range(5)), strict=False))

    english = {(kind, content): text for kind, content, language, text in texts_of(mini) if language == "en"}
    for kind, content, language, text in texts_of(mini):
        if language in ("de", "es"):
            assert not runs(text) & runs(english[kind, content]), (kind, content, language)


def test_no_text_is_there_twice_and_none_has_control_characters(mini: Collection) -> None:
    for texts in ([(d.language, d.text) for d in mini.documents], [(q.language, q.text) for q in mini.queries]):
        assert len(set(texts)) == len(texts)
        for _, text in texts:
            assert unicodedata.normalize("NFC", text) == text
            assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn")]
            assert text == text.strip()


def test_about_half_of_the_questions_do_not_name_their_topic(mini: Collection) -> None:
    silent = [
        q.query_id
        for q in mini.queries
        if q.language == "en" and q.query_id.split("-")[-1].rstrip("s") not in q.text.lower()
    ]
    assert 30 <= len(silent) <= 60


def test_no_english_passage_shares_eight_words_in_a_row_with_another(mini: Collection) -> None:
    seen: dict[str, str] = {}
    for document in mini.documents:
        if document.language == "en":
            words = re.findall(r"\w+", document.text.lower())
            for at in range(len(words) - 7):
                gram = " ".join(words[at : at + 8])
                assert seen.setdefault(gram, document.content_id) == document.content_id, gram
