"""A user's own collection in the BEIR layout: corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, with languages.

Each corpus line has ``_id``, ``text`` and ``lang``, and optionally ``title`` and ``content_id``. Each query line has
``_id``, ``text`` and ``lang``, and optionally ``query_id``, which its translations share. ``lang``, ``content_id`` and
``query_id`` may stand in ``metadata`` instead. Without a content id a document is a content of its own. Where ``lang``
is missing, the language is detected, and counted in a note.

The files may be gzipped, or of another format of records. They may also lie as on the Hugging Face hub and in mteb:
folders ``corpus``, ``queries`` and ``qrels`` (or ``default``), or one of each for every language (``de-corpus``), which
then is the language of lines that name none, and part of their ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.fields import Fields, Versions, full_text
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
from isoglot.corpora.readers.lines import kind_of
from isoglot.corpora.readers.qrels import read_qrels
from isoglot.corpora.readers.records import READERS_OF_RECORDS, read_records
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.languages import known

_KINDS_OF_QRELS = (*READERS_OF_RECORDS, ".txt", ".trec", ".qrels")
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
"""How the hub numbers the files of a split."""


class Part(NamedTuple):
    """A file of a collection.

    Attributes:
        path: The file.
        configuration: What stands before the name of its folder on the hub (``de`` of ``de-corpus``); else empty.
    """

    path: Path
    configuration: str = ""

    @property
    def split(self) -> str:
        """The name of the split that the file is of, which is the name of the file without suffixes."""
        return _SHARD.sub("", self.path.name.removesuffix(".gz").rpartition(".")[0])

    def identity(self, name: str) -> str:
        """Return the id of a document or query in the collection, for which `name` stands in this file."""
        return f"{self.configuration}:{name}" if self.configuration else name


def load(path: Path | None, split: str | None, left_out: LeftOut, *, find_identical: bool = False) -> Collection:
    """Load the collection in the folder `path`, judged by qrels/`split`.tsv (default: test.tsv, or the only one there).

    Queries without a relevant document in that split are left out, as is usual for BEIR.

    Args:
        path: The folder.
        split: The split; None: ``test``, or the only one.
        left_out: Counts what is left out.
        find_identical: Whether a query finds a document that has its id.

    Raises:
        IsoglotError: No folder was named, or a file is missing or wrong; the message has file and line.
    """
    if path is None:
        raise IsoglotError("name the folder: folder:DIR")
    qrels = qrels_files(path, split)
    documents, document_versions = _read_corpus(path, qrels[0].split, left_out)
    queries, query_versions = read_queries(path, qrels[0].split, left_out)
    query_ids, contents = _shared_ids(query_versions), _shared_ids(document_versions)
    golds: dict[str, dict[str, None]] = {}
    for query, document in read_judgements(qrels, query_ids, contents, left_out):
        golds.setdefault(query, {})[document] = None
    judged = [query for query in queries if query.query_id in golds]
    if not judged:
        raise InputError("; ".join(("no query has a relevant document", *left_out.notes)), path)
    name = path.resolve().name + (f"@{split}" if split else "")
    relevant = {query: tuple(contents) for query, contents in golds.items()}
    identical = {} if find_identical else _identical(document_versions, query_versions, relevant)
    notes = [*document_versions.detected.notes, *query_versions.detected.notes]
    if identical:
        notes.append(f"{len(identical)} queries have the id of a document, which they do not find (--find-identical)")
    return Collection(
        name,
        documents,
        judged,
        relevant,
        document_versions.names | query_versions.names | document_versions.names,
        tuple(notes),
        identical,
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


def _read_corpus(folder: Path, split: str, left_out: LeftOut) -> tuple[list[Document], Versions]:
    """Return the documents of the corpus, and what its ids stand for."""
    documents: list[Document] = []
    versions = Versions("document")
    for fields in records(_files(folder, "corpus", split)):
        if fields.required_id() in versions.of:
            left_out.add(REPEATED_DOCUMENTS, fields.path, fields.line)
            continue
        title, text = fields.title_and_text()
        version = versions.add(fields, text) if text else None
        if version is None:
            left_out.add(UNKNOWN_LANGUAGE if text else DOCUMENTS_WITHOUT_TEXT, fields.path, fields.line)
        else:
            documents.append(Document(*version, full_text(title, text)))
    versions.detected.warn(folder)
    if not documents:
        raise InputError("; ".join(("has no documents in its corpus", *left_out.notes)), folder)
    return documents, versions


def read_queries(folder: Path, split: str, left_out: LeftOut) -> tuple[list[Query], Versions]:
    """Return the queries of a collection, and what their ids stand for.

    Args:
        folder: The collection.
        split: The split of its qrels: of several files of queries, those of that name are read, if there are any.
        left_out: Counts queries without text or language.

    Raises:
        InputError: The file is missing or a line is wrong.
    """
    queries: list[Query] = []
    versions = Versions("query")
    for fields in records(_files(folder, "queries", split)):
        if fields.required_id() in versions.of:
            left_out.add(REPEATED_QUERIES, fields.path, fields.line)
            continue
        text = fields.text()
        version = versions.add(fields, text) if text else None
        if version is None:
            left_out.add(UNKNOWN_LANGUAGE if text else QUERIES_WITHOUT_TEXT, fields.path, fields.line)
        else:
            queries.append(Query(*version, text))
    versions.detected.warn(folder)
    if not queries:
        raise InputError("; ".join(("has no queries", *left_out.notes)), folder)
    return queries, versions


def corpus_parts(folder: Path) -> list[Part]:
    """Return the files of the corpus where a folder is a collection, with queries or qrels beside it; else none."""
    beside = ("queries.*", "data/queries.*", "*queries", "*qrels")
    if not any(next(folder.glob(pattern), None) for pattern in beside):
        return []
    try:
        return _files(folder, "corpus", "")
    except InputError:
        return []


def _shared_ids(versions: Versions) -> dict[str, str]:
    return {identity: shared for identity, (shared, _) in versions.of.items()}


def qrels_files(folder: Path, split: str | None) -> list[Part]:
    """Return the qrels files of a split; None: of ``test``, or the only one there is.

    Raises:
        InputError: The folder has no qrels, or none of that split.
    """
    parts = _parts(folder, ("qrels", "default"), _KINDS_OF_QRELS)
    splits = sorted({part.split for part in parts})
    if not splits:
        raise InputError("has no qrels/SPLIT.tsv", folder)
    wanted = split or ("test" if "test" in splits or len(splits) > 1 else splits[0])
    if wanted not in splits:
        raise InputError(f"has no {wanted}.tsv; name one of @{', @'.join(splits)}", folder / "qrels")
    return [part for part in parts if part.split == wanted]


def read_judgements(
    qrels: Iterable[Part], query_ids: Mapping[str, str], contents: Mapping[str, str], left_out: LeftOut
) -> Iterator[tuple[str, str]]:
    """Yield the pairs of query id and content id that qrels call relevant.

    Args:
        qrels: Files as `read_qrels` reads them.
        query_ids: The query id of each id that a file may name.
        contents: The content id of each document id that a file may name.
        left_out: Counts judgements of other queries and documents, if they are of relevance.

    Raises:
        InputError: A file is missing, or a line is malformed.
    """
    for part in qrels:
        for judgement in read_qrels(part.path):
            query, document = part.identity(judgement.query), part.identity(judgement.document)
            if judgement.relevance <= 0:
                continue
            if query in query_ids and document in contents:
                yield query_ids[query], contents[document]
            else:
                left_out.add(UNKNOWN_DOCUMENTS if query in query_ids else UNKNOWN_QUERIES, part.path, judgement.line)


def records(parts: Iterable[Part]) -> Iterator[Fields]:
    """Yield the fields of each line; a configuration is the language where it is the tag of one, and part of the id."""
    for part in parts:
        stated = {"lang": part.configuration} if known(part.configuration) else {}
        for line, values in read_records(part.path):
            fields = Fields(stated | values, part.path, line)
            if part.configuration:
                fields = Fields({**fields.values, "_id": part.identity(fields.required_id())}, part.path, line)
            yield fields


def _files(folder: Path, name: str, split: str) -> list[Part]:
    """Return the files of the corpus or of the queries: NAME.jsonl, or those in folders NAME and LANGUAGE-NAME.

    Of files in folders, those of the split are taken, if there are any.
    """
    parts = [
        Part(file)
        for parent in (folder, folder / "data")
        for file in _of_kinds(parent, READERS_OF_RECORDS)
        if Part(file).split == name
    ] or _parts(folder, (name,), READERS_OF_RECORDS)
    if not parts:
        raise InputError("no such file", folder / f"{name}.jsonl")
    return [part for part in parts if part.split == split] or parts


def _parts(folder: Path, names: Sequence[str], kinds: Iterable[str]) -> list[Part]:
    """Return the files in the folders NAME and CONFIGURATION-NAME."""
    parts = []
    for child in sorted(folder.glob("*")):
        configuration, _, name = child.name.rpartition("-")
        if name in names and child.is_dir():
            parts += [Part(file, configuration) for file in _of_kinds(child, kinds)]
    return parts


def _of_kinds(folder: Path, kinds: Iterable[str]) -> list[Path]:
    known_kinds = tuple(kinds)
    return [file for file in sorted(folder.glob("*")) if kind_of(file) in known_kinds]
