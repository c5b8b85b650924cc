"""Passages, the unit that an index stores, and hits, what a search returns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isoglot.corpora.fields import full_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A document, or a part of a long one.

    Attributes:
        id: The document's id, ``#`` and the number of the part.
        document_id: Id of the document that the passage is a part of.
        content_id: Id that the document shares with its translations; None if unknown.
        language: Canonical BCP-47 tag.
        title: The document's title; may be empty.
        text: The text of this part.
        source: A URL or path; may be empty.
        metadata: The document's other fields, as JSON values.
        part: Number of this part in its document, from 1.
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
    def full_text(self) -> str:
        """The text that a model encodes: title and text."""
        return full_text(self.title, self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The reasons for a hit's rank.

    Attributes:
        plain_rank: Rank without balancing, from 1.
        language_rank: Rank among the searched passages of its language, from 1.
        language_mean: Mean score of all passages of its language.
        deviations: Number of standard deviations by which the score exceeds that mean. A passage that stands out from
            its language more than the passages ranked above it is held down by its language (isoglot's own measure).
        word_rank: Rank in a full-text search (BM25) for the question's words; None beyond the first 1000.
    """

    plain_rank: int
    language_rank: int
    language_mean: float
    deviations: float
    word_rank: int | None


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search returned.

    Attributes:
        rank: Rank in the results, from 1.
        score: Cosine of the passage's vector and the question's vector, in [-1, 1].
        passage: The passage.
        explanation: The reasons for its rank; None unless requested.
        scaled: The score less what is usual for its language, by which ``scaled`` orders; None with other balances.
    """

    rank: int
    score: float
    passage: Passage
    explanation: Explanation | None = None
    scaled: float | None = None


PASSAGE_COLUMNS = tuple(Passage.__dataclass_fields__)


def passage_from_row(row: Mapping[str, Any]) -> Passage:
    """Make a passage from a row of the table."""
    fields = {name: row[name] for name in PASSAGE_COLUMNS}
    return Passage(**{**fields, "metadata": json.loads(row["metadata"])})


def passage_key(passage_id: str) -> int:
    """Hash a passage's id to 64 bits. Keys order passages with equal scores, so that ties favour no language."""
    return int.from_bytes(hashlib.blake2b(passage_id.encode(), digest_size=8).digest(), "little")
