"""Collections of a corpus, queries and qrels, in files or in configurations of the Hugging Face hub.

What the fields mean is in `isoglot.corpora.sources.folder`, which finds such files in a folder;
`isoglot.corpora.sources.hub` finds configurations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Collection as Container
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from isoglot.corpora.collection import Collection, Document, Query, known_grades
from isoglot.corpora.fields import Fields, Versions, full_text, read_fields
from isoglot.corpora.left_out import (
    DOCUMENTS_WITHOUT_TEXT,
    QUERIES_WITHOUT_TEXT,
    REPEATED_DOCUMENTS,
    REPEATED_QUERIES,
    UNKNOWN_DOCUMENTS,
    UNKNOWN_LANGUAGE,
    UNKNOWN_QUERIES,
    LeftOut,
)
from isoglot.corpora.readers.qrels import Judgement, judgement_of, read_qrels
from isoglot.platform.errors import InputError
from isoglot.platform.languages import differing_language, known

EACH_LANGUAGE = "*"
"""The split of a collection whose splits are its languages: all of them together."""
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
"""How the hub numbers the files of a split."""
_PAIR = re.compile(r"([a-z]{2,3})[-_]([a-z]{2,3})")
_NO_LANGUAGES = ("all", "dev", "val")
"""Names of splits and files that look like language tags."""
_BEGINNING = 20
"""The number of texts of a configuration that tell whether its name is their language."""
_SURE = 0.5
"""The probability of another language from which on it is not; Xhosa's and Igbo's texts are in none at 0.35."""


Rows = Iterable[tuple[int, dict[str, Any]]]
"""Numbered rows: line, and name of a field -> value."""


class Part(NamedTuple):
    """One file of a collection, one split of a configuration on the hub, or rows that a source makes.

    Attributes:
        path: The file, or what messages name.
        split: The name of the split, or of the file without suffixes.
        configuration: What stands before the name of its folder or configuration (``de`` of ``de-corpus``), which is
            part of the ids; else empty.
        rows: What yields the numbered rows; None: the file is read.
    """

    path: Path
    split: str
    configuration: str = ""
    rows: Callable[[], Rows] | None = None

    @classmethod
    def of_file(cls, path: Path, configuration: str = "") -> Part:
        """Return the part that a file is."""
        return cls(path, _SHARD.sub("", path.name.removesuffix(".gz").rpartition(".")[0]), configuration)

    @classmethod
    def of_rows(cls, path: Path, rows: Container[tuple[int, dict[str, Any]]]) -> Part:
        """Return the part that rows are which were made of the file `path`."""
        return cls(path, "test", rows=lambda: rows)

    @property
    def language_name(self) -> str:
        """The name that may be the language of its texts: of the configuration, else of the split."""
        return self.configuration or self.split

    def identity(self, name: str) -> str:
        """Return the id of a document or query in the collection, for which `name` stands in this part."""
        return f"{self.configuration}:{name}" if self.configuration else name

    def fields(self) -> Iterator[Fields]:
        """Yield the fields of each document or query."""
        if self.rows is None:
            return read_fields(self.path)
        return (Fields(values, self.path, line) for line, values in self.rows())

    def judgements(self) -> Iterator[Judgement]:
        """Yield the judgements of qrels."""
        if self.rows is None:
            return read_qrels(self.path)
        return (judgement_of(values, self.path, line) for line, values in self.rows())


def qrels_of_split(parts: Sequence[Part], split: str | None, corpus: Iterable[Part]) -> list[Part]:
    """Return the qrels of a split; None: of ``test``, or the only one, or all if the splits are the languages.

    Args:
        parts: All qrels, at least one.
        split: The split.
        corpus: The parts of the corpus, which has the same splits where they are languages.

    Raises:
        InputError: There is no such split.
    """
    if split is None and are_by_language(parts, corpus):
        return [part._replace(split=EACH_LANGUAGE, configuration=part.split) for part in parts]
    splits = sorted({part.split for part in parts})
    wanted = split or ("test" if "test" in splits or len(splits) > 1 else splits[0])
    if wanted not in splits:
        raise InputError(f"has no split {wanted!r}; name one of @{', @'.join(splits)}", parts[0].path.parent)
    return [part for part in parts if part.split == wanted]


def are_by_language(qrels: Iterable[Part], corpus: Iterable[Part]) -> bool:
    """Return whether the splits of qrels are languages, several of them, and the corpus has the same."""
    splits = {part.split for part in qrels}
    return len(splits) > 1 and splits <= {part.split for part in corpus} and all(map(_tag, splits))


def of_split(parts: Sequence[Part], split: str) -> list[Part]:
    """Return the parts of a corpus or of queries that belong to a split of the qrels: of that name, or else all."""
    if split == EACH_LANGUAGE:
        return [part._replace(configuration=part.split) if _tag(part.split) else part for part in parts]
    return [part for part in parts if part.split == split] or list(parts)


def collection(
    name: str,
    corpus: Sequence[Part],
    queries: Sequence[Part],
    qrels: Sequence[Part],
    left_out: LeftOut,
    *,
    where: Path,
    find_identical: bool = False,
    notes: Sequence[str] = (),
) -> Collection:
    """Read a collection; queries without a relevant document are left out, as is usual for BEIR.

    Args:
        name: The name of the collection.
        corpus: Its documents.
        queries: Its queries.
        qrels: Its judgements.
        left_out: Counts what is left out.
        where: Its folder or data set, for messages.
        find_identical: Whether a query finds a document that has its id.
        notes: What a reader of results has to know of it.

    Raises:
        InputError: A part is missing or wrong, or there is no document, or no query that is judged.
    """
    documents, document_versions = _read_corpus(corpus, where, left_out)
    asked, query_versions = read_queries(queries, where, left_out)
    query_ids, contents = _shared_ids(query_versions), _shared_ids(document_versions)
    grades: dict[str, dict[str, float]] = {}
    for query, document, grade in read_judgements(qrels, query_ids, contents, left_out):
        of_query = grades.setdefault(query, {})
        of_query[document] = max(grade, of_query.get(document, 0))
    judged = [query for query in asked if query.query_id in grades]
    if not judged:
        raise InputError("; ".join(("no query has a relevant document", *left_out.notes)), where)
    relevant = {query: tuple(of_query) for query, of_query in grades.items()}
    identical = {} if find_identical else _identical(document_versions, query_versions, relevant)
    found = [*notes, *document_versions.detected.notes, *query_versions.detected.notes]
    if identical:
        found.append(f"{len(identical)} queries have the id of a document, which they do not find (--find-identical)")
    return Collection(
        name,
        documents,
        judged,
        relevant,
        document_versions.names | query_versions.names | document_versions.names,
        tuple(found),
        identical,
        known_grades(grades),
    )


def _identical(
    documents: Versions, queries: Versions, golds: Mapping[str, Sequence[str]]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the documents that have the id of a query, but for its golds: BEIR's evaluation ignores them.

    In such a data set (ArguAna) queries are documents of the corpus. Where an identical id is judged relevant, it is a
    coincidence.
    """
    pairs = ((version, documents.of[identity]) for identity, version in queries.of.items() if identity in documents.of)
    return {query: document for query, document in pairs if document[0] not in golds.get(query[0], (document[0],))}


