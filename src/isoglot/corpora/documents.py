"""Documents out of whatever a user has: JSON Lines, CSV, Parquet, folders of files, isoglot's own sources, the hub."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isoglot.corpora.fields import Fields, full_text, read_document_fields
from isoglot.corpora.left_out import (
    BESIDE_THE_CORPUS,
    DOCUMENTS_WITHOUT_TEXT,
    FILES_WITHOUT_TEXT,
    REPEATED_DOCUMENTS,
    TOO_MUCH,
    UNKNOWN_LANGUAGE,
    UNREADABLE_FILES,
    LeftOut,
)
from isoglot.corpora.readers.extraction import READERS_OF_FILES, TooMuchError, extract
from isoglot.corpora.readers.folders import walk
from isoglot.corpora.readers.lines import kind_of
from isoglot.corpora.readers.records import READERS_OF_RECORDS
from isoglot.corpora.seen import SeenIds
from isoglot.corpora.sources import SOURCES, load_collection
from isoglot.corpora.sources.beir import Part, records
from isoglot.corpora.sources.folder import corpus_parts
from isoglot.corpora.sources.hub_datasets import stream_dataset
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.files import expanded
from isoglot.platform.languages import detect, known
from isoglot.platform.text import cleaned

log = logging.getLogger("isoglot")

KINDS = (*READERS_OF_RECORDS, *READERS_OF_FILES)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDocument:
    """A document of a corpus, its texts cleaned.

    Attributes:
        id: The id, unique in an index.
        language: Canonical BCP-47 tag.
        text: The text, not blank.
        title: The title, which may be empty.
        content_id: The id that translations share; None if unknown.
        source: A URL or path, which may be empty.
        metadata: Further fields, as JSON values.
        where: File and line, for messages.
        language_detected: Whether the language was detected in the text, since none was given.
    """

    id: str
    language: str
    text: str
    title: str = ""
    content_id: str | None = None
    source: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    where: str = ""
    language_detected: bool = False

    @property
    def full_text(self) -> str:
        """The text that a model encodes: title and text."""
        return full_text(self.title, self.text)

    @property
    def digest(self) -> str:
        """A hash of all that an index keeps of the document, in hex."""
        parts = [self.id, self.language, self.text, self.title, self.content_id, self.source, self.metadata]
        if self.language_detected:  # the same document with a given language has other passages
            parts.append("detected")
        return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def is_source(corpus: str) -> bool:
    """Return whether `corpus` names one of isoglot's sources, such as ``mini@test``, and no file or folder.

    ``hub:DATASET`` does not: as a corpus it is a data set of documents alone (see `read_hub_documents`).
    """
    return not expanded(corpus).exists() and corpus.partition(":")[0].partition("@")[0] in SOURCES.keys() - {"hub"}


def corpus_name(corpus: str) -> str:
    """Return what an index calls a corpus: its absolute path, or the name of a source.

    Raises:
        IsoglotError: There is neither.
    """
    path = expanded(corpus)
    if path.exists():
        return str(path.resolve())
    if is_source(corpus):
        return corpus
    raise IsoglotError(f"{corpus}: no such file or folder, and no source of that name (see `isoglot sources`)")


def read_documents(
    corpus: str, language: str | None = None, left_out: LeftOut | None = None
) -> Iterator[SourceDocument]:
    """Yield the documents of a corpus, of those with one id the first.

    Args:
        corpus: A file, a folder, or a source such as ``mini@test``, whose content ids make translations twins. Of a
            folder that is a collection, with queries or qrels beside its corpus, the corpus is read.
        language: Canonical tag of documents that name no language; None: their languages are detected.
        left_out: Counts documents without text, those whose language cannot be told, and files of a folder that cannot
            be read; None: a warning says how many there were.

    Raises:
        IsoglotError: The corpus is missing or something in it is wrong; the message has file, line and field.
    """
    path = Path(corpus_name(corpus))
    counts = LeftOut() if left_out is None else left_out
    if path.is_dir():
        yield from _first_of_each_id(_read_folder(path, language, counts), counts)
    elif path.exists():
        yield from _first_of_each_id(_read_file(path, path.name, language, counts), counts)
    else:
        for document in load_collection(corpus).documents:
            yield SourceDocument(
                id=f"{document.content_id}:{document.language}",
                language=document.language,
                text=cleaned(document.text),
                content_id=document.content_id,
                where=corpus,
            )
    if left_out is None:
        counts.warn(corpus)


def read_hub_documents(
    spec: str, language: str | None = None, left_out: LeftOut | None = None
) -> Iterator[SourceDocument]:
    """Yield the documents of a data set on the Hugging Face hub, which is not downloaded as a whole.

    Args:
        spec: ``DATASET`` or ``DATASET:SPLIT``; the split is ``train`` if not named.
        language: Canonical tag of documents that name no language; None: their languages are detected.
        left_out: As for `read_documents`.

    Raises:
        IsoglotError: The data set cannot be read, or something in it is wrong.
    """
    dataset, _, split = spec.partition(":")
    counts = LeftOut() if left_out is None else left_out
    rows = enumerate(stream_dataset(dataset, split or "train"), start=1)
    documents = (document_of(Fields(row, Path(dataset), number), language, counts) for number, row in rows)
    yield from _first_of_each_id(filter(None, documents), counts)
    if left_out is None:
        counts.warn(spec)


def _first_of_each_id(documents: Iterable[SourceDocument], left_out: LeftOut) -> Iterator[SourceDocument]:
    with SeenIds() as seen:
        for document in documents:
            if seen.add(document.id):
                yield document
            else:
                left_out.add(REPEATED_DOCUMENTS, Path(document.where))


def document_of(fields: Fields, language: str | None, left_out: LeftOut) -> SourceDocument | None:
    """Return the document that a line holds; fields that have no meaning become metadata.

    Args:
        fields: The fields of the line.
        language: Canonical tag of documents that name no language; None: the language is detected.
        left_out: Counts the document if it has no text, or if its language cannot be told; then None is returned.

    Raises:
        InputError: A field is wrong; the message has file, line and field.
    """
    title, text = fields.title_and_text()
    stated = fields.language()
    if not text:
        left_out.add(DOCUMENTS_WITHOUT_TEXT, fields.path, fields.line)
        return None
    tag = _language(language, text) if stated is None else stated.tag
    if tag is None:
        left_out.add(UNKNOWN_LANGUAGE, fields.path, fields.line)
        return None
    return SourceDocument(
        id=fields.id() or _content_hash(tag, title, text),
        language=tag,
        text=text,
        title=title,
        content_id=fields.shared_id("content_id"),
        source=fields.source(),
        metadata=fields.metadata(),
        where=f"{fields.path}:{fields.line}",
        language_detected=stated is None and language is None,
    )


def _read_folder(folder: Path, language: str | None, left_out: LeftOut) -> Iterator[SourceDocument]:
    if parts := corpus_parts(folder):
        yield from _read_corpus(folder, parts, language, left_out)
        return
    ignored = 0
    for path in walk(folder, left_out):
        if kind_of(path) not in KINDS:
            ignored += 1
            continue
        try:
            yield from _read_file(path, cleaned(path.relative_to(folder).as_posix()), language, left_out)
        except InputError as error:
            if left_out.strict:
                raise
            left_out.add(UNREADABLE_FILES, path, error.line, error.message)
    if ignored:
        log.info("%s: %d files of other kinds were left out (known: %s)", folder, ignored, " ".join(KINDS))


def _read_corpus(
    folder: Path, parts: Sequence[Part], language: str | None, left_out: LeftOut
) -> Iterator[SourceDocument]:
    """Yield the documents of a collection's corpus, and count its other files."""
    files = set(walk(folder, left_out))
    for path in sorted(files - {part.path for part in parts}):
        left_out.add(BESIDE_THE_CORPUS, path, rightly=True)
    for fields in records(part for part in parts if part.path in files):
        document = document_of(fields, language, left_out)
        if document is not None:
            yield document


