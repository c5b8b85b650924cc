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
        id: Id of the document, ``#`` and the number of the part.
        document_id: Id of the document that the passage is a part of.
        content_id: Id that the document shares with its translations; None if unknown.
        language: Canonical BCP-47 tag.
        title: Title of the document; may be empty.
        text: Text of this part.
        source: URL or path; may be empty.
        metadata: Other fields of the document, as JSON values.
        part: Number of this part in its document, from 1.
        parts: Number of parts of the document.
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
    """Reasons for the rank of a hit.

    Attributes:
        plain_rank: Rank without balancing, from 1.
        language_rank: Rank among the searched passages of its language, from 1.
        language_mean: Mean score of all passages of its language.
        deviations: Number of standard deviations by which the score exceeds that mean. A passage that stands out from
            its language more than those ranked above it is held down by its language (isoglot's own measure).
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
        score: Cosine of the vectors of passage and question, from -1 to 1.
        passage: The passage.
        explanation: Reasons for the rank; None unless requested.
        scaled: Score minus the usual score of the language, by which ``scaled`` orders; None with other balances.
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
