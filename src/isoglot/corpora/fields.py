"""What the fields of a line say of a document or a query, with errors that name file, line and field.

Every format is read by these rules: corpora to index or encode, folders in the BEIR layout, tables of documents.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from isoglot.corpora.detected import DetectedLanguages
from isoglot.corpora.readers.lines import kind_of
from isoglot.corpora.readers.records import read_records
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.languages import canonical, known, names_no_language
from isoglot.platform.text import cleaned

ID_FIELDS = ("_id", "id", "docid", "doc_id")
LANGUAGE_FIELDS = ("lang", "language")
SOURCE_FIELDS = ("url", "source")
OTHER_FIELDS = ("text", "title", "content_id", "metadata")
DOCUMENT_FIELDS = frozenset((*ID_FIELDS, *LANGUAGE_FIELDS, *SOURCE_FIELDS, *OTHER_FIELDS))
"""The names of all fields that may have a meaning in a document; the others are metadata."""


def full_text(title: str, text: str) -> str:
    """Return what a model encodes of a document: its title, which may be empty, and its text."""
    return f"{title} {text}" if title else text


class StatedLanguage(NamedTuple):
    """A language as a line states it.

    Attributes:
        tag: The canonical tag.
        spelling: The tag as it is written there.
    """

    tag: str
    spelling: str


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one line.

    Of the names that a field may have (``_id`` or ``id``), the first that is there and is not null counts. The
    language and the ids that translations share may stand in ``metadata`` instead. All text is cleaned (see
    `isoglot.platform.text.cleaned`), that of ids and metadata too.

    Attributes:
        values: The value of each field.
        path: The file.
        line: The number of the line, counted from 1.
    """

    values: Mapping[str, Any]
    path: Path
    line: int

    def error(self, message: str) -> InputError:
        """Return an error that names the file and the line."""
        return InputError(message, self.path, self.line)

    def title_and_text(self) -> tuple[str, str]:
        """Return the title and the text of a document; a title without a text is the text.

        Either may be empty, and both are where the line has neither.

        Raises:
            InputError: One of them is no text.
        """
        title, text = self._text("title"), self._text("text")
        return (title, text) if text else ("", title)

    def text(self) -> str:
        """Return the text of a query; empty where the line has none.

        Raises:
            InputError: It is no text.
        """
        return self._text("text")

    def id(self) -> str | None:
        """Return the id, a number as its digits; None where the line has none.

        Raises:
            InputError: The id is neither text nor a whole number.
        """
        return self._text_or_number(*self._first(ID_FIELDS))

    def required_id(self) -> str:
        """Return the id.

        Raises:
            InputError: The line has no id, or it is neither text nor a whole number.
        """
        identity = self.id()
        if identity is None:
            raise self.error("field '_id' is missing or no text")
        return identity

    def shared_id(self, name: str) -> str | None:
        """Return the id that translations share, ``content_id`` or ``query_id``; None where the line has none.

        Raises:
            InputError: The id is neither text nor a whole number.
        """
        value = self._value(name)
        return self._text_or_number(name, self._metadata.get(name) if value is None else value)

    def source(self) -> str:
        """Return where the document is from, a URL or a path; empty where the line does not say.

        Raises:
            InputError: The value is neither text nor a whole number.
        """
        return self._text_or_number(*self._first(SOURCE_FIELDS)) or ""

    @property
    def says_no_language(self) -> bool:
        """Whether the line says that its text is in no known language, or in several (see `names_no_language`)."""
        stated = self._first(LANGUAGE_FIELDS)[1] or self._language_in_metadata
        return isinstance(stated, str) and names_no_language(stated)

    def language(self) -> StatedLanguage | None:
        """Return the language; None where the line names none, or says that it has none.

        A language in the metadata that is none that is known is metadata like any other.

        Raises:
            InputError: The field is not the tag of a known language.
        """
        name, value = self._first(LANGUAGE_FIELDS)
        if value is not None and not isinstance(value, str):
            raise self.error(f"field {name!r} is {type(value).__name__}, not text")
        if self.says_no_language:
            return None
        if value and value.strip():
            return StatedLanguage(language_field(value, self.path, self.line), value)
        value = self._language_in_metadata
        tag = known(value) if isinstance(value, str) else None
        return None if tag is None else StatedLanguage(tag, value)

    def no_language(self) -> InputError:
        """Return the error of a line that names no language that is known."""
        value = self._language_in_metadata
        other = "here and in 'metadata'" if value is None else f"and {value!r} in 'metadata' is no language"
        return self.error(f"field 'lang' is missing, {other}; add a BCP-47 tag, e.g. \"en\"")

    def metadata(self) -> dict[str, Any]:
        """Return what the field ``metadata`` holds and all fields that mean nothing else here, as JSON can hold them.

        An ``id`` beside an ``_id`` is such a field. Numbers that JSON has not, NaN and the infinities, become null, and
        what is of another type becomes text.

        Raises:
            InputError: A map has a key twice, or something is nested too deeply.
        """
        used = {self._first(names)[0] for names in (ID_FIELDS, LANGUAGE_FIELDS, SOURCE_FIELDS)} | {*OTHER_FIELDS}
        others = {
            name: value
            for name, value in self.values.items()
            if name not in used and (name not in DOCUMENT_FIELDS or self._value(name) is not None)
        }
        try:
            plain: dict[str, Any] = _as_json(self._metadata | others)
        except RecursionError as error:
            raise self.error("what becomes metadata is nested too deeply") from error
        return plain

    def _first(self, names: tuple[str, ...]) -> tuple[str, Any]:
        """Return the name and the value of the first of these fields that is there; None for a value if none is."""
        return next(((name, value) for name in names if (value := self._value(name)) is not None), (names[0], None))

    @property
    def _metadata(self) -> dict[str, Any]:
        """The field ``metadata``: an object, its JSON (or Python's, as pandas writes it into a CSV), or a Parquet map.

        What is nothing of these stands under its own name.
        """
        value = self._value("metadata")
        if isinstance(value, str):
            value = _parsed(value)
        if isinstance(value, list) and value and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
            names = [name for name, _ in value]
            if len(set(names)) < len(names):
                raise self.error("field 'metadata' has a key twice")
            return dict(value)
        return value if isinstance(value, dict) else {"metadata": value} if value else {}

    @property
    def _language_in_metadata(self) -> Any:
        """What the metadata says of the language: the first of the fields that names one, else what any of them has."""
        metadata = self._metadata
        values = [metadata[name] for name in LANGUAGE_FIELDS if metadata.get(name) is not None]
        return next((value for value in values if isinstance(value, str) and known(value)), next(iter(values), None))

    def _value(self, name: str) -> Any:
        """Return the value of a field; None where it is missing, null, or NaN, which pandas writes for null."""
        value = self.values.get(name)
        return None if isinstance(value, float) and math.isnan(value) else value

    def _text(self, name: str) -> str:
        value = self._value(name)
        if not isinstance(value, str | None):
            raise self.error(f"field {name!r} is {type(value).__name__}, not text")
        return cleaned(value or "")

    def _text_or_number(self, name: str, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise self.error(f"field {name!r} is {type(value).__name__}, not text")
        return None if value is None else cleaned(str(value)) or None


def read_fields(path: Path) -> Iterator[Fields]:
    """Yield the fields of each record of a file of documents or queries.

    Raises:
        InputError: As `read_records`; or it is a table whose first line names none of the fields.
    """
    for at, (line, values) in enumerate(read_records(path)):
        if at == 0 and kind_of(path) in (".csv", ".tsv") and not DOCUMENT_FIELDS & values.keys():
            raise InputError(
                "the first line names none of the fields: _id, text, title, lang ...; put it there", path, 1
            )
        yield Fields(values, path, line)


HEAD = 100
"""The number of records that say which fields a file has: a field may be empty in the first ones."""


def field_names(path: Path) -> list[str]:
    """Return the names of the fields in the first `HEAD` records of a file, in their order.

    Raises:
        InputError: As `read_records`.
    """
    return _names(values for _, values in islice(read_records(path), HEAD))


def read_document_fields(path: Path) -> Iterator[Fields]:
    """Yield the fields of each record of a file of documents.

    Raises:
        InputError: As `read_fields`; or none of the first `HEAD` records has a field ``text`` and another field than
            the title holds the text.
    """
    records = read_fields(path)
    head: list[Fields] = []
    for fields in islice(records, HEAD):
        head.append(fields)
        if "text" in fields.values:  # so that what stands before a broken line is yielded
            break
    names = _names(fields.values for fields in head)
    if "text" not in names and any(map(_has_text_elsewhere, head)):
        raise no_text_field(path, names, head[0].line)
    yield from head
    yield from records


def no_text_field(path: Path, names: Iterable[str], line: int, also: str = "") -> InputError:
    """Return the error of a file whose records are no documents.

    Args:
        path: The file.
        names: The names of the fields that its first records have.
        line: The line of its first record.
        also: What else the records might have been, in a few words.
    """
    found = list(names)
    shown = ", ".join(found[:_SHOWN]) + (" ..." if len(found) > _SHOWN else "")
    return InputError(f"no field 'text' was found, only {shown}; a document is {DOCUMENT_FORM}{also}", path, line)


_SHOWN = 10
"""The number of fields that an error names."""

DOCUMENT_FORM = '{"_id", "text"} with or without "title" and "lang"'
"""What a document looks like, for messages."""


def _names(records: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for values in records for name in values))


