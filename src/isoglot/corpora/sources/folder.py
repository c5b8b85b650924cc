"""A user's own collection in the BEIR layout: corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, with languages.

Each corpus line has ``_id``, ``text`` and ``lang``, and optionally ``title`` and ``content_id``. Each query line has
``_id``, ``text`` and ``lang``, and optionally ``query_id``, which its translations share. ``lang``, ``content_id`` and
``query_id`` may stand in ``metadata`` instead. Without a content id a document is a content of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.fields import Fields, Versions
from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.corpora.readers.lines import read_lines
from isoglot.platform.errors import InputError, IsoglotError


def load(path: Path | None, split: str | None) -> Collection:
    """Load the collection in the folder `path`, judged by qrels/`split`.tsv (default: test.tsv, or the only one there).

    Queries without a relevant document in that split are left out, as is usual for BEIR.

    Raises:
        IsoglotError: No folder was named, or a file is missing or wrong; the message has file and line.
    """
    if path is None:
        raise IsoglotError("name the folder: folder:DIR")
    documents, contents, names = _read_corpus(path / "corpus.jsonl")
    queries, query_ids, query_names = read_queries(path / "queries.jsonl")
    golds: dict[str, dict[str, None]] = {}
    for query, document in read_qrels(qrels_file(path, split), query_ids, contents):
        golds.setdefault(query, {})[document] = None
    judged = [query for query in queries if query.query_id in golds]
    if not judged:
        raise InputError("no query has a relevant document", path)
    name = path.resolve().name + (f"@{split}" if split else "")
    relevant = {query: tuple(contents) for query, contents in golds.items()}
    return Collection(name, documents, judged, relevant, names | query_names | names)


def _read_corpus(file: Path) -> tuple[list[Document], dict[str, str], dict[str, str]]:
    """Return the documents of corpus.jsonl, the content id of each of its ids, and how it spells its languages."""
    documents: list[Document] = []
    versions = Versions("document")
    for line, values in read_jsonl(file):
        fields = Fields(values, file, line)
        content_id, language = versions.add(fields)
        title, text = fields.title(), fields.text()
        documents.append(Document(content_id, language, f"{title} {text}" if title else text))
    if not documents:
        raise InputError("has no documents", file)
    return documents, {identity: content for identity, (content, _) in versions.of.items()}, versions.names


def read_queries(file: Path) -> tuple[list[Query], dict[str, str], dict[str, str]]:
    """Return the queries of queries.jsonl, the query id of each of its ids, and how it spells its languages.

    Raises:
        InputError: The file is missing or a line is wrong.
    """
    queries: list[Query] = []
    versions = Versions("query")
    for line, values in read_jsonl(file):
        fields = Fields(values, file, line)
        query_id, language = versions.add(fields)
        queries.append(Query(query_id, language, fields.text()))
    if not queries:
        raise InputError("has no queries", file)
    return queries, {identity: query for identity, (query, _) in versions.of.items()}, versions.names


def qrels_file(path: Path, split: str | None) -> Path:
    """Return the qrels file of a split; None: of ``test``, or the only one there is.

    Raises:
        InputError: The folder has no qrels, or none of that split.
    """
    files = {file.stem: file for file in sorted((path / "qrels").glob("*.tsv"))}
    if not files:
        raise InputError("has no qrels/*.tsv", path)
    wanted = split or ("test" if "test" in files or len(files) > 1 else next(iter(files)))
    if wanted not in files:
        raise InputError(f"has no {wanted}.tsv; name one of @{', @'.join(files)}", path / "qrels")
    return files[wanted]


def read_qrels(file: Path, query_ids: Mapping[str, str], contents: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of query id and content id that a qrels file calls relevant.

    Args:
        file: A qrels file in BEIR's form: query-id, corpus-id and a number, separated by tabs, with or without header.
        query_ids: The query id of each id that the file may name.
        contents: The content id of each document id that the file may name.

    Raises:
        InputError: The file is missing, or a line is malformed or names an unknown id.
    """
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
