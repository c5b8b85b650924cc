"""Texts that say the same: n-grams shared with evaluation collections, and near-duplicates among documents.

N-grams are kept as hashes of 64 bits, a tenth of the memory of their words. A chance hit between two sets of 10 million
has a probability of about 5 in a million.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from isoglot.platform.arrays import Ints
from isoglot.platform.extras import needs
from isoglot.platform.text import normalized

WORDS, IDEOGRAPHS, LETTERS = 8, 16, 32
"""Lengths of an n-gram, all about as much text: in words; in characters of Chinese and Japanese; and in characters of
Thai, Lao, Khmer and Burmese."""

SHINGLE = 5
"""Length of a shingle in words."""

_PERMUTATIONS = 32

_IDEOGRAPH = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_LETTER = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_INDIC = r"\u0900-\u0963\u0966-\u0dff"  # Devanagari to Sinhala, whose vowel signs are no \w
_OTHER = rf"[^\W{_IDEOGRAPH}{_LETTER}]"
_TOKEN = re.compile(rf"[{_IDEOGRAPH}{_LETTER}]|{_OTHER}+(?:[{_INDIC}]{_OTHER}*)*")
_IDEOGRAPHS, _LETTERS = re.compile(f"[{_IDEOGRAPH}]"), re.compile(f"[{_LETTER}]")
_UNSPACED = re.compile(f"[{_IDEOGRAPH}{_LETTER}]")


def tokens(text: str) -> list[str]:
    """Return the words without case and punctuation; single characters in scripts without spaces between words.

    Equivalent texts have the same words.
    """
    return _TOKEN.findall(normalized(text).casefold())


def unspaced(text: str) -> bool:
    """Return whether most of the text is in a script without spaces between words."""
    return gram_length(text) != WORDS


def gram_length(text: str) -> int:
    """Return how many of a text's `tokens` make an n-gram."""
    text = normalized(text)
    if not _UNSPACED.search(text):
        return WORDS
    half = sum(map(str.isalpha, text)) / 2
    if len(_IDEOGRAPHS.findall(text)) > half:
        return IDEOGRAPHS
    return LETTERS if len(_LETTERS.findall(text)) > half else WORDS


@dataclass(frozen=True)
class EightGrams:
    """The distinct n-grams of a set of texts: 8 words, or as many characters as say about as much.

    Attributes:
        hashes: 64-bit hashes of the n-grams.
    """

    hashes: frozenset[int]

    @classmethod
    def of(cls, texts: Iterable[str]) -> EightGrams:
        """Collect all n-grams of `texts`."""
        return cls(frozenset(chain.from_iterable(_gram_hashes(text, gram_length(text)) for text in texts)))

    @classmethod
    def joined(cls, parts: Iterable[EightGrams]) -> EightGrams:
        """Collect the n-grams of several sets of texts."""
        return cls(frozenset().union(*(part.hashes for part in parts)))

    def overlaps(self, text: str) -> bool:
        """Return whether `text` shares an n-gram."""
        return not self.hashes.isdisjoint(_gram_hashes(text, gram_length(text)))

    def shared(self, text: str) -> str:
        """Return the first n-gram that `text` shares, as words; empty if there is none."""
        words, length = tokens(text), gram_length(text)
        starts = (start for start, gram in enumerate(_gram_hashes(text, length)) if gram in self.hashes)
        return next((" ".join(words[start : start + length]) for start in starts), "")


def near_duplicates(texts: Sequence[str], threshold: float) -> list[int]:
    """Return, for each text, the position of the first text that it nearly repeats; its own if there is none.

    Two texts nearly repeat each other if the Jaccard similarity of their sets of 5-word shingles reaches `threshold`.
    Candidates come from MinHash (package datasketch). Each is then compared exactly, so there are no false matches; a
    pair at the threshold is missed with a probability of under 1%.

    Args:
        texts: n texts; one of fewer than 5 words nearly repeats only an equal one.
        threshold: Jaccard similarity, above 0 and at most 1.
    """
    with needs("finding near duplicates", "data"):
        from datasketch import MinHash, MinHashLSH

    shingles = list(map(_shingles, texts))
    index = MinHashLSH(params=_bands(threshold), num_perm=_PERMUTATIONS)
    family = MinHash(_PERMUTATIONS, seed=1, hashfunc=int)
    first = []
    for position, hashes in enumerate(shingles):
        sketch = MinHash(_PERMUTATIONS, seed=1, hashfunc=int, permutations=family.permutations)
        sketch.update_batch((hashes & 0xFFFFFFFF).tolist())
        alike = [earlier for earlier in index.query(sketch) if _jaccard(hashes, shingles[earlier]) >= threshold]
        first.append(min(alike, default=position))
        if not alike:
            index.insert(position, sketch, check_duplication=False)
    return first


def _bands(threshold: float) -> tuple[int, int]:
    """(bands, length of a band): the longest bands that miss a pair at `threshold` with a probability under 1%."""
    for length in range(_PERMUTATIONS, 0, -1):
        bands = _PERMUTATIONS // length
        if (1 - threshold**length) ** bands < 0.01:
            return bands, length
    return _PERMUTATIONS, 1


def _jaccard(one: Ints, other: Ints) -> float:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared) if shared else 0.0


def _shingles(text: str) -> Ints:
    """Hashes of the distinct shingles of a text, sorted."""
    return np.unique(np.array(_gram_hashes(text, SHINGLE) or [hash(_WORD_HASHES[text])], np.int64))


def _gram_hashes(text: str, length: int) -> list[int]:
    """Hashes of the n-grams of `length` tokens, in their order; of integers, so the same in every process."""
    words = [_WORD_HASHES[word] for word in tokens(text)]
    return list(map(hash, zip(*(words[start:] for start in range(length)), strict=False)))


class _WordHashes(dict[str, int]):
    """Word -> its hash, computed once."""

    def __missing__(self, word: str) -> int:
        if len(self) >= 1 << 20:
            self.clear()
        word_hash = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
        self[word] = word_hash
        return word_hash


_WORD_HASHES = _WordHashes()
