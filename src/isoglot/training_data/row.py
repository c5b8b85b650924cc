"""The training row, a question and the document that answers it, each in one or more languages; and its file format.

A file of rows is JSON Lines (``.jsonl``), Parquet (``.parquet``) or another file of records, with the fields of `Row`
and a ``hash``, described in docs/reference/training-rows.md. Rows of other tools are read too
(`isoglot.training_data.foreign`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from isoglot.corpora.fields import text_field
from isoglot.corpora.left_out import LeftOut
from isoglot.corpora.readers.lines import kind_of
from isoglot.corpora.readers.records import READERS_OF_RECORDS, read_records
from isoglot.platform.errors import InputError, IsoglotError, first_line
from isoglot.platform.extras import needs
from isoglot.platform.files import write_bytes
from isoglot.platform.languages import canonical
from isoglot.training_data.foreign import FORMS, ForeignRows


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One content with one question.

    Attributes:
        content_id: Id of the document; rows that share it never meet as negatives.
        query: Language (canonical BCP-47 tag) -> text of the question.
        document: Language -> text of the document.
        source: Origin of the texts, e.g. ``libreoffice-help``.
        licence: Licence of the texts: an SPDX expression, or a place where it is stated.
        provenance: Language -> ``original`` (written in it), ``human`` (translated by people), ``machine``, or the
            name of the model that wrote the text; followed by ``, question by MODEL`` where only the query is the
            model's.
    """

    content_id: str
    query: dict[str, str]
    document: dict[str, str]
    source: str = ""
    licence: str = ""
    provenance: dict[str, str] = {}

    @property
    def languages(self) -> list[str]:
        """Languages with a query or a document, English first, then by tag."""
        return sorted(self.query.keys() | self.document.keys(), key=lambda tag: (tag != "en", tag))

    @property
    def hash(self) -> str:
        """First 16 hex digits of the SHA-256 over content id, queries and documents."""
        content = [self.content_id, sorted(self.query.items()), sorted(self.document.items())]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:16]

    def keep(self, languages: Iterable[str]) -> Row:
        """Return the row with the texts in some languages only.

        Args:
            languages: Canonical tags.
        """
        kept = set(languages)
        fields = {
            name: {tag: text for tag, text in getattr(self, name).items() if tag in kept} for name in _LANGUAGE_FIELDS
        }
        return msgspec.structs.replace(self, **fields)


_LANGUAGE_FIELDS = ("query", "document", "provenance")
"""The fields of a row that map languages to texts."""


def fingerprint(rows: Iterable[Row]) -> str:
    """Return the SHA-256, in hex, over the hashes of `rows` in their order."""
    return hashlib.sha256(" ".join(row.hash for row in rows).encode()).hexdigest()


def is_row_file(name: str | Path) -> bool:
    """Return whether `name` ends as a file of rows does, gzipped or not."""
    return kind_of(Path(name)) in READERS_OF_RECORDS


def check_row_file(path: str | Path) -> None:
    """Do nothing if rows can be written under the name `path`.

    Raises:
        IsoglotError: The name ends in neither ``.jsonl`` nor ``.parquet``.
    """
    if Path(path).suffix not in (".jsonl", ".parquet"):
        raise IsoglotError(f"{path}: rows are written to .jsonl or .parquet; choose such a name")


def read_rows(
    path: str | Path,
    *,
    query_language: str | None = None,
    document_language: str | None = None,
    strict: bool = False,
) -> list[Row]:
    """Read training rows from a file, with language tags in canonical spelling.

    Fields and languages whose value is null count as missing. The languages of rows of other tools are detected, and
    rows without a question, a positive or a recognisable language are left out. Warnings count both.

    Args:
        path: File of rows: ``.jsonl``, ``.parquet``, ``.csv`` or ``.tsv``, gzipped or not.
        query_language: Language of the questions in rows of other tools; None: detected.
        document_language: Language of the documents in rows of other tools; None: detected.
        strict: Whether a row that would be left out is an error.

    Returns:
        The rows, in the order of the file.

    Raises:
        IsoglotError: The file is missing, a row is malformed, or a language is unknown. The message names line and
            field.
    """
    file, left_out = Path(path), LeftOut(strict)
    asked_in, answered_in = (tag and canonical(tag) for tag in (query_language, document_language))
    foreign = ForeignRows(file, asked_in, answered_in, left_out)
    rows: list[Row] = []
    for number, fields in _read_raw(file):
        others = foreign.rows(fields, number)
        rows += [_row_of(own, file, number) for own in ([fields] if others is None else others)]
    foreign.say()
    left_out.warn(str(file))
    return rows


