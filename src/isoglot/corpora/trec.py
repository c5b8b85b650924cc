"""The files of other systems: TREC runs and qrels, and tables of documents with their languages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.fields import Fields, Versions
from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.corpora.readers.lines import read_lines
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
        fields = text.split()
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


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Return the relevant documents (relevance above 0) of each query id, each with the number of its line.

    Raises:
        InputError: The file is missing, a line has not four fields or no number, or no document is relevant.
    """
    relevant: dict[str, dict[str, int]] = {}
    for line, text in read_lines(path):
        fields = text.split()
        if len(fields) != 4:
            raise InputError(f"has {len(fields)} fields, not: query 0 document relevance", path, line)
        query, _, document, relevance = fields
        if _number(relevance, "relevance", path, line) > 0:
            relevant.setdefault(query, {}).setdefault(document, line)
    if not relevant:
        raise InputError("judges no document relevant", path)
    return relevant


def read_documents_table(path: Path) -> dict[str, tuple[str, str]]:
    """Return the content id and the canonical language of each document id in a table.

    A ``.jsonl`` has the fields of a BEIR corpus: ``_id``, ``lang`` and, where documents have translations,
    ``content_id``. Any other file has the same three, separated by tabs, and no header.

    Raises:
        InputError: The file is missing or empty, a line has other fields, or a document occurs twice.
    """
    return _read_table(path).of


def judged_collection(table: Path, qrels: Path, query_language: str) -> Collection:
    """Return a collection without texts, for runs alone.

    All versions of a content are relevant where one of them is.

    Args:
        table: The table of documents, see `read_documents_table`.
        qrels: TREC qrels.
        query_language: The one language of all queries.

    Raises:
        IsoglotError: A file is wrong, the table lacks a document that is judged relevant, or the language is unknown.
    """
    language = canonical(query_language)
    documents = _read_table(table)
    names = {language: query_language}
    golds = {query: tuple(_contents(query, judged, documents.of, qrels)) for query, judged in read_qrels(qrels).items()}
    return Collection(
        table.stem,
        [Document(content, tag, identity) for identity, (content, tag) in documents.of.items()],
        [Query(query, language, query) for query in golds],
        golds,
        names | documents.names | names,
        (f"documents of {table.name}, judged by {qrels.name}; ids stand for the texts, which are not known",),
    )


def check_qrels(qrels: Path, collection: Collection, documents: Mapping[str, tuple[str, str]]) -> None:
    """Check that each document that qrels judge relevant is a gold of its query in the collection.

    Args:
        qrels: TREC qrels.
        collection: The collection that has the golds.
        documents: The content id and the canonical language of each document id.

    Raises:
        InputError: A document is unknown or no gold.
    """
    golds = {trec_token(query): contents for query, contents in collection.golds.items()}
    for query, judged in read_qrels(qrels).items():
        for document, line in judged.items():
            content = next(iter(_contents(query, {document: line}, documents, qrels)))
            if content not in golds.get(query, ()):
                raise InputError(
                    f"document {document!r} is no gold of query {query!r} in {collection.name}; leave out --qrels to "
                    "take the collection's golds, or --data to take these",
                    qrels,
                    line,
                )


def _contents(
    query: str, judged: Mapping[str, int], documents: Mapping[str, tuple[str, str]], qrels: Path
) -> Iterable[str]:
    """Return the contents of the documents in `judged`, each once."""
    for document, line in judged.items():
        if document not in documents:
            raise InputError(f"document {document!r} of query {query!r} is not known", qrels, line)
    return dict.fromkeys(documents[document][0] for document in judged)


def _read_table(path: Path) -> Versions:
    documents = Versions("document")
    for fields in _table(path):
        documents.add(fields)
    if not documents.of:
        raise InputError("is empty", path)
    return documents


def _table(path: Path) -> Iterator[Fields]:
    """Yield the fields of each line of a documents table."""
    if path.suffix == ".jsonl":
        for line, values in read_jsonl(path):
            yield Fields(values, path, line)
        return
    for line, text in read_lines(path):
        cells = text.split("\t")
        if len(cells) not in (2, 3) or not all(cells[:2]):
            raise InputError("expected document id, language and content id, separated by tabs", path, line)
        yield Fields(dict(zip(("_id", "lang", "content_id"), cells, strict=False)), path, line)


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
