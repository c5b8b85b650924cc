"""The languages of texts that a wrapped embeddings object is given, which have no field for one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from isoglot.platform.languages import detect
from isoglot.transforms.transform import Transform

LanguageOf = str | Callable[[str], str | None] | None
"""The language of all texts, or what tells that of one; None: it is detected."""


def languages_of(texts: Sequence[str], language: LanguageOf, transform: Transform) -> list[str | None]:
    """Return the language of each text; None where it cannot be told, or where the transform needs none."""
    if callable(language):
        return [language(text) for text in texts]
    if language is not None or not transform.record.needs_language:
        return [language] * len(texts)
    return detect(texts, frozenset(transform.record.languages))
