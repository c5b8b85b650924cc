"""Shared n-grams and near-duplicates."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoglot.corpora.sources import load_collection
from isoglot.training_data.overlap import IDEOGRAPHS, LETTERS, WORDS, EightGrams, gram_length, near_duplicates, tokens

PASSAGE = "The Amazon rainforest covers most of the Amazon basin of South America, seven million square kilometres."
CHINESE = "亚马逊雨林覆盖了南美洲亚马逊盆地的大部分地区,面积达七百万平方公里。"
THAI = "ป่าฝนแอมะซอนปกคลุมพื้นที่ส่วนใหญ่ของลุ่มน้ำแอมะซอนในทวีปอเมริกาใต้"


def test_eight_words_in_a_row_overlap_and_seven_do_not() -> None:
    grams = EightGrams.of([PASSAGE])
    words = PASSAGE.split()
    assert grams.overlaps(" ".join(["so", *words[3:11], "so"]))
    assert not grams.overlaps(" ".join(["so", *words[3:10], "so"]))


def test_case_punctuation_and_line_ends_do_not_hide_an_overlap() -> None:
    assert EightGrams.of([PASSAGE]).overlaps(PASSAGE.upper().replace(" ", "\n-- "))


@pytest.mark.parametrize(
    "text",
    [
        "Überlebensgroße Bäume säumen während des Frühjahrs die gepflügten Äcker südöstlich Münchens.",
        "이 강은 남쪽의 높은 산에서 시작하여 넓은 들을 지나 서쪽 바다로 천천히 흘러간다.",
    ],
)
def test_equivalent_texts_overlap(text: str) -> None:
    assert EightGrams.of([text]).overlaps(unicodedata.normalize("NFD", text))
    assert EightGrams.of([unicodedata.normalize("NFD", text)]).overlaps(text)


def test_arabic_overlaps_with_and_without_vowel_signs() -> None:
    plain = "ينبع هذا النهر من الجبال العالية في الجنوب ويصب في البحر"
    assert EightGrams.of([plain]).overlaps("يَنْبُعُ هٰذَا النَّهْرُ مِنَ الْجِبَالِ الْعَالِيَةِ فِي الْجَنُوبِ وَيَصُبُّ فِي الْبَحْرِ")


def test_scripts_without_spaces_are_compared_by_characters() -> None:
    assert [gram_length(text) for text in (PASSAGE, CHINESE, THAI)] == [WORDS, IDEOGRAPHS, LETTERS]
    grams = EightGrams.of([CHINESE, THAI])
    texts = ["见" + CHINESE[2:20], CHINESE[:10], "ก" + THAI[3:40], THAI[:20]]
    assert [grams.overlaps(text) for text in texts] == [True, False, True, False]


def test_vowel_signs_of_indian_scripts_do_not_cut_words_into_letters() -> None:
    assert tokens("हिन्दी में क्या है।") == ["हिन्दी", "में", "क्या", "है"]
    assert tokens("দক্ষিণ এশিয়া; தெற்கு") == ["দক্ষিণ", "এশিয়া", "தெற்கு"]
    collections = {split: load_collection(f"mini@{split}") for split in ("train", "test")}
    train, test = ([document.text for document in each.documents] for each in collections.values())
    assert not any(map(EightGrams.of(test).overlaps, train))


def test_an_overlap_is_named_by_its_words() -> None:
    grams = EightGrams.of([PASSAGE])
    assert grams.shared(f"it is said that {PASSAGE}") == "the amazon rainforest covers most of the amazon"
    assert grams.shared("nothing of that") == ""


def test_no_text_and_short_texts_overlap_with_nothing() -> None:
    assert not EightGrams.of([]).overlaps(PASSAGE)
    assert not EightGrams.of([PASSAGE]).overlaps("")
    assert not EightGrams.of(["one two", ""]).overlaps("one two")


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=14).map(" ".join), max_size=8), st.integers(0, 7))
def test_overlaps_are_those_of_a_plain_comparison(texts: list[str], split: int) -> None:
    def grams(text: str) -> set[tuple[str, ...]]:
        words = tokens(text)
        return {tuple(words[at : at + WORDS]) for at in range(len(words) - WORDS + 1)}

    known, asked = texts[:split], texts[split:]
    everything = set().union(*map(grams, known))
    expected = [bool(grams(text) & everything) for text in asked]
    held = EightGrams.of(known)
    assert [held.overlaps(text) for text in asked] == expected


def test_a_nearly_equal_text_is_found_and_the_first_one_named() -> None:
    generator = np.random.default_rng(0)
    texts = [" ".join(map(str, generator.integers(0, 1000, 120))) for _ in range(40)]
    changed = texts[7].split()
    changed[60] = "other"
    texts += [" ".join(changed), texts[3] + " and more", "short", "short"]
    assert near_duplicates(texts, 0.8) == [*range(40), 7, 3, 42, 42]


def test_texts_below_the_threshold_are_not_duplicates() -> None:
    words = [str(number) for number in range(100)]
    half = [*words[:60], *(f"x{number}" for number in range(40))]
    assert near_duplicates([" ".join(words), " ".join(half)], 0.8) == [0, 1]
    assert near_duplicates([" ".join(words), " ".join(half)], 0.3) == [0, 0]


def test_pairs_at_the_threshold_are_hardly_ever_missed() -> None:
    generator = np.random.default_rng(1)
    matched = 0
    for _ in range(100):
        words = list(map(str, generator.integers(0, 10_000, 104)))
        other = [*words[:92], *map(str, generator.integers(10_000, 20_000, 12))]  # 88 of 112 shingles: 0.786 is below
        nearer = [*words[:94], *map(str, generator.integers(10_000, 20_000, 10))]  # 90 of 110 shingles: 0.818 is above
        first = near_duplicates([" ".join(words), " ".join(other), " ".join(nearer)], 0.8)
        assert first[1] == 1
        matched += first[2] == 0
    assert matched >= 97
