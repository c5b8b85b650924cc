"""Query stress: a collection's own queries as a user's keyboard changes them (isoglot's own).

The kinds:

- ``code-switched``: halves or clauses of a query and of its English version in turn.
- ``romanised``: letters of other scripts as Latin ones.
- ``no-diacritics``: without the marks of Latin, Greek, Arabic and Hebrew letters, as they are left out in haste.
- ``typos``: mistyped letters, by script (see `isoglot.corpora.typos`).
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from isoglot.corpora.code_switch import code_switched
from isoglot.corpora.collection import Collection, Query
from isoglot.corpora.typos import mistyped
from isoglot.platform.errors import IsoglotError
from isoglot.platform.extras import needs
from isoglot.platform.text import pattern

_WITHOUT_MARK = str.maketrans("đĐłŁøØħĦŧŦı", "dDlLoOhHtTi")
"""Latin letters whose mark is no character of its own."""

_MARKS = r"(?<=[\p{Latin}\p{Greek}\p{Arabic}\p{Hebrew}])\p{Mn}+|(?<=[еЕ])\u0308"
"""Marks that are left out in haste, of decomposed text. Those of other scripts are vowels or make other letters: й."""


def stressed(collection: Collection, kind: str, seed: int = 0) -> Collection:
    """Return the collection with its queries changed; those that the kind cannot change stay as they are.

    What becomes of a query depends on its id, language, text (and its English version's) and the seed alone.

    Args:
        collection: The collection.
        kind: One of `KINDS`.
        seed: Random seed.

    Raises:
        IsoglotError: The kind is unknown, or uroman is not installed.
    """
    change_text = _CHANGES[_known(kind)]
    english = {query.query_id: query.text for query in collection.queries if query.language == "en"}

    def change(query: Query) -> Query:
        generator = random.Random(f"{seed}\t{kind}\t{query.query_id}\t{query.language}")
        text = change_text(query, english.get(query.query_id), generator)
        return replace(query, text=text) if text.strip() else query

    return replace(collection, queries=[change(query) for query in collection.queries])


def chosen_kinds(names: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds that a user named, each once; ``all`` names all.

    Raises:
        IsoglotError: A kind is unknown, or uroman is required and not installed.
    """
    kinds = tuple(dict.fromkeys(kind for name in names for kind in (KINDS if name == "all" else (name,))))
    for kind in kinds:
        _known(kind)
    if "romanised" in kinds:
        _romaniser()
    return kinds


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise IsoglotError(f"unknown stress {kind!r}; choose from {', '.join(KINDS)}, or all")
    return kind


def _code_switched(query: Query, english: str | None, generator: random.Random) -> str:
    if english is None or query.language == "en":
        return query.text
    return code_switched(query.text, english, generator, "clause")


def _romanised(query: Query, _english: str | None, _generator: random.Random) -> str:
    if not pattern(r"(?!\p{Latin})\p{L}").search(query.text):
        return query.text
    return " ".join(str(_romaniser().romanize_string(query.text, lcode=_alpha3(query.language))).split())


def _without_diacritics(query: Query, _english: str | None, _generator: random.Random) -> str:
    plain = pattern(_MARKS).sub("", unicodedata.normalize("NFD", query.text)).translate(_WITHOUT_MARK)
    composed = unicodedata.normalize("NFC", plain)
    return query.text if composed == unicodedata.normalize("NFC", query.text) else composed


def _mistyped(query: Query, _english: str | None, generator: random.Random) -> str:
    return mistyped(query.text, query.language, generator)


_CHANGES: dict[str, Callable[[Query, str | None, random.Random], str]] = {
    "code-switched": _code_switched,
    "romanised": _romanised,
    "no-diacritics": _without_diacritics,
    "typos": _mistyped,
}
KINDS = tuple(_CHANGES)


@cache
def _romaniser() -> Any:
    with needs("romanising queries", "stress"):
        from uroman import Uroman
    return Uroman()


@cache
def _alpha3(language: str) -> str | None:
    """The ISO 639-3 code of a canonical tag, by which uroman knows a language's own rules; None if it has none."""
    from langcodes import Language

    try:
        return Language.get(language).to_alpha3()
    except LookupError:
        return None
