"""Mixes of a query and its translation: what is cut where, and that nothing of the ends is lost."""

from __future__ import annotations

import random
import unicodedata

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.corpora.code_switch import CODE_SWITCH_LEVELS as LEVELS
from isoglot.corpora.code_switch import code_switched, with_code_switching
from isoglot.platform.errors import IsoglotError

LATIN = ["who", "is", "the", "Königin,", "3,000", "e\u0301te\u0301?", "👩‍🔬"]
ALPHABETS = [
    LATIN,
    ["ज़ि", "न्दा", "बाद।"],
    ["か\u3099", "ー", "「日」", "、", "本"],
    ["กี่", "ที่", "น้ำ"],
    ["မြ", "န်", "မာ"],
]
TEXTS = st.sampled_from(ALPHABETS).flatmap(
    lambda alphabet: st.lists(st.sampled_from(alphabet), min_size=2, max_size=9).map(
        (" " if alphabet is LATIN else "").join
    )
)


def mixes(first: str, second: str, level: str, seeds: int = 40) -> set[str]:
    return {code_switched(first, second, random.Random(seed), level) for seed in range(seeds)}


def test_clauses_are_taken_in_turn_from_one_and_the_other() -> None:
    english, chinese = "When did it end, and who won?", "何时结束，谁赢了？"
    assert mixes(english, chinese, "clause") == {"When did it end, 谁赢了？", "何时结束， and who won?"}


@pytest.mark.parametrize(
    "text",
    [
        "متى انتهت، ومن فاز؟",
        "यह क्या है। वह कौन है?",
        "何ですか、誰ですか。",
        "ពេលណា។ អ្នកណា។",
        "ဘာလဲ၊ ဘယ်သူလဲ။",
        "ག་རེ་རེད། སུ་རེད།",
        "ምንድን፣ ማን።",
        "τι; ποιος;",
        "ինչ։ ով։",
        "wer? wo?",
        "who: where",
        "who; where",
    ],
)
def test_clauses_end_at_the_punctuation_of_every_script(text: str) -> None:
    first, second = regex.match(r"(.+?\p{Terminal_Punctuation})\s*(.+)", text).groups()
    assert mixes(text, "A B C, D", "clause") == {f"{first} D", f"A B C, {second}"}


def test_points_inside_numbers_and_words_end_no_clause() -> None:
    assert mixes("3.5 or 3,000 at 10:30", "a b c d", "clause") == {"3.5 or c d", "a b 3,000 at 10:30"}


def test_without_clauses_both_are_cut_in_halves() -> None:
    assert mixes("how old is he", "他多大", "clause") == {"how old 多大", "他 is he"}
    assert mixes("one, two, three", "eins zwei", "clause") == {"one, zwei", "eins two, three"}


def test_the_text_with_more_clauses_is_cut_into_as_many_groups() -> None:
    assert mixes("a, b, c, d", "x, y", "clause") == {"a, b, y", "x, c, d"}


def test_words_come_from_one_or_the_other_at_random_and_from_each_at_least_once() -> None:
    found = mixes("a b c", "x y z", "word", seeds=200)
    assert found == {f"{a} {b} {c}" for a in "ax" for b in "by" for c in "cz"} - {"a b c", "x y z"}


def test_scripts_without_spaces_are_cut_between_characters_and_stay_without_spaces() -> None:
    assert mixes("a b", "什么是人工智能", "word") == {"a 人工智能", "什么是 b"}
    assert mixes("a b", "น้ำที่นี่", "word") == {"a ที่นี่", "น้ำ b"}
    assert mixes("a b", "AIとは「何か」。", "word") == {"a は「何か」。", "AIと b"}


@settings(deadline=None)
@given(TEXTS, TEXTS, st.integers(0, 1000), st.sampled_from(LEVELS))
def test_a_mix_has_text_of_both_whole_clusters_and_single_spaces(
    first: str, second: str, seed: int, level: str
) -> None:
    found = code_switched(first, second, random.Random(seed), level)
    assert found == code_switched(first, second, random.Random(seed), level)
    assert found == " ".join(found.split())
    clusters = [regex.findall(r"\X", text.replace(" ", "")) for text in (first, second, found)]
    assert set(clusters[2]) <= {*clusters[0], *clusters[1]}
    assert not any(unicodedata.combining(word[0]) for word in found.split())
    assert found[0] in (first[0], second[0])
    assert found[-1] in (first[-1], second[-1])


@settings(deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 1000), st.sampled_from(LEVELS))
def test_each_piece_is_of_one_text_and_all_pieces_lie_in_order(
    lengths: int, others: int, seed: int, level: str
) -> None:
    first, second = [f"a{at}" for at in range(lengths)], [f"b{at}" for at in range(others)]
    found = code_switched(" ".join(first), " ".join(second), random.Random(seed), level).split()
    for own in (first, second):
        places = [own.index(word) for word in found if word in own]
        assert places
        assert places == sorted(set(places))


def test_a_text_of_one_unit_is_not_cut() -> None:
    for level in LEVELS:
        assert mixes("photosynthesis", "光合作用", level) == {"photosynthesis", "光合作用"}


def test_about_the_share_of_queries_is_mixed_and_a_seed_repeats() -> None:
    queries, translations = ["a b c"] * 1000, ["x y z"] * 1000
    found = with_code_switching(queries, translations, 0.3, "word", seed=1)
    assert 250 < sum(text != "a b c" for text in found) < 350
    assert found == with_code_switching(queries, translations, 0.3, "word", seed=1)
    assert found != with_code_switching(queries, translations, 0.3, "word", seed=2)
    assert with_code_switching(queries, translations, 0.0, "word", seed=1) == queries
    assert "a b c" not in with_code_switching(queries, translations, 1.0, "clause", seed=1)


def test_a_wrong_share_or_level_is_told() -> None:
    with pytest.raises(IsoglotError, match=r"share of code-switched queries is 1.5; it must be from 0 to 1"):
        with_code_switching(["a"], ["b"], 1.5, "word", seed=0)
    with pytest.raises(IsoglotError, match="unknown level 'letter' of code-switching; choose clause or word"):
        with_code_switching(["a"], ["b"], 1.0, "letter", seed=0)
