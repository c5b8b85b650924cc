"""What a wrapped embeddings object gives, changed by a transform, with the languages that its texts are in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from isoglot.platform.languages import detect
from isoglot.transforms.transform import Transform

LanguageOf = str | Callable[[str], str | None] | None
"""Language of all texts, or a function from a text to its language; None: detected."""


def languages_of(texts: Sequence[str], language: LanguageOf, transform: Transform) -> list[str | None]:
    """Return the language of each text; None where it cannot be told, or where the transform needs none."""
    if callable(language):
        return [language(text) for text in texts]
    if language is not None or not transform.record.needs_language:
        return [language] * len(texts)
    return detect(texts, frozenset(transform.record.languages))


class TextVectors:
    """Changes lists of numbers by a transform and the languages of their texts.

    Args:
        transform: The transform, or its folder.
        language: The language of all texts, or a function that tells that of one; None: it is detected.

    Raises:
        IsoglotError: The folder holds no transform, or it is damaged.
    """

    def __init__(self, transform: Transform | str | Path, language: LanguageOf) -> None:
        self.transform = transform if isinstance(transform, Transform) else Transform.load(transform)
        self.language = language

    def documents(self, vectors: list[list[float]], texts: Sequence[str]) -> list[list[float]]:
        """Change the vector of each text; errors as for `Transform.queries`."""
        if not texts:
            return []
        languages = languages_of(texts, self.language, self.transform)
        changed: list[list[float]] = self.transform.documents(np.array(vectors), languages).tolist()
        return changed

    def query(self, vector: list[float], text: str) -> list[float]:
        """Change the vector of a query; errors as for `Transform.queries`."""
        languages = languages_of([text], self.language, self.transform)
        changed: list[float] = self.transform.queries(np.array(vector), languages).tolist()
        return changed
