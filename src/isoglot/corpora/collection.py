"""Collection: documents and queries in several languages, and which documents answer which query.

A document has a language and a content id, which its translations share. A query has a language and a query id, which
its translations share. Golds are stated once for a query id, as content ids: every language version of a gold content
is relevant. Where documents are judged by grades, the collection has these too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import msgspec

from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import canonical


@dataclass(frozen=True, slots=True)
class Document:
    """One language version of one content.

    Attributes:
        content_id: Id that all translations share.
        language: Canonical BCP-47 tag.
        text: Text to encode: title and body where a source has both.
    """

    content_id: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """One language version of one question.

    Attributes:
        query_id: Id that all translations share.
        language: Canonical BCP-47 tag.
        text: Text to encode.
    """

    query_id: str
    language: str
    text: str


class CollectionRecord(msgspec.Struct, frozen=True):
    """The record of a collection in an audit.

    Attributes:
        name: As `Collection.name`.
        fingerprint: As `Collection.fingerprint`.
        languages: Languages of its documents and queries, as the user or the source spells them.
        notes: As `Collection.notes`.
    """

    name: str
    fingerprint: str
    languages: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Collection:
    """Documents, queries and relevance judgements: the one type that audits and alignments take.

    Attributes:
        name: Name in reports, e.g. ``xquad``.
        documents: Documents; (content id, language) is unique.
        queries: Queries; (query id, language) is unique.
        golds: Query id -> ids of the relevant contents; every language version of them is relevant.
        names: Canonical tag -> spelling of the source; a tag that is missing is its own spelling.
        notes: Notes for readers of results, such as the licence or a known contamination.
        identical: (query id, language) -> (content id, language) of the document that is the query itself. The query
            does not find it, and it is not relevant.
        grades: Query id -> content id -> grade, above 0, of every judged content. Empty where each relevant content has
            the grade 1. Only ndcg and lang_ndcg use grades.

    Raises:
        IsoglotError: There is no document or no query, a text is empty, a version occurs twice, or a query has no
            relevant content, or one without a document.
    """

    name: str
    documents: Sequence[Document]
    queries: Sequence[Query]
    golds: Mapping[str, tuple[str, ...]]
    names: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    identical: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    grades: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.documents or not self.queries:
            raise IsoglotError(f"{self.name}: has no {'queries' if self.documents else 'documents'}")
        _check_unique(self.name, "document", ((d.content_id, d.language, d.text) for d in self.documents))
        _check_unique(self.name, "query", ((q.query_id, q.language, q.text) for q in self.queries))
        contents = {document.content_id for document in self.documents}
        for query in self.queries:
            golds = self.golds.get(query.query_id, ())
            if not golds:
                raise IsoglotError(f"{self.name}: query {query.query_id!r} has no gold document")
            missing = next((gold for gold in golds if gold not in contents), None)
            if missing is not None:
                raise IsoglotError(
                    f"{self.name}: gold {missing!r} of query {query.query_id!r} is not among the documents"
                )

    @cached_property
    def languages(self) -> list[str]:
        """Canonical tags of all documents and queries, English first, then by tag."""
        tags = {d.language for d in self.documents} | {q.language for q in self.queries}
        return sorted(tags, key=lambda tag: (tag != "en", tag))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, over documents, queries, golds, identical ids and grades; their order does not matter."""
        parts = [repr(("d", d.content_id, d.language, d.text)) for d in self.documents]
        parts += [repr(("q", q.query_id, q.language, q.text, sorted(self.golds[q.query_id]))) for q in self.queries]
        parts += [repr(("i", *pair)) for pair in self.identical.items()]
        parts += [repr(("g", query, *sorted(grades.items()))) for query, grades in self.grades.items()]
        digest = hashlib.sha256()
        for part in sorted(parts):
            digest.update(part.encode())
        return digest.hexdigest()

    def record(self) -> CollectionRecord:
        """Return the record of this collection in an audit."""
        return CollectionRecord(self.name, self.fingerprint, tuple(map(self.named, self.languages)), tuple(self.notes))

    def named(self, language: str) -> str:
        """Return the spelling of a canonical tag in the source of this collection."""
        return self.names.get(language, language)

    def find_language(self, tag: str) -> str:
        """Return the canonical tag of a language, given in any spelling.

        Raises:
            IsoglotError: The tag is unknown, or the collection has no text in it.
        """
        language = canonical(tag)
        if language not in self.languages:
            has = ", ".join(map(self.named, self.languages))
            raise IsoglotError(f"{self.name} has no text in {tag!r}; it has {has}")
        return language

    def relevant_from(self, grade: float) -> Collection:
        """Return the collection in which only documents from a grade on are relevant.

        Documents of lower grades keep them for ndcg. Queries without a relevant document are left out, and a note
        counts them.

        Args:
            grade: Lowest grade that counts as relevant.

        Raises:
            IsoglotError: No query has a document of that grade.
        """
        golds = {
            query: kept
            for query, contents in self.golds.items()
            if (kept := tuple(c for c in contents if self.grades.get(query, {}).get(c, 1) >= grade))
        }
        queries = [query for query in self.queries if query.query_id in golds]
        if not queries:
            raise IsoglotError(f"{self.name}: no query has a document of grade {grade:g} or more")
        left_out = len({query.query_id for query in self.queries}) - len({query.query_id for query in queries})
        note = f"relevant from grade {grade:g}; {left_out} queries without such a document are left out"
        if golds == dict(self.golds):
            return self
        return replace(self, queries=queries, golds=golds, notes=(*self.notes, note))

    def spelled_as(self, tags: Iterable[str]) -> Collection:
        """Return the collection with languages spelled as in `tags`; of two spellings of a language the last counts.

        Raises:
            IsoglotError: A tag is unknown, or the collection has no text in it.
        """
        return replace(self, names={**self.names, **{self.find_language(tag): tag for tag in tags}})


def known_grades(judged: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return the grades of what is judged, as `Collection.grades` has them: none, if all are 1.

    Args:
        judged: Query id -> content id -> grade, above 0.
    """
    if all(grade == 1 for grades in judged.values() for grade in grades.values()):
        return {}
    return {query: dict(grades) for query, grades in judged.items()}


def _check_unique(name: str, kind: str, versions: Iterable[tuple[str, str, str]]) -> None:
    """Check that no text is blank and that no (id, language) occurs twice among (id, language, text)."""
    seen = set()
    for identity, language, text in versions:
        if not text.strip():
            raise IsoglotError(f"{name}: {kind} {identity!r} in {language} has an empty text")
        if (identity, language) in seen:
            raise IsoglotError(f"{name}: {kind} {identity!r} occurs twice in {language}")
        seen.add((identity, language))
