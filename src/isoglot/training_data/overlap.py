"""Texts that say the same: shared n-grams with evaluation collections, and near-duplicates among documents.

N-grams are kept as hashes of 64 bits, a tenth of the memory of their words; a chance hit between 10 million and 10
million of them has a probability of about 5 in a million.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from isoglot.platform.arrays import Ints

WORDS, IDEOGRAPHS, LETTERS = 8, 16, 32
"""How long an n-gram is: in words, and where a script has no spaces in characters (of Chinese and Japanese; of Thai,
Lao, Khmer and Burmese), which is about as much text."""

SHINGLE = 5
_PERMUTATIONS = 32


_IDEOGRAPH = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_LETTER = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_TOKEN = re.compile(rf"[{_IDEOGRAPH}{_LETTER}]|[^\W{_IDEOGRAPH}{_LETTER}]+")
_IDEOGRAPHS, _LETTERS = re.compile(f"[{_IDEOGRAPH}]"), re.compile(f"[{_LETTER}]")
_UNSPACED = re.compile(f"[{_IDEOGRAPH}{_LETTER}]")


def tokens(text: str) -> list[str]:
    """Words without case and punctuation; single characters in scripts that have no spaces between words."""
    return _TOKEN.findall(text.casefold())


def unspaced(text: str) -> bool:
    """Whether most of the text is in a script that has no spaces between words."""
    return gram_length(text) != WORDS


def gram_length(text: str) -> int:
    """How many of a text's `tokens` an n-gram has."""
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
        hashes: Of 64 bits.
    """

    hashes: frozenset[int]

    @classmethod
    def of(cls, texts: Iterable[str]) -> EightGrams:
        """All n-grams of `texts`."""
        return cls(frozenset(chain.from_iterable(_gram_hashes(text, gram_length(text)) for text in texts)))

    def overlaps(self, text: str) -> bool:
        """Whether `text` shares an n-gram."""
        return not self.hashes.isdisjoint(_gram_hashes(text, gram_length(text)))

    def shared(self, text: str) -> str:
        """The first n-gram that `text` shares, as words; empty if there is none."""
        words, length = tokens(text), gram_length(text)
        places = (at for at, gram in enumerate(_gram_hashes(text, length)) if gram in self.hashes)
        return next((" ".join(words[at : at + length]) for at in places), "")


def near_duplicates(texts: Sequence[str], threshold: float) -> list[int]:
    """For each text the position of the first one that it nearly repeats; its own where there is none.

    Two texts nearly repeat each other if the Jaccard similarity of their sets of 5-word shingles reaches `threshold`.
    Candidates come from MinHash (package datasketch); each is then compared exactly, so none is found wrongly, and one
    at the threshold is missed with a probability of under 1%.

    Args:
        texts: n texts; one of fewer than 5 words nearly repeats an equal one only.
        threshold: Above 0, at most 1.
    """
    from datasketch import MinHash, MinHashLSH

    shingles = list(map(_shingles, texts))
    index = MinHashLSH(params=_bands(threshold), num_perm=_PERMUTATIONS)
    family = MinHash(_PERMUTATIONS, seed=1, hashfunc=int)
    first = []
    for position, own in enumerate(shingles):
        sketch = MinHash(_PERMUTATIONS, seed=1, hashfunc=int, permutations=family.permutations)
        sketch.update_batch((own & 0xFFFFFFFF).tolist())
        alike = [earlier for earlier in index.query(sketch) if _jaccard(own, shingles[earlier]) >= threshold]
        first.append(min(alike, default=position))
        if not alike:
            index.insert(position, sketch, check_duplication=False)
    return first


def _bands(threshold: float) -> tuple[int, int]:
    """(bands, rows of a band): the longest bands that miss a pair at `threshold` with a probability under 1%."""
    for rows in range(_PERMUTATIONS, 0, -1):
        bands = _PERMUTATIONS // rows
        if (1 - threshold**rows) ** bands < 0.01:
            return bands, rows
    return _PERMUTATIONS, 1


def _jaccard(one: Ints, other: Ints) -> float:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared) if shared else 0.0


def _shingles(text: str) -> Ints:
    """The distinct shingles of a text, sorted."""
    return np.unique(np.array(_gram_hashes(text, SHINGLE) or [hash(_WORD_HASHES[text])], np.int64))


def _gram_hashes(text: str, length: int) -> list[int]:
    """The hashes of the n-grams of `length` tokens, in their order; of integers, so the same in every process."""
    words = [_WORD_HASHES[word] for word in tokens(text)]
    return list(map(hash, zip(*(words[start:] for start in range(length)), strict=False)))


class _WordHashes(dict[str, int]):
    """Word -> its hash, computed once."""

    def __missing__(self, word: str) -> int:
        if len(self) >= 1 << 20:
            self.clear()
        found = self[word] = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
        return found


_WORD_HASHES = _WordHashes()
