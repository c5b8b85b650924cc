"""Spans that stand in for queries."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoglot.corpora.spans import CHARACTERS, WORDS, random_span


@given(st.text(), st.integers())
def test_a_span_is_part_of_its_text_and_not_longer_than_asked(text: str, seed: int) -> None:
    folded = " ".join(text.split())
    span = random_span(text, random.Random(seed))
    assert span in folded
    assert len(span.split()) <= max(WORDS, CHARACTERS)
    assert bool(span) == bool(folded) or folded


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("敏捷的棕色狐狸跳过懒狗" * 5, CHARACTERS),
        ("สุนัขจิ้งจอกสีน้ำตาลกระโดดข้าม" * 3, CHARACTERS),
        ("素早い茶色の狐が" * 6, CHARACTERS),
    ],
)
def test_scripts_without_spaces_are_cut_by_characters(text: str, length: int) -> None:
    assert len(random_span(text, random.Random(1))) == length


def test_words_stay_whole() -> None:
    words = [f"word{number}" for number in range(40)]
    for seed in range(20):
        span = random_span(" ".join(words), random.Random(seed)).split()
        assert len(span) == WORDS
        assert span == words[words.index(span[0]) :][:WORDS]
    assert random_span("two words", random.Random(0)) == "two words"
