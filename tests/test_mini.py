"""The bundled collection is whole, in the languages it says, and translated throughout."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from isoglot import Collection, load_collection
from isoglot.platform.languages import detect
from isoglot.training_data.held_out import evaluation_grams
from isoglot.training_data.overlap import EightGrams

LANGUAGES = (
    "en",
    "ar",
    "de",
    "el",
    "es",
    "fa",
    "fr",
    "he",
    "hi",
    "id",
    "it",
    "ja",
    "ko",
    "pl",
    "pt",
    "ru",
    "sw",
    "th",
    "tr",
    "zh",
)
LENGTH_RATIOS = {  # characters of a document to those of its English version
    "ar": (0.6, 1.15),
    "de": (0.9, 1.45),
    "el": (0.9, 1.5),
    "es": (0.9, 1.45),
    "fa": (0.65, 1.2),
    "fr": (0.9, 1.5),
    "he": (0.55, 1.0),
    "hi": (0.75, 1.3),
    "id": (0.85, 1.45),
    "it": (0.9, 1.45),
    "ja": (0.3, 0.65),
    "ko": (0.3, 0.7),
    "pl": (0.8, 1.4),
    "pt": (0.85, 1.4),
    "ru": (0.8, 1.4),
    "sw": (0.8, 1.45),
    "th": (0.65, 1.25),
    "tr": (0.75, 1.4),
    "zh": (0.2, 0.45),
}
QUERY_SLACK = 1.6  # a question is one short sentence: its ratio varies more
LATIN_ALLOWED = {
    "diseases-scurvy": {"C"},  # the vitamin
    "elements-phosphorus": {"DNA"},
    "everyday-zipper": {"Y"},  # its shape
    "instruments-theremin": {"SF"},
    "instruments-violin": {"G", "D", "A", "E"},  # its strings
    "scripts-morse-code": {"E", "SOS"},
    "software-compiler": {"Fortran"},
    "software-spreadsheet": {"VisiCalc"},
    "software-version-control": {"Git", "Linux"},
    "software-web-browser": {"CERN", "Cookie", "cookie", "Mosaic"},
    "sports-volleyball": {"G"},  # of a name
    "trees-baobab": {"C"},
}
"""Topic -> what languages of other scripts write in Latin letters."""
ROMAN = re.compile("[IVX]+")
"""Russian writes centuries and rulers so."""
SCRIPTS = {
    "ar": ("ARABIC",),
    "el": ("GREEK",),
    "fa": ("ARABIC",),
    "he": ("HEBREW",),
    "hi": ("DEVANAGARI",),
    "ja": ("CJK", "HIRAGANA", "KATAKANA"),
    "ko": ("HANGUL",),
    "ru": ("CYRILLIC",),
    "th": ("THAI",),
    "zh": ("CJK",),
}


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
    questions = {*topics, *(f"{topic}-2" for topic in topics)}
    assert len(topics) == 160
    assert {(d.content_id, d.language) for d in mini.documents} == {(t, tag) for t in topics for tag in LANGUAGES}
    assert {(q.query_id, q.language) for q in mini.queries} == {(q, tag) for q in questions for tag in LANGUAGES}
    assert {query: gold for query, (gold,) in mini.golds.items()} == {q: q.removesuffix("-2") for q in questions}


@pytest.mark.parametrize(("splits", "groups"), [(("train", "test"), 16), (("demo-train", "demo"), 8)])
def test_the_splits_are_halves_of_groups_of_five_that_share_no_group(splits: tuple[str, str], groups: int) -> None:
    found = []
    for split in splits:
        topics = {document.content_id for document in load_collection(f"mini@{split}").documents}
        count = Counter(topic.split("-")[0] for topic in topics)
        assert (len(topics), set(count.values()), len(count)) == (5 * groups, {5}, groups)
        found.append(set(count))
    assert not found[0] & found[1]


def test_the_demo_is_the_first_edition() -> None:
    """Numbers of that edition stand in docs/results/methods.md and in the expectations of `isoglot reproduce`."""
    for split, fingerprint in (
        ("demo-train", "253a8849fa38370b712703702d81bb967f9285025e3519468f9315e1106fe9f7"),
        ("demo", "db4ade1cc709949067fefe94cabd99c0a1432b265c4a680f0f28916b45916e43"),
    ):
        demo = load_collection(f"mini@{split}")
        assert demo.languages == ["en", "ar", "de", "es", "hi", "ru", "th", "zh"]
        assert len(demo.documents) == len(demo.queries) == 320
        assert demo.fingerprint == fingerprint


def test_no_question_of_one_split_is_nearly_one_of_the_other() -> None:
    def words(split: str) -> dict[str, frozenset[str]]:
        questions = (q for q in load_collection(f"mini@{split}").queries if q.language == "en")
        return {q.query_id: frozenset(re.findall(r"\w{4,}", q.text.lower())) for q in questions}

    train, test = words("train"), words("test")
    for one, first in train.items():
        for other, second in test.items():
            assert len(first & second) < 0.5 * min(len(first), len(second)), (one, other)


def test_no_text_of_train_shares_eight_words_in_a_row_with_test() -> None:
    grams = EightGrams.of([text for *_, text in texts_of(load_collection("mini@test"))])
    assert not [text for *_, text in texts_of(load_collection("mini@train")) if grams.overlaps(text)]


def test_nothing_overlaps_with_xquad_and_belebele(mini: Collection, shared_data: Path) -> None:
    grams, unchecked = evaluation_grams([f"xquad:{shared_data / 'xquad'}", f"belebele:{shared_data / 'belebele'}"])
    names = [name for name in grams if not name.startswith("mini")]
    assert len(names) == 2
    assert not unchecked
    shared = [
        (kind, content, language, name)
        for kind, content, language, text in texts_of(mini)
        for name in names
        if grams[name].overlaps(text)
    ]
    assert not shared


def test_english_passages_have_50_to_90_words_and_questions_7_to_18(mini: Collection) -> None:
    assert all(50 <= len(d.text.split()) <= 90 for d in mini.documents if d.language == "en")
    assert all(7 <= len(q.text.split()) <= 18 for q in mini.queries if q.language == "en")


def test_every_text_is_in_its_language(mini: Collection) -> None:
    texts = [(d.text, d.language) for d in mini.documents]
    texts += [(q.text, q.language) for q in mini.queries if q.language != "sw"]  # of which every sixth is mistaken
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
            letters = {c for c in text if c.isalpha() and not c.isascii() and c not in "ー々"}
            assert all(unicodedata.name(c).startswith(SCRIPTS[language]) for c in letters), (kind, content, language)
            latin = set(re.findall(r"[A-Za-z]+", text))
            if language == "ru":
                latin = {word for word in latin if not ROMAN.fullmatch(word)}
            assert latin <= LATIN_ALLOWED.get(content.removesuffix("-2"), set()), (kind, content, language)


def test_languages_in_latin_letters_share_no_run_of_five_words_with_the_english(mini: Collection) -> None:
    def runs(text: str) -> set[tuple[str, ...]]:
        words = text.lower().split()
        found = set(zip(*(words[at:] for at in range(5)), strict=False))
        return {run for run in found if any(c.isalpha() for word in run for c in word)}

    english = {(kind, content): text for kind, content, language, text in texts_of(mini) if language == "en"}
    for kind, content, language, text in texts_of(mini):
        if language not in (*SCRIPTS, "en"):
            assert not runs(text) & runs(english[kind, content]), (kind, content, language)


def test_no_text_is_there_twice_and_none_has_control_characters(mini: Collection) -> None:
    for texts in ([(d.language, d.text) for d in mini.documents], [(q.language, q.text) for q in mini.queries]):
        assert len(set(texts)) == len(texts)
        for _, text in texts:
            assert unicodedata.normalize("NFC", text) == text
            assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn")]
            assert text == text.strip()


def named(topic: str) -> str:
    """The topic's name in the singular: rubber tree."""
    return " ".join(topic.split("-")[1:]).removesuffix("s")


def test_one_of_the_two_questions_of_a_topic_does_not_name_it(mini: Collection) -> None:
    english = [(mini.golds[q.query_id][0], q.text) for q in mini.queries if q.language == "en"]
    silent = Counter(topic for topic, text in english if not re.search(rf"\b{named(topic)}", text, re.IGNORECASE))
    assert len(silent) == 160
    assert 180 <= silent.total() <= 240


def test_no_english_passage_shares_eight_words_in_a_row_with_another(mini: Collection) -> None:
    seen: dict[str, str] = {}
    for document in mini.documents:
        if document.language == "en":
            words = re.findall(r"\w+", document.text.lower())
            for at in range(len(words) - 7):
                gram = " ".join(words[at : at + 8])
                assert seen.setdefault(gram, document.content_id) == document.content_id, gram
