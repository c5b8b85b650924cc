"""Code-switching: queries that mix two languages, made of a query and its translation (isoglot's own)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import groupby, pairwise

from isoglot.platform.errors import IsoglotError
from isoglot.platform.text import pattern

CODE_SWITCH_LEVELS = ("clause", "word")

_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}ーｰ]"
_OPENING, _OTHER_PUNCTUATION = r"[\p{Ps}\p{Pi}]", r"[^\P{P}\p{Ps}\p{Pi}]"
_UNIT = (
    rf"(?:(?={_OPENING})\X)*(?={_UNSPACED})\X(?:(?={_OTHER_PUNCTUATION})\X)* ?"  # a character, its punctuation
    rf"|(?:(?!{_UNSPACED}| )\X)+ ?"  # a word
)
_CLAUSE_END = r"\p{Terminal_Punctuation}[\p{Pe}\p{Pf}\"' ]*$"


def code_switched(first: str, second: str, generator: random.Random, level: str) -> str:
    """A text whose parts come in turn, or at random, from one or the other of two translations.

    ``clause``: both are cut behind punctuation that ends a clause or a sentence, in any script, the one with more
    clauses into as many groups of them as the other has clauses; if one has a single clause, both are cut in halves.
    The parts are taken in turn from one and the other. ``word``: both are cut into as many pieces as the shorter one
    has units, of about equal numbers of units, and each piece is taken from one or the other at random, at least one
    from each.

    A unit is a word or, where a script has no spaces between words, a grapheme cluster with its punctuation. Pieces
    correspond by their place alone: without a dictionary they are proportional, not aligned, so a mix may say a thing
    twice and leave out another.

    Args:
        first: A text.
        second: Its translation.
        generator: Decides which language begins, or supplies each piece.
        level: One of `CODE_SWITCH_LEVELS`.

    Returns:
        The mix, with single spaces; if a text is a single unit, the whole of one of the two.

    Raises:
        IsoglotError: `level` is unknown.
    """
    if level not in CODE_SWITCH_LEVELS:
        raise IsoglotError(f"unknown level {level!r} of code-switching; choose {' or '.join(CODE_SWITCH_LEVELS)}")
    units = [_units(first), _units(second)]
    count = max(1, min(map(len, units)))
    if level == "clause":
        clauses = [_clauses(text_units) for text_units in units]
        fewest = min(map(len, clauses))
        units, count = (clauses, fewest) if fewest > 1 else (units, min(2, count))
        begins = generator.randrange(2)
        chosen = [(begins + place) % 2 for place in range(count)]
    else:
        chosen = [generator.randrange(2) for _ in range(count)]
        if count > 1 and len(set(chosen)) == 1:
            chosen[generator.randrange(count)] ^= 1
    pieces = [_groups(parts, count) for parts in units]
    runs = ["".join(pieces[text][i] for i in run) for text, run in groupby(range(count), chosen.__getitem__)]
    return " ".join(run.strip() for run in runs)


def with_code_switching(
    queries: Sequence[str], translations: Sequence[str], share: float, level: str, seed: int
) -> list[str]:
    """The queries, each replaced with a probability of `share` by a mix of it and its translation.

    Args:
        queries: n texts.
        translations: n texts, in the same order.
        share: Probability from 0 to 1.
        level: As for `code_switched`.
        seed: Random seed; the same seed returns the same texts.

    Raises:
        IsoglotError: `share` is out of its range, or `level` is unknown.
    """
    if not 0 <= share <= 1:
        raise IsoglotError(f"the share of code-switched queries is {share}; it must be from 0 to 1")
    generator = random.Random(seed)
    return [
        code_switched(query, translation, generator, level) if generator.random() < share else query
        for query, translation in zip(queries, translations, strict=True)
    ]


def _units(text: str) -> list[str]:
    """The units of `code_switched`, each with the space behind it; joined they are the text with single spaces."""
    return list(pattern(_UNIT).findall(" ".join(text.split())))


def _clauses(units: Sequence[str]) -> list[str]:
    clauses, begin = [], 0
    for end, unit in enumerate(units, start=1):
        if end == len(units) or pattern(_CLAUSE_END).search(unit):
            clauses.append("".join(units[begin:end]))
            begin = end
    return clauses


def _groups(parts: Sequence[str], count: int) -> list[str]:
    """`count` groups of neighbouring parts, with about equal numbers of them."""
    cuts = [number * len(parts) // count for number in range(count + 1)]
    return ["".join(parts[begin:end]) for begin, end in pairwise(cuts)]