def _read_corpus(parts: Sequence[Part], where: Path, left_out: LeftOut) -> tuple[list[Document], Versions]:
    """Return the documents of the corpus, and what its ids stand for."""
    documents: list[Document] = []
    versions = Versions("document")
    for fields in records(parts):
        if fields.required_id() in versions.of:
            left_out.add(REPEATED_DOCUMENTS, fields.path, fields.line)
            continue
        title, text = fields.title_and_text()
        version = versions.add(fields, text) if text else None
        if version is None:
            left_out.add(UNKNOWN_LANGUAGE if text else DOCUMENTS_WITHOUT_TEXT, fields.path, fields.line)
        else:
            documents.append(Document(*version, full_text(title, text)))
    versions.detected.warn(where)
    if not documents:
        raise InputError("; ".join(("has no documents in its corpus", *left_out.notes)), where)
    return documents, versions


def read_queries(parts: Sequence[Part], where: Path, left_out: LeftOut) -> tuple[list[Query], Versions]:
    """Return the queries of a collection, and what their ids stand for.

    Args:
        parts: The queries.
        where: The folder or data set of the collection, for messages.
        left_out: Counts queries without text or language.

    Raises:
        InputError: A part is missing, a line is wrong, or there are no queries.
    """
    queries: list[Query] = []
    versions = Versions("query")
    for fields in records(parts):
        if fields.required_id() in versions.of:
            left_out.add(REPEATED_QUERIES, fields.path, fields.line)
            continue
        text = fields.text()
        version = versions.add(fields, text) if text else None
        if version is None:
            left_out.add(UNKNOWN_LANGUAGE if text else QUERIES_WITHOUT_TEXT, fields.path, fields.line)
        else:
            queries.append(Query(*version, text))
    versions.detected.warn(where)
    if not queries:
        raise InputError("; ".join(("has no queries", *left_out.notes)), where)
    return queries, versions


