"""The embedded collection is whole, in the languages it says, and translated throughout."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

import pytest

from isoglot import Collection, load_collection
from isoglot.languages import detect

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
LATIN_ALLOWED = {"C", "DNA", "G", "D", "A", "E", "II", "VI", "XIX", "XVI", "XX", "XVIII", "XVII", "XV", "I"}


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
    lengths = {(d.content_id, d.language): len(d.text) for d in mini.documents}
    for (content, language), length in lengths.items():
        if language != "en":
            low, high = LENGTH_RATIOS[language]
            assert low <= length / lengths[content, "en"] <= high, (content, language)


def test_nothing_is_left_untranslated(mini: Collection) -> None:
    english = {d.content_id: d.text for d in mini.documents if d.language == "en"}
    for document in mini.documents:
        if document.language in ("ar", "hi", "ru", "th", "zh"):
            left = set(re.findall(r"[A-Za-z]+", document.text)) - LATIN_ALLOWED
            assert not left, (document.content_id, document.language)
        elif document.language in ("de", "es"):
            words = document.text.split()
            runs = [" ".join(words[at : at + 6]) for at in range(len(words) - 5)]
            assert not [run for run in runs if run in english[document.content_id]], document.content_id


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


def test_no_question_is_asked_in_both_halves_and_no_passage_shares_eight_words_with_another(mini: Collection) -> None:
    seen: dict[str, str] = {}
    for document in mini.documents:
        if document.language == "en":
            words = re.findall(r"\w+", document.text.lower())
            for at in range(len(words) - 7):
                gram = " ".join(words[at : at + 8])
                assert seen.setdefault(gram, document.content_id) == document.content_id, gram
