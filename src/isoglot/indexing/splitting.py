"""Long texts cut into passages: whole sentences up to a number of tokens; a passage repeats the end of the one before.

Sentences end by Unicode's rules (UAX 29, Sentence_Break) in all scripts that mark them, and at spaces in Thai, Lao,
Khmer and Burmese. A sentence too long for a passage is cut between words, a word between grapheme clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import regex  # type: ignore[import-untyped]

from isoglot.encoders.tokenizers import token_ids
from isoglot.platform.errors import IsoglotError

_END = regex.compile(
    r"""  [\p{SB=STerm}][\p{SB=STerm}\p{SB=ATerm}\p{SB=Close}]*\s*
        | (?<!\p{SB=ATerm})\p{SB=ATerm}++\p{SB=Close}*+\s++(?![^\p{L}\p{SB=STerm}\p{SB=ATerm}]{0,20}\p{Ll})
        | (?<=[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])[\ \u200b]+
        | \n\s*\n\s*""",
    regex.VERBOSE,
)
"""Rules SB8 to SB11: a full stop before a small letter ends no sentence. A blank line always ends one."""
_WORD = regex.compile(r"\S+\s*|\s+")
_CLUSTER = regex.compile(r"\X")


@dataclass(frozen=True)
class Splitter:
    """Cuts texts into passages.

    Attributes:
        tokenizer: Tokenizer that counts the tokens; characters are counted if it is none of the library tokenizers.
        tokens: Maximum number of tokens of a passage, including its title, the prompt and special tokens; at least 16.
        overlap: Maximum number of tokens, in whole sentences, that a passage repeats from the one before; at most half
            of `tokens`.
        prompt: Prompt that the model puts before a document.

    Raises:
        IsoglotError: `tokens` or `overlap` is out of its range.
    """

    tokenizer: Any
    tokens: int
    overlap: int
    prompt: str = ""

    def __post_init__(self) -> None:
        if self.tokens < 16:
            raise IsoglotError(f"passages of {self.tokens} tokens are too short; they need at least 16")
        if not 0 <= self.overlap <= self.tokens // 2:
            raise IsoglotError(f"an overlap of {self.overlap} tokens: it must be between 0 and half of {self.tokens}")

    def split(self, title: str, text: str) -> list[str]:
        """Cut a text into passages, in order and without the title, which counts towards the length of each."""
        around = len(token_ids(self.tokenizer, [f"{self.prompt}{title} "])[0])
        budget = max(self.tokens - around, self.tokens // 4)  # a long title may take three quarters, not all
        pieces, counts = self._pieces(text, budget)
        overlap = min(self.overlap, budget // 2)
        passages = []
        start = end = 0
        while end < len(pieces):
            total = sum(counts[start:end])
            while end < len(pieces) and (end == start or total + counts[end] <= budget):
                total += counts[end]
                end += 1
            passages.append("".join(pieces[start:end]).strip())
            start = end
            used = counts[end] if end < len(pieces) else budget
            limit = min(budget, used + overlap)
            while used + counts[start - 1] <= limit:
                start -= 1
                used += counts[start]
        return [passage for passage in passages if passage]

    def _pieces(self, text: str, budget: int) -> tuple[list[str], list[int]]:
        """Cut a text into sentences, and sentences above the budget into parts; return them with their token counts."""
        counts = self._counts([text])
        if counts[0] <= budget:
            return [text], counts
        pieces: list[str] = []
        parts = sentences(text)
        while len(parts) > len(pieces):  # a grapheme cluster is never cut, even above the budget
            pieces, counts = parts, self._counts(parts)
            parts = [part for piece, count in zip(pieces, counts, strict=True) for part in _cut(piece, count, budget)]
        return pieces, counts

    def _counts(self, texts: Sequence[str]) -> list[int]:
        return [max(1, len(ids)) for ids in token_ids(self.tokenizer, texts, special_tokens=False)]


def sentences(text: str) -> list[str]:
    """Split a text into sentences, each with the spaces behind it: joined, they are the text."""
    ends = [0, *(match.end() for match in _END.finditer(text)), len(text)]
    return [text[start:end] for start, end in pairwise(ends) if start < end]


def _cut(text: str, count: int, budget: int) -> list[str]:
    """Cut a text of `count` tokens into parts of at most about `budget` tokens, or of one grapheme cluster."""
    if count <= budget:
        return [text]
    size = max(1, len(text) * budget * 9 // (count * 10))  # a margin: parts of equal length differ in tokens
    units = [unit for word in _WORD.findall(text) for unit in ([word] if len(word) <= size else _CLUSTER.findall(word))]
    parts = [""]
    for unit in units:
        if parts[-1] and len(parts[-1]) + len(unit) > size:
            parts.append("")
        parts[-1] += unit
    return parts
