"""A small corpus of vectors with a language bias, for the tests of stores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LANGUAGES = ("en", "zh", "sw")
DIMENSION = 24


@dataclass(frozen=True)
class Corpus:
    """Translations side by side: document i is the content i // 3 in the language i % 3.

    Attributes:
        vectors: (n, d) unit vectors, each the sum of a content, a language and noise.
        languages: The language of each.
        contents: The content id of each.
    """

    vectors: np.ndarray
    languages: list[str]
    contents: list[str]


def corpus(contents: int = 80, bias: float = 2.0, seed: int = 0) -> Corpus:
    """Make one whose languages lie apart by `bias` times the length of a content."""
    generator = np.random.default_rng(seed)
    meanings = generator.normal(size=(contents, DIMENSION))
    offsets = bias * generator.normal(size=(len(LANGUAGES), DIMENSION))
    noise = 0.1 * generator.normal(size=(contents, len(LANGUAGES), DIMENSION))
    vectors = (meanings[:, None] + offsets[None] + noise).reshape(-1, DIMENSION).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Corpus(vectors, list(LANGUAGES) * contents, [f"c{at // 3}" for at in range(len(vectors))])