def write_rows(path: str | Path, rows: Iterable[Row]) -> None:
    """Write rows as JSON Lines or, if the name ends in ``.parquet``, as Parquet; whole or not at all.

    Args:
        path: File to write: ``.jsonl`` or ``.parquet``.
        rows: Rows.

    Raises:
        IsoglotError: The file cannot be written, or its name ends in neither ``.jsonl`` nor ``.parquet``.
    """
    target = Path(path)
    check_row_file(target)
    lines = [{**msgspec.to_builtins(row), "hash": row.hash} for row in rows]
    if target.suffix == ".jsonl":
        encoder = msgspec.json.Encoder(order="sorted")
        write_bytes(target, b"".join(encoder.encode(line) + b"\n" for line in lines))
    else:
        write_bytes(target, _parquet(lines))


def _parquet(lines: Iterable[Mapping[str, Any]]) -> bytes:
    import io

    with needs("writing Parquet", "files"):
        import pyarrow as pa
        import pyarrow.parquet as pq

    texts = pa.map_(pa.string(), pa.string())
    names = (*Row.__struct_fields__, "hash")
    schema = pa.schema([(name, texts if name in _LANGUAGE_FIELDS else pa.string()) for name in names])
    records = [
        {name: sorted(value.items()) if name in _LANGUAGE_FIELDS else value for name, value in line.items()}
        for line in lines
    ]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records, schema=schema), sink, write_page_checksum=True)
    return sink.getvalue()


def _read_raw(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line or record number, fields not yet validated) of each row."""
    for number, fields in read_records(path):
        maps = {name: _language_map(fields[name]) for name in _LANGUAGE_FIELDS if name in fields}
        yield number, {name: value for name, value in (fields | maps).items() if value is not None}


def _language_map(value: Any) -> Any:
    """Return a struct without the languages whose text is null, and the pairs of a Parquet map, as a dictionary."""
    if isinstance(value, list) and all(isinstance(entry, tuple) for entry in value):
        value = dict(value)
    return {tag: text for tag, text in value.items() if text is not None} if isinstance(value, dict) else value


def _row_of(fields: dict[str, Any], path: Path, number: int) -> Row:
    """Validate the fields of one row."""
    stated_hash = fields.pop("hash", None)
    try:
        row = msgspec.convert(fields, Row)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise InputError(f"not a training row: {first_line(error)}; rows are {FORMS}", path, number) from error
    try:
        texts = {name: _with_canonical_tags(getattr(row, name)) for name in _LANGUAGE_FIELDS}
    except IsoglotError as error:
        raise InputError(str(error), path, number) from error
    if not row.query or not row.document:
        raise InputError(f"field {'document' if row.query else 'query'!r} has no text", path, number)
    for name in ("query", "document"):
        for tag, text in texts[name].items():
            text_field({f"{name}.{tag}": text}, f"{name}.{tag}", path, number)
    row = msgspec.structs.replace(row, **texts)
    try:
        present_hash = row.hash
    except UnicodeEncodeError as error:
        raise InputError("the content id or a text holds half of a surrogate pair", path, number) from error
    if stated_hash is not None and stated_hash != present_hash:
        raise InputError(
            f"the texts were changed: hash is {present_hash}, not {stated_hash}; remove the field 'hash'", path, number
        )
    return row


def _with_canonical_tags(texts: dict[str, str]) -> dict[str, str]:
    renamed = {canonical(tag): text for tag, text in texts.items()}
    if len(renamed) < len(texts):
        raise IsoglotError(f"two of the languages {', '.join(texts)} are one; keep one of them")
    return renamed
