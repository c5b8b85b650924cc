"""The files of other systems: runs and qrels as TREC has them, and tables of documents with their languages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.fields import language_field, text_field
from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.corpora.readers.lines import read_lines
from isoglot.platform.errors import InputError
from isoglot.platform.languages import canonical


class RunLine(NamedTuple):
    """A line of a run."""

    document: str
    score: float
    line: int


def trec_token(identity: str) -> str:
    """An id as one word of a TREC file: white space and what is not ASCII percent-encoded."""
    return quote(identity, safe="".join(chr(c) for c in range(33, 127) if chr(c) != "%"))


def version_id(identity: str, language: str) -> str:
    """``ID@LANGUAGE``: what a document or query in one language is called, with its canonical tag."""
    return f"{trec_token(identity)}@{language}"


def run_name(scenario: str, languages: Iterable[str], query_language: str) -> str:
    """``multi.en+zh.zh``: what the run of a pool asked in one language is called."""
    return f"{scenario}.{'+'.join(languages)}.{query_language}"


def read_run(path: Path) -> dict[str, list[RunLine]]:
    """Query id -> its documents, in the order of the file.

    Raises:
        InputError: A line has not six fields or no score, or a query has a document twice.
    """
    found: dict[str, dict[str, RunLine]] = {}
    for line, text in read_lines(path):
        fields = text.split()
        if len(fields) != 6:
            raise InputError(f"has {len(fields)} fields, not: query Q0 document rank score tag", path, line)
        query, _, document, _, score, _ = fields
        hits = found.setdefault(query, {})
        if document in hits:
            raise InputError(
                f"query {query!r} has document {document!r} already in line {hits[document].line}", path, line
            )
        hits[document] = RunLine(document, _number(score, "score", path, line), line)
    if not found:
        raise InputError("is empty", path)
    return {query: list(hits.values()) for query, hits in found.items()}


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Query id -> its relevant documents (relevance above 0), each with its line.

    Raises:
        InputError: A line has not four fields or no number, or nothing is relevant.
    """
    found: dict[str, dict[str, int]] = {}
    for line, text in read_lines(path):
        fields = text.split()
        if len(fields) != 4:
            raise InputError(f"has {len(fields)} fields, not: query 0 document relevance", path, line)
        query, _, document, relevance = fields
        if _number(relevance, "relevance", path, line) > 0:
            found.setdefault(query, {}).setdefault(document, line)
    if not found:
        raise InputError("judges no document relevant", path)
    return found


def read_documents_table(path: Path, names: dict[str, str] | None = None) -> dict[str, tuple[str, str]]:
    """Document id -> (content id, canonical language), from a table; `names` learns how it spells languages.

    A ``.jsonl`` has the fields of a BEIR corpus: ``_id``, ``lang`` and, where documents have translations,
    ``content_id``. Any other file has the same three, separated by tabs, and no header.

    Raises:
        InputError: A line has other fields, or a document occurs twice.
    """
    found: dict[str, tuple[str, str]] = {}
    seen: set[tuple[str, str]] = set()
    for line, (identity, tag, content) in _table(path):
        version = content or identity, language_field(tag, path, line)
        if identity in found:
            raise InputError(f"document {identity!r} occurs twice", path, line)
        if version in seen:
            raise InputError(f"content {version[0]!r} occurs twice in {version[1]}", path, line)
        seen.add(version)
        found[identity] = version
        if names is not None:
            names.setdefault(version[1], tag)
    if not found:
        raise InputError("is empty", path)
    return found


def judged_collection(table: Path, qrels: Path, query_language: str) -> Collection:
    """A collection without texts, for runs alone: a table of documents and qrels; all queries are in one language.

    All versions of a content are right where one is.

    Raises:
        IsoglotError: A file is wrong, the table lacks a document that is judged relevant, or the language is unknown.
    """
    language = canonical(query_language)
    names = {language: query_language}
    documents = read_documents_table(table, names)
    golds = {query: tuple(_contents(query, judged, documents, qrels)) for query, judged in read_qrels(qrels).items()}
    return Collection(
        table.stem,
        [Document(content, tag, identity) for identity, (content, tag) in documents.items()],
        [Query(query, language, query) for query in golds],
        golds,
        names,
        (f"documents of {table.name}, judged by {qrels.name}; ids stand for the texts, which are not known",),
    )


def check_qrels(qrels: Path, collection: Collection, documents: Mapping[str, tuple[str, str]]) -> None:
    """Raise an InputError if a document that is judged relevant is not what the collection calls right."""
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
    """The contents of the documents of `judged`, each once."""
    for document, line in judged.items():
        if document not in documents:
            raise InputError(f"document {document!r} of query {query!r} is not known", qrels, line)
    return dict.fromkeys(documents[document][0] for document in judged)


def _table(path: Path) -> Iterable[tuple[int, tuple[str, str, str]]]:
    if path.suffix == ".jsonl":
        for line, row in read_jsonl(path):
            content = text_field(row, "content_id", path, line) if "content_id" in row else ""
            yield line, (text_field(row, "_id", path, line), text_field(row, "lang", path, line), content)
        return
    for line, text in read_lines(path):
        fields = text.split("\t")
        if len(fields) not in (2, 3) or not fields[0]:
            raise InputError("expected document id, language and content id, separated by tabs", path, line)
        yield line, (fields[0], fields[1], fields[2] if len(fields) == 3 else "")


def _number(text: str, what: str, path: Path, line: int) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise InputError(f"the {what} {text!r} is no number", path, line)
    return number


def known_documents(collection: Collection) -> dict[str, tuple[str, str]]:
    """``CONTENT@LANGUAGE`` -> (content id, language) of a collection's documents."""
    return {version_id(d.content_id, d.language): (d.content_id, d.language) for d in collection.documents}
