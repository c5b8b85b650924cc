"""A user's own collection in the BEIR layout: corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, with languages.

Each corpus line: ``_id``, ``text``, ``lang``, optionally ``title`` and ``content_id``; each query line: ``_id``,
``text``, ``lang``, optionally ``query_id``, shared by translations. ``lang``, ``content_id`` and ``query_id`` may stand
in ``metadata`` instead. Without a content id a document is a content of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.fields import language_field, text_field
from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.corpora.readers.lines import read_lines
from isoglot.platform.errors import InputError, IsoglotError


def load(path: Path | None, split: str | None) -> Collection:
    """The collection in the folder `path`, judged by qrels/`split`.tsv (default: test.tsv, or the only one there).

    Queries without a relevant document in that split are left out, as is usual for BEIR.

    Raises:
        IsoglotError: No folder was named, or a file is missing or wrong; the message has file and line.
    """
    if path is None:
        raise IsoglotError("name the folder: folder:DIR")
    names: dict[str, str] = {}
    documents, contents = _read_corpus(path / "corpus.jsonl", names)
    queries, query_ids = read_queries(path / "queries.jsonl", names)
    golds: dict[str, dict[str, None]] = {}
    for query, document in read_qrels(qrels_file(path, split), query_ids, contents):
        golds.setdefault(query, {})[document] = None
    judged = [query for query in queries if query.query_id in golds]
    if not judged:
        raise InputError("no query has a relevant document", path)
    name = path.resolve().name + (f"@{split}" if split else "")
    return Collection(name, documents, judged, {query: tuple(found) for query, found in golds.items()}, names)


def _read_corpus(file: Path, names: dict[str, str]) -> tuple[list[Document], dict[str, str]]:
    documents: list[Document] = []
    contents: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for line, row in read_jsonl(file):
        identity = _identity(row, file, line)
        if identity in contents:
            raise InputError(f"duplicate _id {identity!r}", file, line)
        language = _language(row, names, file, line)
        contents[identity] = content_id = _shared_id(row, "content_id", file, line) or identity
        if (content_id, language) in seen:
            raise InputError(f"content_id {content_id!r} occurs twice in {language}", file, line)
        seen.add((content_id, language))
        title = row.get("title") or ""
        if str(title).strip():
            title = text_field(row, "title", file, line)
        text = text_field(row, "text", file, line)
        documents.append(Document(content_id, language, f"{title} {text}" if title.strip() else text))
    if not documents:
        raise InputError("has no documents", file)
    return documents, contents


def read_queries(file: Path, names: dict[str, str]) -> tuple[list[Query], dict[str, str]]:
    """The queries of queries.jsonl, and the query id that each of its ids stands for; `names` learns its languages."""
    queries: list[Query] = []
    query_ids: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for line, row in read_jsonl(file):
        identity = _identity(row, file, line)
        if identity in query_ids:
            raise InputError(f"duplicate _id {identity!r}", file, line)
        language = _language(row, names, file, line)
        query_ids[identity] = query_id = _shared_id(row, "query_id", file, line) or identity
        if (query_id, language) in seen:
            raise InputError(f"query_id {query_id!r} occurs twice in {language}", file, line)
        seen.add((query_id, language))
        queries.append(Query(query_id, language, text_field(row, "text", file, line)))
    if not queries:
        raise InputError("has no queries", file)
    return queries, query_ids


def qrels_file(path: Path, split: str | None) -> Path:
    """The qrels of a split; None: test, or the only one there is."""
    found = {file.stem: file for file in sorted((path / "qrels").glob("*.tsv"))}
    if not found:
        raise InputError("has no qrels/*.tsv", path)
    wanted = split or ("test" if "test" in found or len(found) > 1 else next(iter(found)))
    if wanted not in found:
        raise InputError(f"has no {wanted}.tsv; name one of @{', @'.join(found)}", path / "qrels")
    return found[wanted]


def read_qrels(file: Path, query_ids: dict[str, str], contents: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Pairs of query id and content id that a qrels file calls right, ids looked up in what is given."""
    for line, text in read_lines(file):
        fields = text.split("\t")
        if line == 1 and len(fields) == 3 and not _is_number(fields[2]) and fields[0] not in query_ids:
            continue  # the header
        if len(fields) != 3 or not _is_number(fields[2]):
            raise InputError("expected query-id, corpus-id and a number, separated by tabs", file, line)
        query, document, relevance = fields
        if query not in query_ids:
            raise InputError(f"query {query!r} is not in queries.jsonl", file, line)
        if document not in contents:
            raise InputError(f"document {document!r} is not in corpus.jsonl", file, line)
        if float(relevance) > 0:
            yield query_ids[query], contents[document]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _identity(row: dict[str, Any], file: Path, line: int) -> str:
    value = row.get("_id")
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise InputError("field '_id' is missing or no text", file, line)
    return str(value)


def _language(row: dict[str, Any], names: dict[str, str], file: Path, line: int) -> str:
    tag = _extra(row, "lang")
    if tag is not None and not isinstance(tag, str):
        raise InputError(f"field 'lang' is {type(tag).__name__}, not text", file, line)
    if tag is None:
        raise InputError("field 'lang' is missing, here and in 'metadata'; add a BCP-47 tag, e.g. \"en\"", file, line)
    language = language_field(tag, file, line)
    names.setdefault(language, tag)
    return language


def _shared_id(row: dict[str, Any], field: str, file: Path, line: int) -> str:
    value = _extra(row, field)
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise InputError(f"field {field!r} is {type(value).__name__}, not text", file, line)
    return "" if value is None else str(value)


def _extra(row: dict[str, Any], field: str) -> Any:
    metadata = row.get("metadata")
    value = row.get(field)
    return metadata.get(field) if value is None and isinstance(metadata, dict) else value
