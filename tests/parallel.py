"""Parallel rows in made-up languages, as many as a test needs."""

from __future__ import annotations

import random

from isoglot import Row

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ALPHABETS = {"en": _LETTERS, "de": "zyxwvutsrqponmlkjihgfedcba", "ru": "абвгдежзийклмнопрстуфхцчшщ"}


def parallel_rows(count: int, languages: tuple[str, ...] = ("en", "de", "ru")) -> list[Row]:
    """`count` contents of six random words, asked for by three of them; a language is a cipher of English.

    Languages beyond three are spelled as German.
    """
    generator = random.Random(0)
    rows = []
    for number in range(count):
        words = ["".join(generator.choices(_LETTERS, k=5)) for _ in range(6)]
        document = {tag: _spelled(" ".join(words), tag) for tag in languages}
        query = {tag: _spelled(" ".join(words[::2]), tag) + "?" for tag in languages}
        rows.append(Row(f"content-{number}", query, document, "made-up", "CC0-1.0"))
    return rows


def _spelled(text: str, language: str) -> str:
    alphabet = _ALPHABETS.get(language, _ALPHABETS["de"])
    spelled = text.translate(str.maketrans(_LETTERS, alphabet))
    return spelled if language in _ALPHABETS else f"{language} {spelled}"
