"""Which documents are versions of one content, where a collection says only which questions they answer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection as Container
from collections.abc import Hashable, Mapping
from typing import TypeVar

Document = TypeVar("Document", bound=tuple[str, Hashable])


def content_ids(asked: Mapping[Document, Container[str]]) -> dict[Document, str]:
    """Return the content id of each document: documents with exactly the same questions are one content.

    So every version of a gold content is a gold already, and no gold is added. Where two documents of one language have
    the same questions, these do not tell contents apart, and each document of the collection is a content of its own.

    Args:
        asked: (language, anything) of a document -> the ids of the questions that it answers.
    """
    groups: dict[frozenset[str], list[Document]] = defaultdict(list)
    for document, questions in asked.items():
        groups[frozenset(questions) or frozenset({repr(document)})].append(document)
    languages = (Counter(language for language, _ in group) for group in groups.values())
    tells_apart = all(max(counts.values()) == 1 for counts in languages)
    contents = groups.values() if tells_apart else [[document] for document in asked]
    return {document: f"c{number:05}" for number, group in enumerate(contents) for document in group}
