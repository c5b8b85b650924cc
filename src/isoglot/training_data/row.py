"""Training rows: a question and the document that answers it, each in one or more languages; their file format.

A file of rows is JSON Lines (``.jsonl``) or Parquet (``.parquet``) with the fields of `Row` and a ``hash``,
described in docs/data.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from isoglot.corpora.fields import text_field
from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.corpora.readers.parquet import read_parquet
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.files import write_bytes
from isoglot.platform.languages import canonical

PROVENANCES = ("original", "human", "machine")
"""How a text came about: written so, translated by people, or by a machine; a model's name is allowed as well."""


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One content with one question.

    Attributes:
        content_id: Of the document; rows that share it must not meet as negatives.
        query: Language (canonical BCP-47 tag) -> text.
        document: Language -> text.
        source: Where the texts are from, e.g. ``libreoffice-help``.
        licence: SPDX expression, or where to look.
        provenance: Language -> ``original``, ``human``, ``machine``, or the name of the model that wrote the text.
    """

    content_id: str
    query: dict[str, str]
    document: dict[str, str]
    source: str = ""
    licence: str = ""
    provenance: dict[str, str] = {}

    @property
    def languages(self) -> list[str]:
        """The languages that have a query or a document, English first, then by tag."""
        return sorted(self.query.keys() | self.document.keys(), key=lambda tag: (tag != "en", tag))

    @property
    def hash(self) -> str:
        """The first 16 hex digits of the SHA-256 over content id, queries and documents."""
        content = [self.content_id, sorted(self.query.items()), sorted(self.document.items())]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:16]

    def keep(self, languages: Iterable[str]) -> Row:
        """The row with the texts in `languages` alone."""
        kept = set(languages)
        fields = {
            name: {tag: text for tag, text in getattr(self, name).items() if tag in kept}
            for name in ("query", "document", "provenance")
        }
        return msgspec.structs.replace(self, **fields)


def fingerprint(rows: Iterable[Row]) -> str:
    """SHA-256 over the hashes of `rows` in their order, in hex."""
    return hashlib.sha256(" ".join(row.hash for row in rows).encode()).hexdigest()


def is_row_file(name: str | Path) -> bool:
    """Whether `name` has the ending of a file of rows."""
    return Path(name).suffix in (".jsonl", ".parquet")


def check_row_file(path: str | Path) -> None:
    """Do nothing if rows can be written under that name.

    Raises:
        IsoglotError: Its ending is another.
    """
    if not is_row_file(path):
        raise IsoglotError(f"{path}: rows are written to .jsonl or .parquet; choose such a name")


def read_rows(path: str | Path) -> list[Row]:
    """The rows of a ``.jsonl`` or ``.parquet`` file, language tags in canonical spelling.

    Raises:
        InputError: The file is missing, or a row is not as `Row` says; the message names line and field.
    """
    return [_checked(fields, Path(path), number) for number, fields in _read_raw(Path(path))]


def write_rows(path: str | Path, rows: Iterable[Row]) -> None:
    """Write rows as JSON Lines or, if the name ends in ``.parquet``, as Parquet; whole or not at all.

    Raises:
        IsoglotError: The file cannot be written, or its ending is another.
    """
    target = Path(path)
    check_row_file(target)
    lines = [{**msgspec.to_builtins(row), "hash": row.hash} for row in rows]
    if target.suffix == ".jsonl":
        encoder = msgspec.json.Encoder(order="sorted")
        write_bytes(target, b"".join(encoder.encode(line) + b"\n" for line in lines))
        return
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = pa.map_(pa.string(), pa.string())
    schema = pa.schema([(name, texts if name in _MAPS else pa.string()) for name in (*Row.__struct_fields__, "hash")])
    flat = [{name: sorted(value.items()) if name in _MAPS else value for name, value in line.items()} for line in lines]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(flat, schema=schema), sink)
    write_bytes(target, sink.getvalue())


_MAPS = ("query", "document", "provenance")


def _read_raw(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if path.suffix != ".parquet":
        yield from read_jsonl(path)
        return
    for number, fields in read_parquet(path):
        maps = {name: dict(fields[name]) for name in _MAPS if isinstance(fields.get(name), list)}
        yield number, fields | maps


def _checked(fields: dict[str, Any], path: Path, number: int) -> Row:
    stated = fields.pop("hash", None)
    try:
        row = msgspec.convert(fields, Row)
    except msgspec.ValidationError as error:
        raise InputError(f"not a training row: {error}", path, number) from error
    try:
        texts = {name: _canonical(getattr(row, name)) for name in _MAPS}
    except IsoglotError as error:
        raise InputError(str(error), path, number) from error
    if not row.query or not row.document:
        raise InputError(f"field {'document' if row.query else 'query'!r} has no text", path, number)
    for name in ("query", "document"):
        for tag, text in texts[name].items():
            text_field({f"{name}.{tag}": text}, f"{name}.{tag}", path, number)
    row = msgspec.structs.replace(row, **texts)
    if stated is not None and stated != row.hash:
        raise InputError(
            f"the texts were changed: hash is {row.hash}, not {stated}; remove the field 'hash'", path, number
        )
    return row


def _canonical(texts: dict[str, str]) -> dict[str, str]:
    found = {canonical(tag): text for tag, text in texts.items()}
    if len(found) < len(texts):
        raise IsoglotError(f"two of the languages {', '.join(texts)} are one")
    return found