def _has_text_elsewhere(fields: Fields) -> bool:
    """Whether a field that means nothing here holds a longer text than the title."""
    others = [value for name, value in fields.values.items() if name not in DOCUMENT_FIELDS and isinstance(value, str)]
    title = fields.values.get("title")
    return max(map(len, others), default=0) > (len(title) if isinstance(title, str) else 0)


def _parsed(text: str) -> Any:
    """Return the object that a text is in JSON or in Python; the text itself if it is none."""
    for parse in (json.loads, ast.literal_eval) if text.lstrip().startswith("{") else ():
        try:
            value = parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return text


def _as_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {cleaned(str(name)): _as_json(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | int | None) else cleaned(str(value))


class Versions:
    """The documents, or the queries, of a corpus by their ids; no version occurs twice.

    A version is what an id stands for: the id that translations share, and a language. An id without translations
    is its own shared id.

    Args:
        kind: ``document`` or ``query``.

    Attributes:
        of: Id -> (shared id, canonical language).
        names: Canonical language -> the spelling that was met first.
        detected: The languages of lines that name none.
    """

    def __init__(self, kind: str) -> None:
        self.detected = DetectedLanguages({"document": "documents", "query": "queries"}[kind], "name it in 'lang'")
        self._shared = {"document": "content_id", "query": "query_id"}[kind]
        self._known: set[tuple[str, str]] = set()
        self.of: dict[str, tuple[str, str]] = {}
        self.names: dict[str, str] = {}

    def add(self, fields: Fields, text: str) -> tuple[str, str] | None:
        """Add the document or query of a line, whose id is new; return its shared id and its canonical language.

        Args:
            fields: The fields of the line.
            text: The text, in which the language is detected if the line names none; it may be empty.

        Returns:
            The version; None if the line says that its text has no language, or if none can be told from the text.

        Raises:
            InputError: The id is missing, the language is missing without a text or wrong, or the version occurs a
                second time.
        """
        identity, language = fields.required_id(), fields.language()
        if language is None:
            if fields.says_no_language:
                return None
            if not text:
                raise fields.no_language()
            tag = self.detected.of(text)
            if tag is None:
                return None
            language = StatedLanguage(tag, tag)
        version = fields.shared_id(self._shared) or identity, language.tag
        if version in self._known:
            first = self.names[language.tag]
            other = "" if first == language.spelling else f" ({first!r} and {language.spelling!r} are one language)"
            raise fields.error(f"{self._shared} {version[0]!r} occurs twice in {language.tag}{other}")
        self._known.add(version)
        self.of[identity] = version
        self.names.setdefault(language.tag, language.spelling)
        return version


def text_field(fields: Mapping[str, Any], name: str, path: Path, line: int | None) -> str:
    """Return the text in the field `name`.

    Raises:
        InputError: The field is missing, no text, blank, or no Unicode text.
    """
    value = fields.get(name)
    if not isinstance(value, str):
        fault = "is missing" if name not in fields else f"is {type(value).__name__}, not text"
        raise InputError(f"field {name!r} {fault}", path, line)
    if not value.strip():
        raise InputError(f"field {name!r} is empty", path, line)
    try:
        value.encode()
    except UnicodeEncodeError as error:  # no tokenizer takes it
        raise InputError(
            f"field {name!r} has half of a surrogate pair at character {error.start + 1}", path, line
        ) from error
    return value


def language_field(tag: str, path: Path, line: int | None) -> str:
    """Return the canonical spelling of a language tag.

    Raises:
        InputError: No language has that tag.
    """
    try:
        return canonical(tag)
    except IsoglotError as error:
        raise InputError(str(error), path, line) from error
