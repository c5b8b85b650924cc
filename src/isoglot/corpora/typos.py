"""Typing mistakes by script: neighbouring keys, dropped and swapped letters; homophones in Han (isoglot's own)."""

from __future__ import annotations

import random
from collections import defaultdict
from functools import cache
from itertools import pairwise

from isoglot.platform.text import pattern

TYPO_RATE = 0.05
"""The share of a text's letters that are mistyped; at least one is."""

_LATIN = {
    "": "qwertyuiop\nasdfghjkl\nzxcvbnm",
    "de": "qwertzuiopü\nasdfghjklöä\nyxcvbnm",
    "fr": "azertyuiop\nqsdfghjklm\nwxcvbn",
}
_OTHERS = (
    "йцукенгшщзхъ\nфывапролджэ\nячсмитьбю",  # Russian
    " ςερτυθιοπ\nασδφγηξκλ\nζχψωβνμ",  # Greek
    "  קראטוןםפ\nשדגכעיחלךף\nזסבהנמצתץ",  # Hebrew
    "ضصثقفغعهخحجد\nشسيبلاتنمكط\nئءؤر ىةوزظ",  # Arabic 101
    "ौैाीूबहगदजड\nोे्िुपरकतचट\nॆंमनवलस",  # Devanagari InScript
    "ๆไำพะัีรนยบล\nฟหกดเ้่าสวง\nผปแอิืทมใฝ",  # Thai Kedmanee
)
"""The rows of keyboards, without shift; a space is a key without a letter."""

_SORTED_BY_SOUND = {"zh": ("gb2312", 16, 55), "ja": ("euc_jp", 16, 47)}
"""Language -> codec and rows of a standard's most used characters, which are sorted by their sound: GB 2312 level 1 by
Pinyin, JIS X 0208 level 1 by the usual reading. So a character's neighbours there mostly sound as it does."""


def mistyped(text: str, language: str, generator: random.Random, rate: float = TYPO_RATE) -> str:
    """Mistype some letters of a text.

    A letter is replaced by one on a neighbouring key, dropped, or swapped with the next one, by equal chances out of
    what is possible for it. A Han character is replaced by one that mostly sounds alike (simplified Chinese and
    Japanese), or dropped. A text of a script without a keyboard here has letters dropped and swapped.

    Args:
        text: A text.
        language: Its canonical tag.
        generator: Chooses the letters and what becomes of them.
        rate: Share of the letters that are mistyped, rounded; at least one letter is.

    Returns:
        The text with its mistakes; as it was if it has no letter, blank if it had only one.
    """
    characters = list(text)
    letters = [at for at, character in enumerate(characters) if pattern(r"[\p{L}\p{M}]").match(character)]
    count = min(len(letters), max(1, round(rate * len(letters))))
    for at in sorted(generator.sample(letters, count), reverse=True):
        _mistype(characters, at, language, generator)
    return "".join(characters)


def _mistype(characters: list[str], at: int, language: str, generator: random.Random) -> None:
    """Mistype one letter of a list of characters in place; behind it some may be empty."""
    letter, following = characters[at], "".join(characters[at + 1 : at + 2])
    is_han = pattern(r"\p{Han}").match(letter)
    wrong = _homophones(language).get(letter, "") if is_han else _neighbours(language).get(letter.lower(), "")
    ways = ["drop"]
    if wrong:
        ways.append("replace")
    if not is_han and following != letter and pattern(r"[\p{L}\p{M}]").match(following):
        ways.append("swap")
    match generator.choice(ways):
        case "drop":
            characters[at] = ""
        case "replace":
            other = generator.choice(wrong)
            characters[at] = other.upper() if letter.isupper() else other
        case "swap":
            characters[at : at + 2] = following, letter


@cache
def _neighbours(language: str) -> dict[str, str]:
    """Letter -> those on the keys left and right of it, above and below."""
    found: dict[str, str] = defaultdict(str)
    for board in (_LATIN.get(language.split("-")[0], _LATIN[""]), *_OTHERS):
        rows = board.split("\n")
        pairs = [pair for row in rows for pair in pairwise(row)]
        pairs += [pair for above, below in pairwise(rows) for pair in zip(above, below, strict=False)]
        for first, second in pairs:
            if " " not in (first, second):
                found[first] += second
                found[second] += first
    return dict(found)


@cache
def _homophones(language: str) -> dict[str, str]:
    """Character -> the ones before and behind it in the order of sound."""
    if language not in _SORTED_BY_SOUND:
        return {}
    codec, first, last = _SORTED_BY_SOUND[language]
    codes = (bytes((0xA0 + row, 0xA0 + cell)) for row in range(first, last + 1) for cell in range(1, 95))
    characters = b"".join(codes).decode(codec, "ignore")
    found: dict[str, str] = defaultdict(str)
    for before, behind in pairwise(characters):
        found[before] += behind
        found[behind] += before
    return dict(found)