def _shared_ids(versions: Versions) -> dict[str, str]:
    return {identity: shared for identity, (shared, _) in versions.of.items()}


def read_judgements(
    qrels: Iterable[Part], query_ids: Mapping[str, str], contents: Mapping[str, str], left_out: LeftOut
) -> Iterator[tuple[str, str, float]]:
    """Yield query id, content id and grade of all that qrels call relevant.

    Args:
        qrels: The judgements.
        query_ids: The query id of each id that a file may name.
        contents: The content id of each document id that a file may name.
        left_out: Counts judgements of other queries and documents, if they are of relevance.

    Raises:
        InputError: A file is missing, or a line is malformed.
    """
    for part in qrels:
        for judgement in part.judgements():
            query, document = part.identity(judgement.query), part.identity(judgement.document)
            if judgement.relevance <= 0:
                continue
            if query in query_ids and document in contents:
                yield query_ids[query], contents[document], judgement.relevance
            else:
                left_out.add(UNKNOWN_DOCUMENTS if query in query_ids else UNKNOWN_QUERIES, part.path, judgement.line)


def records(parts: Iterable[Part]) -> Iterator[Fields]:
    """Yield the fields of each line; a configuration is part of the id.

    Its name, or else that of the split, is the language of lines that name none, if it is one.
    """
    files = list(parts)
    languages = _languages(files)
    for part in files:
        stated = {"lang": part.language_name} if part.language_name in languages else {}
        for fields in part.fields():
            identity = {"_id": part.identity(fields.required_id())} if part.configuration else {}
            yield (
                Fields({**stated, **fields.values, **identity}, part.path, fields.line)
                if stated or identity
                else fields
            )


def _languages(parts: Iterable[Part]) -> set[str]:
    """Return the names of configurations, or of splits, that are the languages of their texts.

    Subjects look like tags too: ``law`` is Lauje, ``cs`` Czech. So none is a language if half of those that may be have
    texts that are surely in another one. A pair (``en-de``) names the languages of both sides, not which is which.
    """
    tags = {part: tag for part in parts if (tag := _tag(part.language_name))}
    other = [
        part for part, tag in tags.items() if differing_language(_beginning(part), tag, sure=_SURE, undetectable=True)
    ]
    return {part.language_name for part in tags} if 2 * len(other) < len(tags) else set()


def _tag(name: str) -> str | None:
    """Return the canonical tag that the name of a configuration or a split is; None for others, and for a pair."""
    pair = _PAIR.fullmatch(name)
    return None if name in _NO_LANGUAGES or (pair and all(map(known, pair.groups()))) else known(name)


def _beginning(part: Part) -> str:
    """Return the first texts of a part."""
    first = islice(part.fields(), _BEGINNING)
    return " ".join(text for fields in first for text in fields.title_and_text() if fields.language() is None)
