"""Long texts as passages: whole sentences up to a number of tokens, each passage beginning with the end of the last.

Sentences end where Unicode's rules (UAX 29, Sentence_Break) say so, in any script that marks them; Thai, Lao, Khmer and
Burmese end them with a space. A sentence too long for a passage is cut between words, a word between grapheme clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import regex  # type: ignore[import-untyped]

from isoglot.platform.errors import IsoglotError

_END = regex.compile(
    r"""  [\p{SB=STerm}][\p{SB=STerm}\p{SB=ATerm}\p{SB=Close}]*\s*
        | (?<!\p{SB=ATerm})\p{SB=ATerm}++\p{SB=Close}*+\s++(?![^\p{L}\p{SB=STerm}\p{SB=ATerm}]{0,20}\p{Ll})
        | (?<=[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])[\ \u200b]+
        | \n\s*\n\s*""",
    regex.VERBOSE,
)
"""Rules SB8 to SB11: a full stop before a small letter ends nothing. A blank line always ends a sentence."""
_WORD = regex.compile(r"\S+\s*|\s+")
_CLUSTER = regex.compile(r"\X")


@dataclass(frozen=True)
class Splitter:
    """Cuts texts into passages.

    Attributes:
        tokenizer: Of the model that counts; characters are counted where it is of an unknown kind.
        tokens: How many a passage may have, with its title, prompt and the model's special tokens.
        overlap: How many tokens of the last passage, in whole sentences, stand at the beginning of the next at most.
        prompt: What the model puts before a document.

    Raises:
        IsoglotError: Too few tokens, or as much overlap as text.
    """

    tokenizer: Any
    tokens: int
    overlap: int
    prompt: str = ""

    def __post_init__(self) -> None:
        if self.tokens < 16:
            raise IsoglotError(f"passages of {self.tokens} tokens are too short; 16 is the least")
        if not 0 <= self.overlap <= self.tokens // 2:
            raise IsoglotError(f"an overlap of {self.overlap} tokens: it must be between 0 and half of {self.tokens}")

    def split(self, title: str, text: str) -> list[str]:
        """The passages of a text, in its order, without their titles."""
        around = len(self._ids([f"{self.prompt}{title} "], special=True)[0])
        budget = max(self.tokens - around, self.tokens // 4)  # a title never takes more than three quarters
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
            carried = counts[end] if end < len(pieces) else budget
            room = min(budget, carried + overlap)
            while carried + counts[start - 1] <= room:
                start -= 1
                carried += counts[start]
        return [passage for passage in passages if passage]

    def _pieces(self, text: str, budget: int) -> tuple[list[str], list[int]]:
        """Sentences, those above the budget in parts that are not, and the number of tokens of each."""
        counts = self._counts([text])
        if counts[0] <= budget:
            return [text], counts
        pieces: list[str] = []
        parts = sentences(text)
        while len(parts) > len(pieces):  # a grapheme cluster above the budget stays whole
            pieces, counts = parts, self._counts(parts)
            parts = [part for piece, count in zip(pieces, counts, strict=True) for part in _cut(piece, count, budget)]
        return pieces, counts

    def _counts(self, texts: Sequence[str]) -> list[int]:
        return [max(1, len(ids)) for ids in self._ids(texts, special=False)]

    def _ids(self, texts: Sequence[str], *, special: bool) -> Sequence[Sequence[Any]]:
        if not callable(self.tokenizer):
            return texts
        found: list[Sequence[Any]] = self.tokenizer(list(texts), add_special_tokens=special, verbose=False)["input_ids"]
        return found


def sentences(text: str) -> list[str]:
    """The sentences of a text with the spaces behind them: joined, they are the text."""
    ends = [0, *(match.end() for match in _END.finditer(text)), len(text)]
    return [text[start:end] for start, end in pairwise(ends) if start < end]


def _cut(text: str, count: int, budget: int) -> list[str]:
    """`text`, which has `count` tokens, in parts of about `budget` at most, or of one grapheme cluster."""
    if count <= budget:
        return [text]
    size = max(1, len(text) * budget * 9 // (count * 10))  # some parts have more tokens than others
    units = [unit for word in _WORD.findall(text) for unit in ([word] if len(word) <= size else _CLUSTER.findall(word))]
    parts = [""]
    for unit in units:
        if parts[-1] and len(parts[-1]) + len(unit) > size:
            parts.append("")
        parts[-1] += unit
    return parts
