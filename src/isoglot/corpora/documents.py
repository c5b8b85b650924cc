"""Documents out of whatever a user has: JSON Lines, CSV, Parquet, folders of files, isoglot's own sources."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import regex  # type: ignore[import-untyped]

from isoglot.corpora.fields import language_field, text_field
from isoglot.corpora.readers.extraction import Extracted, read_html, read_markdown, read_pdf, read_plain
from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.corpora.sources import SOURCES, load_collection
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.files import os_errors_explained
from isoglot.platform.languages import canonical, detect

log = logging.getLogger("isoglot")

_CONTROLS = regex.compile(r"[\p{Cc}--[\t\n]]", regex.VERSION1)
"""Control characters, NUL among them, which no text needs and PostgreSQL refuses; each becomes a space."""
_ALIASES = {"id": ("_id", "id"), "language": ("lang", "language"), "source": ("url", "source")}
_OWN = ("text", "title", "content_id", "metadata", *(name for names in _ALIASES.values() for name in names))


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document as it came in.

    Attributes:
        id: Unique in the index.
        language: Canonical BCP-47 tag.
        text: Not blank.
        title: May be empty.
        content_id: Shared by its translations; None if unknown.
        source: A URL or path; may be empty.
        metadata: JSON values.
        where: File and line, for messages.
    """

    id: str
    language: str
    text: str
    title: str = ""
    content_id: str | None = None
    source: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    where: str = ""

    @property
    def digest(self) -> str:
        """A hash of all that an index keeps of it."""
        parts = [self.id, self.language, self.text, self.title, self.content_id, self.source, self.metadata]
        return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def corpus_name(corpus: str) -> str:
    """What an index calls a corpus: its absolute path, or the name of a source.

    Raises:
        IsoglotError: It is neither.
    """
    path = Path(corpus).expanduser()
    if path.exists():
        return str(path.resolve())
    if corpus.partition(":")[0].partition("@")[0] in SOURCES:
        return corpus
    raise IsoglotError(f"{corpus}: no such file or folder, and no source of that name (see `isoglot sources`)")


def read_documents(corpus: str, language: str | None = None) -> Iterator[SourceDocument]:
    """The documents of a corpus, one after another.

    Args:
        corpus: A file, a folder, or a source such as ``mini@test``, whose content ids make translations twins.
        language: Of documents that name none; None: detected.

    Raises:
        IsoglotError: Something in it is wrong; the message has file, line and field.
    """
    path = Path(corpus_name(corpus))
    if path.is_dir():
        yield from _read_folder(path, language)
    elif path.exists():
        yield from _read_file(path, path.name, language)
    else:
        for document in load_collection(corpus).documents:
            identity = f"{document.content_id}:{document.language}"
            text = _clean(document.text)
            yield SourceDocument(identity, document.language, text, content_id=document.content_id, where=corpus)


def _read_folder(folder: Path, language: str | None) -> Iterator[SourceDocument]:
    ignored = 0
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if path.suffix.lower() in KINDS and not name.startswith("."):
                yield from _read_file(path, path.relative_to(folder).as_posix(), language)
            else:
                ignored += 1
    if ignored:
        log.info("%s: %d files of other kinds were left out (known: %s)", folder, ignored, " ".join(KINDS))


def _read_file(path: Path, name: str, language: str | None) -> Iterator[SourceDocument]:
    read = KINDS.get(path.suffix.lower())
    if read is None:
        raise InputError(f"unknown kind of file; known are {' '.join(KINDS)}", path)
    with os_errors_explained(path, "read"):
        yield from read(path, name, language)


def _whole(extract: Callable[[Path], Extracted]) -> Callable[[Path, str, str | None], Iterator[SourceDocument]]:
    """A reader of files that are one document each; one without text is left out, which is told."""

    def read(path: Path, name: str, language: str | None) -> Iterator[SourceDocument]:
        found = extract(path)
        text = _clean(found.text)
        if not text:
            log.warning("%s: holds no text and is left out", path)
            return
        named = None if found.language is None else _named_language(found.language)
        tag = named or _language(None, language, text, path, None)
        yield SourceDocument(name, tag, text, _clean(found.title), source=name, where=str(path))

    return read