def _read_file(path: Path, name: str, language: str | None, left_out: LeftOut) -> Iterator[SourceDocument]:
    """Yield the documents of a file; `name` is the id of a file that is one document."""
    kind = kind_of(path)
    if kind in READERS_OF_RECORDS:
        for fields in read_document_fields(path):
            document = document_of(fields, language, left_out)
            if document is not None:
                yield document
    elif kind in READERS_OF_FILES:
        try:
            extracted = extract(path)
        except TooMuchError:
            left_out.add(TOO_MUCH, path)
            return
        text = cleaned(extracted.text)
        stated = known(extracted.language or "") or language
        tag = _language(stated, text)
        if text and tag:
            title = cleaned(extracted.title)
            yield SourceDocument(
                id=name,
                language=tag,
                text=text,
                title=title,
                source=name,
                where=str(path),
                language_detected=stated is None,
            )
        else:
            left_out.add(UNKNOWN_LANGUAGE if text else FILES_WITHOUT_TEXT, path)
    else:
        raise InputError(f"unknown kind of file; known are {' '.join(KINDS)}", path)


def _language(given: str | None, text: str) -> str | None:
    """Return the given language, else the one that is detected; None where none can be told."""
    return given or detect([text])[0]


def _content_hash(*parts: str) -> str:
    """Return the id of a document that has none, by which the same text is the same document."""
    return "text-" + hashlib.blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()
