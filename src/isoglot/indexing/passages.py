"""Passages: what an index stores and what a search finds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Passage:
    """A document, or a part of a long one.

    Attributes:
        id: The document's id, ``#`` and the part, counted from 1.
        document_id: Of the document it is part of.
        content_id: Shared by the document's translations; None if unknown.
        language: Canonical BCP-47 tag.
        title: The document's; may be empty.
        text: The part's text.
        source: A URL or path; may be empty.
        metadata: Whatever else the document came with.
        part: Which part of its document it is, from 1.
        parts: How many parts the document has.
    """

    id: str
    document_id: str
    content_id: str | None
    language: str
    title: str
    text: str
    source: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    part: int = 1
    parts: int = 1

    @property
    def encoded(self) -> str:
        """What a model reads: title and text."""
        return f"{self.title} {self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found.

    Attributes:
        rank: From 1.
        score: The cosine of the passage's vector and the question's, in [-1, 1].
        passage: What was found.
        explanation: Why it stands there (`isoglot.indexing.explaining`); None if not asked for.
    """

    rank: int
    score: float
    passage: Passage
    explanation: Mapping[str, Any] | None = None


PASSAGE_COLUMNS = tuple(Passage.__dataclass_fields__)


def from_row(row: Mapping[str, Any]) -> Passage:
    """The passage in a row of the table."""
    fields = {name: row[name] for name in PASSAGE_COLUMNS}
    return Passage(**{**fields, "metadata": json.loads(row["metadata"])})


def key_of(passage_id: str) -> int:
    """A 64-bit hash of a passage's id: it orders passages with equal scores and favours no language."""
    return int.from_bytes(hashlib.blake2b(passage_id.encode(), digest_size=8).digest(), "little")
