"""A user's own collection in the BEIR layout: corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, with languages.

Each corpus line has ``_id``, ``text`` and ``lang``, and optionally ``title`` and ``content_id``. Each query line has
``_id``, ``text`` and ``lang``, and optionally ``query_id``, which its translations share. ``lang``, ``content_id`` and
``query_id`` may stand in ``metadata`` instead. Without a content id a document is a content of its own. Where ``lang``
is missing, the language is detected, and counted in a note.

The files may be gzipped, or of another format of records. They may also lie as on the Hugging Face hub and in mteb:
folders ``corpus``, ``queries`` and ``qrels`` (or ``default``), or one of each for every configuration (``de-corpus``),
which is part of the ids, and the language of lines that name none where it is one (see `_languages`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from isoglot.corpora.collection import Collection, Document, Query
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
from isoglot.corpora.readers.lines import kind_of
from isoglot.corpora.readers.qrels import read_qrels
from isoglot.corpora.readers.records import READERS_OF_RECORDS
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.languages import differing_language, known

_KINDS_OF_QRELS = (*READERS_OF_RECORDS, ".txt", ".trec", ".qrels")
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
"""How the hub numbers the files of a split."""
_PAIR = re.compile(r"([a-z]{2,3})[-_]([a-z]{2,3})")
_BEGINNING = 20
"""The number of texts of a configuration that tell whether its name is their language."""
_SURE = 0.5
"""The probability of another language from which on it is not; Xhosa's and Igbo's texts are in none at 0.35."""


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
        return _SHARD.sub("", _stem(self.path))

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
    """Return the files of the corpus where a folder is a collection, with queries or qrels beside it; else none.

    Raises:
        InputError: Two of them differ by their formats alone.
    """
    beside = ("queries.*", "data/queries.*", "*queries", "*qrels")
    if not any(next(folder.glob(pattern), None) for pattern in beside):
        return []
    return _files_if_any(folder, "corpus", "")


def _shared_ids(versions: Versions) -> dict[str, str]:
    return {identity: shared for identity, (shared, _) in versions.of.items()}


def qrels_files(folder: Path, split: str | None) -> list[Part]:
    """Return the qrels files of a split; None: of ``test``, or the only one there is.

    Raises:
        InputError: The folder has no qrels, or none of that split.
    """
    parts = _parts(folder, ("qrels", "default"), _KINDS_OF_QRELS)
    _check_each_once(parts)
    splits = sorted({part.split for part in parts})
    if not splits:
        _refuse_other_kinds(folder, ("qrels", "default"), _KINDS_OF_QRELS)
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
    """Yield the fields of each line; a configuration is part of the id, and the language if it is one."""
    files = list(parts)
    languages = _languages(files)
    for part in files:
        stated = {"lang": part.configuration} if part.configuration in languages else {}
        for fields in read_fields(part.path):
            if part.configuration:
                values = {**stated, **fields.values, "_id": part.identity(fields.required_id())}
                yield Fields(values, part.path, fields.line)
            else:
                yield fields


def _languages(parts: Iterable[Part]) -> set[str]:
    """Return the configurations that name the languages of their texts.

    Subjects look like tags too: ``law`` is Lauje, ``cs`` Czech. So none is a language if half of those that may be have
    texts that are surely in another one. A pair (``en-de``) names the languages of both sides, not which is which.
    """
    tags = {part: tag for part in parts if (tag := known(part.configuration)) and not _is_pair(part.configuration)}
    other = [
        part for part, tag in tags.items() if differing_language(_beginning(part), tag, sure=_SURE, undetectable=True)
    ]
    return {part.configuration for part in tags} if 2 * len(other) < len(tags) else set()


def _is_pair(configuration: str) -> bool:
    pair = _PAIR.fullmatch(configuration)
    return pair is not None and all(map(known, pair.groups()))


def _beginning(part: Part) -> str:
    """Return the first texts of a file."""
    first = islice(read_fields(part.path), _BEGINNING)
    return " ".join(text for fields in first for text in fields.title_and_text() if fields.language() is None)


def _files(folder: Path, name: str, split: str) -> list[Part]:
    """Return the files of the corpus or of the queries: NAME.jsonl, or those in folders NAME and LANGUAGE-NAME.

    Of files in folders, those of the split are taken, if there are any.
    """
    parts = _files_if_any(folder, name, split)
    if not parts:
        _refuse_other_kinds(folder, (name,), READERS_OF_RECORDS)
        raise InputError("no such file", folder / f"{name}.jsonl")
    return parts


def _files_if_any(folder: Path, name: str, split: str) -> list[Part]:
    parts = [
        Part(file)
        for parent in (folder, folder / "data")
        for file in _of_kinds(parent, READERS_OF_RECORDS)
        if Part(file).split == name
    ] or _parts(folder, (name,), READERS_OF_RECORDS)
    _check_each_once(parts)
    return [part for part in parts if part.split == split] or parts


def _refuse_other_kinds(folder: Path, names: Iterable[str], kinds: Iterable[str]) -> None:
    """Refuse files in the places of those that are missing which are of a kind that is not read.

    Raises:
        InputError: There is one.
    """
    patterns = [
        pattern for name in names for pattern in (f"{name}.*", f"data/{name}*.*", f"{name}/*.*", f"*-{name}/*.*")
    ]
    files = (file for pattern in patterns for file in sorted(folder.glob(pattern)))
    unknown = next((file for file in files if file.is_file() and not file.name.startswith(".")), None)
    if unknown is not None:
        raise InputError(f"unknown kind of file; known are {' '.join(kinds)}, gzipped or not", unknown)


def _check_each_once(parts: Iterable[Part]) -> None:
    """Check that no two files differ by their formats alone, as ``corpus.jsonl`` and ``corpus.jsonl.gz`` do.

    Raises:
        InputError: Two do.
    """
    seen: dict[tuple[str, str], Path] = {}
    for part in parts:
        first = seen.setdefault((part.configuration, _stem(part.path)), part.path)
        if first != part.path:
            raise InputError(f"is there as {first.name} too; remove one of them", part.path)


def _stem(file: Path) -> str:
    """Return the name of a file without suffixes."""
    return file.name.removesuffix(".gz").rpartition(".")[0]


def _parts(folder: Path, names: Sequence[str], kinds: Iterable[str]) -> list[Part]:
    """Return the files in the folders NAME and CONFIGURATION-NAME."""
    parts = []
    for child in sorted(folder.glob("*")):
        configuration, _, name = child.name.rpartition("-")
        if name in names and child.is_dir() and not configuration.startswith("."):
            parts += [Part(file, configuration) for file in _of_kinds(child, kinds)]
    return parts


def _of_kinds(folder: Path, kinds: Iterable[str]) -> list[Path]:
    known_kinds = tuple(kinds)
    files = sorted(file for file in folder.glob("*") if not file.name.startswith("."))
    return [file for file in files if kind_of(file) in known_kinds]
