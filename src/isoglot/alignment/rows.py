"""Training rows: a question and the document that answers it, each in one or more languages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from isoglot.collection import Collection
from isoglot.errors import IsoglotError


@dataclass(frozen=True)
class Row:
    """One content with one question.

    Attributes:
        content_id: Of the document; rows that share it must not meet as negatives.
        query: Language -> text.
        document: Language -> text.
    """

    content_id: str
    query: dict[str, str]
    document: dict[str, str]


def training_rows(collection: Collection, languages: Sequence[str] | None = None) -> list[Row]:
    """One row for each question and each of its gold contents, sorted by content id and question.

    Args:
        collection: Where the texts are from.
        languages: Canonical tags to keep; None: all.

    Raises:
        IsoglotError: The collection has no text in one of `languages`.
    """
    kept = set(collection.languages if languages is None else map(collection.find_language, languages))
    queries: dict[str, dict[str, str]] = defaultdict(dict)
    documents: dict[str, dict[str, str]] = defaultdict(dict)
    for query in collection.queries:
        if query.language in kept:
            queries[query.query_id][query.language] = query.text
    for document in collection.documents:
        if document.language in kept:
            documents[document.content_id][document.language] = document.text
    pairs = sorted((content, query) for query in queries for content in collection.golds[query] if content in documents)
    if not pairs:
        raise IsoglotError(f"{collection.name}: has no question with a gold document in {', '.join(sorted(kept))}")
    return [Row(content, queries[query], documents[content]) for content, query in pairs]