def _named_language(tag: str) -> str | None:
    """What an HTML file says of itself; None where it names no language that there is."""
    try:
        return canonical(tag)
    except IsoglotError:
        return None


def _read_jsonl(path: Path, name: str, language: str | None) -> Iterator[SourceDocument]:
    for line, row in read_jsonl(path):
        yield document_of(row, path, line, language)


def _read_csv(path: Path, name: str, language: str | None) -> Iterator[SourceDocument]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.DictReader(
        _decoded(path), delimiter="\t" if path.suffix.lower() == ".tsv" else ",", restkey="", strict=True
    )
    try:
        header = reader.fieldnames or []
        if "text" not in header:
            raise InputError(f"the header has no field 'text'; it has {', '.join(header) or 'nothing'}", path, 1)
        for row in reader:
            if "" in row:
                raise InputError(f"has more fields than the header's {len(header)}", path, reader.line_num)
            yield document_of({key: value for key, value in row.items() if value}, path, reader.line_num, language)
    except csv.Error as error:
        raise InputError(f"malformed CSV: {error}", path, reader.line_num + 1) from error  # after the last good line


def _decoded(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"byte {error.start + 1} of the line is not UTF-8; convert the file to UTF-8", path, number
                ) from error


def _read_parquet(path: Path, name: str, language: str | None) -> Iterator[SourceDocument]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            if "text" not in file.schema_arrow.names:
                raise InputError(f"has no column 'text'; it has {', '.join(file.schema_arrow.names)}", path)
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    given = {key: value for key, value in row.items() if value is not None}
                    yield document_of(given, path, number, language)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"cannot be read as Parquet: {str(error).splitlines()[0]}", path) from error


KINDS: dict[str, Callable[[Path, str, str | None], Iterator[SourceDocument]]] = {
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": _read_parquet,
    ".txt": _whole(read_plain),
    ".md": _whole(read_markdown),
    ".markdown": _whole(read_markdown),
    ".html": _whole(read_html),
    ".htm": _whole(read_html),
    ".pdf": _whole(read_pdf),
}


def document_of(row: dict[str, Any], path: Path, line: int, language: str | None) -> SourceDocument:
    """A document out of the fields of a line; fields that are not known become metadata.

    Raises:
        InputError: A field is missing or wrong; the message has file, line and field.
    """
    text = _clean(text_field(row, "text", path, line))
    if not text:
        raise InputError("field 'text' is empty", path, line)
    title = _clean(text_field(row, "title", path, line)) if row.get("title") else ""
    tag = _language(_alias(row, "language", path, line), language, text, path, line)
    metadata = row.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise InputError(f"field 'metadata' is {type(metadata).__name__}, not an object", path, line)
    metadata = {**metadata, **{key: value for key, value in row.items() if key not in _OWN}}
    identity = _alias(row, "id", path, line) or _content_hash(tag, title, text)
    return SourceDocument(
        identity,
        tag,
        text,
        title,
        _text_or_number(row.get("content_id"), "content_id", path, line),
        _alias(row, "source", path, line) or "",
        json.loads(json.dumps(metadata, default=str)),
        f"{path}:{line}",
    )


def _content_hash(*parts: str) -> str:
    """The id of a document that has none: the same text is the same document."""
    return "text-" + hashlib.blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()


def _alias(row: dict[str, Any], name: str, path: Path, line: int) -> str | None:
    known = next((alias for alias in _ALIASES[name] if row.get(alias) is not None), name)
    return _text_or_number(row.get(known), known, path, line)


def _text_or_number(value: Any, name: str, path: Path, line: int) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise InputError(f"field {name!r} is {type(value).__name__}, not text", path, line)
    if value is None or value == "":
        return None
    return text_field({name: str(value)}, name, path, line)


def _language(tag: str | None, given: str | None, text: str, path: Path, line: int | None) -> str:
    if tag is not None:
        return language_field(tag, path, line)
    found = given or detect([text])[0]
    if found is None:
        raise InputError("no language can be detected here; name it in a field 'lang' or with --language", path, line)
    return found


def _clean(text: str) -> str:
    whole = text.encode("utf-8", "replace").decode()  # halves of surrogate pairs out of PDFs
    return str(_CONTROLS.sub(" ", whole.replace("\r\n", "\n").replace("\r", "\n"))).strip()
