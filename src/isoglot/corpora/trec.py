"""The files of other systems: TREC runs and qrels, and tables of documents with their languages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from isoglot.corpora.collection import Collection, Document, Query, known_grades
from isoglot.corpora.fields import ID_FIELDS, LANGUAGE_FIELDS, Fields, Versions, read_fields
from isoglot.corpora.left_out import REPEATED_DOCUMENTS, UNKNOWN_DOCUMENTS, UNKNOWN_LANGUAGE, LeftOut
from isoglot.corpora.readers.lines import kind_of, read_lines, words
from isoglot.corpora.readers.qrels import Judgement, read_qrels
from isoglot.platform.errors import InputError
from isoglot.platform.languages import canonical


class RunLine(NamedTuple):
    """One line of a run: a document, its score, and the number of the line."""

    document: str
    score: float
    line: int


def trec_token(identity: str) -> str:
    """Return an id as one word of a TREC file, with white space and what is not ASCII percent-encoded."""
    return quote(identity, safe="".join(chr(c) for c in range(33, 127) if chr(c) != "%"))


def version_id(identity: str, language: str) -> str:
    """Return ``ID@LANGUAGE``, the name of a document or query in one language, with its canonical tag."""
    return f"{trec_token(identity)}@{language}"


def run_name(scenario: str, languages: Iterable[str], query_language: str) -> str:
    """Return ``multi.en+zh.zh``, the name of the run of a pool for one query language."""
    return f"{scenario}.{'+'.join(languages)}.{query_language}"


def read_run(path: Path) -> dict[str, list[RunLine]]:
    """Return the documents of each query id of a run, in the order of the file.

    Raises:
        InputError: The file is missing or empty, a line has not six fields or no score, or a query has a document
            twice.
    """
    run: dict[str, dict[str, RunLine]] = {}
    for line, text in read_lines(path):
        fields = words(text)
        if len(fields) != 6:
            raise InputError(f"has {len(fields)} fields, not: query Q0 document rank score tag", path, line)
        query, _, document, _, score, _ = fields
        lines = run.setdefault(query, {})
        if document in lines:
            raise InputError(
                f"query {query!r} has document {document!r} already in line {lines[document].line}", path, line
            )
        lines[document] = RunLine(document, _number(score, "score", path, line), line)
    if not run:
        raise InputError("is empty", path)
    return {query: list(lines.values()) for query, lines in run.items()}


def read_documents_table(path: Path, *, strict: bool = False) -> dict[str, tuple[str, str]]:
    """Return the content id and the canonical language of each document id in a table.

    Records (.jsonl, .csv, .parquet) have the fields of a BEIR corpus: ``_id``, ``lang`` and, where documents have
    translations, ``content_id``. Any other file has the same three, separated by tabs; a header is not needed.
    Documents without a language, and those with the id of an earlier one, are left out; a warning counts them.

    Args:
        path: The table.
        strict: Whether a document that would be left out is an error.

    Raises:
        InputError: The file is missing or empty, a line has other fields, or a version of a content occurs twice.
    """
    left_out = LeftOut(strict)
    documents = _read_table(path, left_out)
    left_out.warn(str(path))
    return documents.of


def judged_collection(table: Path, qrels: Path, query_language: str, *, strict: bool = False) -> Collection:
    """Return a collection without texts, for runs alone.

    All versions of a content are relevant where one of them is. Documents without a language, and judgements of
    documents that the table lacks, are left out; a note and a warning count them. The text of a document is its id.

    Args:
        table: The table of documents, see `read_documents_table`.
        qrels: Qrels, see `read_qrels`.
        query_language: The one language of all queries.
        strict: Whether what would be left out is an error.

    Raises:
        IsoglotError: A file is wrong, no document of the table is judged relevant, or the language is unknown.
    """
    language = canonical(query_language)
    left_out = LeftOut(strict)
    documents = _read_table(table, left_out)
    names = {language: query_language}
    grades: dict[str, dict[str, float]] = {}
    for judgement in _relevant(qrels, documents.of, left_out):
        of_query, content = grades.setdefault(judgement.query, {}), documents.of[judgement.document][0]
        of_query[content] = max(judgement.relevance, of_query.get(content, 0))
    left_out.warn(str(qrels))
    how = f"documents of {table.name}, judged by {qrels.name}; ids stand for the texts, which are not known"
    return Collection(
        table.stem,
        [Document(content, tag, identity) for identity, (content, tag) in documents.of.items()],
        [Query(query, language, query) for query in grades],
        {query: tuple(contents) for query, contents in grades.items()},
        names | documents.names | names,
        (how, *documents.detected.notes, *left_out.notes),
        grades=known_grades(grades),
    )


def check_qrels(
    qrels: Path, collection: Collection, documents: Mapping[str, tuple[str, str]], *, strict: bool = False
) -> None:
    """Check that each document that qrels judge relevant is a gold of its query in the collection.

    Args:
        qrels: Qrels, see `read_qrels`.
        collection: The collection that has the golds.
        documents: The content id and the canonical language of each document id.
        strict: Whether the judgement of a document that is not among `documents` is an error; else they are counted.

    Raises:
        InputError: A document is no gold, or none is known.
    """
    golds = {trec_token(query): contents for query, contents in collection.golds.items()}
    left_out = LeftOut(strict)
    for judgement in _relevant(qrels, documents, left_out):
        if documents[judgement.document][0] not in golds.get(judgement.query, ()):
            raise InputError(
                f"document {judgement.document!r} is no gold of query {judgement.query!r} in {collection.name}; leave "
                "out --qrels to take the collection's golds, or --data to take these",
                qrels,
                judgement.line,
            )
    left_out.warn(str(qrels))


def _relevant(qrels: Path, documents: Mapping[str, tuple[str, str]], left_out: LeftOut) -> Iterator[Judgement]:
    """Yield the judgements that call a known document relevant."""
    none = True
    for judgement in read_qrels(qrels):
        if judgement.relevance > 0 and judgement.document in documents:
            none = False
            yield judgement
        elif judgement.relevance > 0:
            left_out.add(UNKNOWN_DOCUMENTS, qrels, judgement.line)
    if none:
        raise InputError("; ".join(("judges no known document relevant", *left_out.notes)), qrels)


def _read_table(path: Path, left_out: LeftOut) -> Versions:
    documents = Versions("document")
    for fields in _table(path):
        if fields.required_id() in documents.of:
            left_out.add(REPEATED_DOCUMENTS, path, fields.line)
        elif documents.add(fields, fields.title_and_text()[1]) is None:
            left_out.add(UNKNOWN_LANGUAGE, path, fields.line)
    if not documents.of:
        raise InputError("; ".join(("has no documents", *left_out.notes)), path)
    documents.detected.warn(path)
    return documents


def _table(path: Path) -> Iterator[Fields]:
    """Yield the fields of each line of a documents table."""
    if kind_of(path) in (".jsonl", ".csv", ".parquet") or _has_header(path):
        yield from read_fields(path)
        return
    for line, text in read_lines(path):
        cells = text.split("\t")
        if len(cells) not in (2, 3) or not all(cells[:2]):
            raise InputError("expected document id, language and content id, separated by tabs", path, line)
        yield Fields(dict(zip(("_id", "lang", "content_id"), cells, strict=False)), path, line)


def _has_header(path: Path) -> bool:
    """Return whether the first line of a .tsv names the fields of a document."""
    _, first = next(read_lines(path), (1, ""))
    cells = first.split("\t")
    return kind_of(path) == ".tsv" and bool({*ID_FIELDS} & {*cells}) and bool({*LANGUAGE_FIELDS} & {*cells})


def _number(text: str, what: str, path: Path, line: int) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise InputError(f"the {what} {text!r} is no number", path, line)
    return number


def known_documents(collection: Collection) -> dict[str, tuple[str, str]]:
    """Return the content id and the language of each document of a collection by its name ``CONTENT@LANGUAGE``."""
    return {version_id(d.content_id, d.language): (d.content_id, d.language) for d in collection.documents}
