"""Spans of documents: what stands in for queries where nobody has asked anything yet."""

from __future__ import annotations

import random
import re

WORDS = 9
"""Words in a span; XQuAD's and most people's questions have about as many (see docs/results/development.md)."""
CHARACTERS = 18
"""Letters in a span of a text without spaces between words (Han, kana, Thai, Lao, Khmer, Myanmar)."""

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def random_span(text: str, generator: random.Random) -> str:
    """A random span of a text: `WORDS` whole words, or `CHARACTERS` characters where a script has no spaces.

    A text that is shorter is returned whole, with its white space folded.

    Args:
        text: Of any length and script.
        generator: Where the span's place comes from.
    """
    words = text.split()
    unspaced = len(_UNSPACED.findall(text))
    if 2 * unspaced > sum(map(str.isalpha, text)):
        joined = " ".join(words)
        start = generator.randrange(max(1, len(joined) - CHARACTERS + 1))
        return joined[start : start + CHARACTERS].strip()
    start = generator.randrange(max(1, len(words) - WORDS + 1))
    return " ".join(words[start : start + WORDS])
