"""Texts that say the same: shared n-grams with evaluation collections, and near-duplicates among documents.

Words are hashed to 64 bits and n-grams to 64 bits of their words, so that 100,000 rows take seconds; a chance hit
between 10 million and 10 million n-grams has a probability of about 5 in a million.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

WORDS, IDEOGRAPHS, LETTERS = 8, 16, 32
"""How long an n-gram is: in words, and where a script has no spaces in characters (of Chinese and Japanese; of Thai,
Lao, Khmer and Burmese), which is about as much text."""

SHINGLE = 5
_BLOCK = 2048
_PERMUTATIONS = 64

Hashes = NDArray[np.uint64]

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
        hashes: Sorted.
    """

    hashes: Hashes

    @classmethod
    def of(cls, texts: Sequence[str]) -> EightGrams:
        """All n-grams of `texts`."""
        parts = [grams for grams, _ in _hashed(texts)]
        return cls(np.unique(np.concatenate(parts)) if parts else np.empty(0, np.uint64))

    def overlaps(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each of n texts shares an n-gram: (n,)."""
        found = np.zeros(len(texts), dtype=bool)
        start = 0
        for grams, owners in _hashed(texts):
            found[start + owners[self._has(grams)]] = True
            start += _BLOCK
        return found

    def shared(self, text: str) -> str:
        """The first n-gram that `text` shares, as words; empty if there is none."""
        for grams, _ in _hashed([text]):
            if len(at := np.flatnonzero(self._has(grams))):
                return " ".join(tokens(text)[at[0] : at[0] + gram_length(text)])
        return ""

    def _has(self, grams: Hashes) -> NDArray[np.bool_]:
        if not len(self.hashes):
            return np.zeros(len(grams), dtype=bool)
        places = np.searchsorted(self.hashes, grams)
        places[places == len(self.hashes)] = 0
        found: NDArray[np.bool_] = self.hashes[places] == grams
        return found


def near_duplicates(texts: Sequence[str], threshold: float) -> list[int]:
    """For each text the position of the first one that it nearly repeats; its own where there is none.

    Two texts nearly repeat each other if the Jaccard similarity of their sets of 5-word shingles reaches `threshold`.
    Candidates come from MinHash (package datasketch); each is then compared exactly, so none is found wrongly, and one
    at the threshold is missed with a probability of under 1%.

    Args:
        texts: n texts; one of fewer than 5 words is a single shingle.
        threshold: Above 0, at most 1.
    """
    from datasketch import MinHash, MinHashLSH

    shingles = list(_shingles(texts))
    index = MinHashLSH(params=_bands(threshold), num_perm=_PERMUTATIONS)
    family = MinHash(_PERMUTATIONS, seed=1, hashfunc=int)
    first = []
    for position, own in enumerate(shingles):
        sketch = MinHash(_PERMUTATIONS, seed=1, hashfunc=int, permutations=family.permutations)
        sketch.update_batch((own & np.uint64(0xFFFFFFFF)).tolist())
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


def _jaccard(one: Hashes, other: Hashes) -> float:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared) if shared else 0.0


def _shingles(texts: Sequence[str]) -> Iterator[Hashes]:
    """The distinct shingles of each text, sorted."""
    for grams, owners in _hashed(texts, lambda text: SHINGLE, whole=True):
        for own in np.split(grams, np.cumsum(np.bincount(owners))[:-1]):
            yield np.unique(own)


_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def _hashed(
    texts: Sequence[str], length: Callable[[str], int] = gram_length, *, whole: bool = False
) -> Iterator[tuple[Hashes, NDArray[np.int64]]]:
    """For each block of texts the hashes of all n-grams and which text of the block each is from.

    Args:
        texts: n texts.
        length: How many tokens an n-gram of a text has.
        whole: Whether a text of fewer tokens is one n-gram rather than none.
    """
    for start in range(0, len(texts), _BLOCK):
        block = texts[start : start + _BLOCK]
        words = [tokens(text) or [""] for text in block]
        own = np.fromiter(map(_WORD_HASHES.__getitem__, chain.from_iterable(words)), np.uint64)
        sizes = np.array(list(map(len, words)))
        lengths = np.array([length(text) for text in block])
        if whole:
            lengths = np.minimum(lengths, sizes)
        owners = np.repeat(np.arange(len(block)), sizes)
        left = np.cumsum(sizes)[owners] - np.arange(len(owners))  # tokens from here to the end of the text
        grams = np.zeros(len(own), np.uint64)
        for offset in range(lengths.max()):
            inside = np.flatnonzero((lengths[owners] > offset) & (left > offset))
            grams[inside] = grams[inside] * _FACTOR + own[inside + offset]
        complete = left >= lengths[owners]
        yield grams[complete] ^ (grams[complete] >> np.uint64(29)), owners[complete]


class _WordHashes(dict[str, int]):
    """Word -> its hash, computed once."""

    def __missing__(self, word: str) -> int:
        if len(self) >= 1 << 20:
            self.clear()
        found = self[word] = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
        return found


_WORD_HASHES = _WordHashes()
