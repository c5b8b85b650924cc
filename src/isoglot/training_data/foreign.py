"""Rows as other tools write them: sentence-transformers, FlagEmbedding, and MIRACL with Tevatron.

Such rows name no language, so the user names it or it is detected text by text. They become a row of isoglot's for each
positive. Their negatives are counted and not read: training mines its own, which are equal over languages
(`isoglot.alignment.training.negatives`).
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from isoglot.corpora.detected import DetectedLanguages
from isoglot.corpora.left_out import UNKNOWN_LANGUAGE, LeftOut
from isoglot.platform.errors import InputError
from isoglot.platform.text import cleaned

log = logging.getLogger("isoglot")

FORMS = (
    'isoglot\'s own {"content_id", "query": {LANGUAGE: TEXT}, "document": {LANGUAGE: TEXT}}, sentence-transformers\' '
    '{"anchor", "positive"}, FlagEmbedding\'s {"query", "pos"}, MIRACL\'s {"query", "positive_passages"}'
)
"""The forms of rows that are read, for messages."""

_WITHOUT_POSITIVE = "rows without a question or a positive text"


class _Form(NamedTuple):
    """The names of the fields that hold the question, the positives and the negatives."""

    query: str
    positives: str
    negatives: str


_FORMS = (
    _Form("anchor", "positive", "negative"),
    _Form("query", "positive", "negative"),
    _Form("query", "pos", "neg"),
    _Form("query", "positive_passages", "negative_passages"),
)
_ROW_FIELDS = frozenset(("query", "document", *(name for form in _FORMS for name in form)))


def may_be_row(names: Iterable[str]) -> bool:
    """Return whether any of these is the name of a field that rows have and documents have not."""
    return not _ROW_FIELDS.isdisjoint(names)


class ForeignRows:
    """Makes rows of those of other tools, and counts what it finds.

    A line with a question alone is in the form of the line before it, without a positive.

    Args:
        path: The file, for messages.
        query_language: Canonical tag of all questions; None: it is detected.
        document_language: Canonical tag of all documents; None: it is detected.
        left_out: Counts rows without a question or a positive, and texts whose language cannot be told.
    """

    def __init__(
        self, path: Path, query_language: str | None, document_language: str | None, left_out: LeftOut
    ) -> None:
        self._path, self._left_out = path, left_out
        self._languages = {"query": query_language, "document": document_language}
        self._detected = {
            "query": DetectedLanguages("queries", "name it with --query-language"),
            "document": DetectedLanguages("documents", "name it with --document-language"),
        }
        self._form: _Form | None = None
        self._negatives = 0

    def rows(self, fields: Mapping[str, Any], line: int) -> Iterator[dict[str, Any]] | None:
        """Return the fields of a row for each positive of a line; None if the line is in no form that is known here.

        Raises:
            InputError: A positive is no text.
        """
        form = self._form_of(fields)
        if form is None or not isinstance(fields.get(form.query, ""), str):
            return None
        self._form = form
        return self._rows(form, fields, line)

    def _form_of(self, fields: Mapping[str, Any]) -> _Form | None:
        """Return the form of a line, in which the question or the positives may be missing: nulls are left out."""
        for form in _FORMS:
            if {form.query, form.positives} <= fields.keys():
                return form
        for form in _FORMS:
            if (set(form) - {"query"}) & fields.keys():
                return form
        return None if "document" in fields else self._form

    def say(self) -> None:
        """Say on standard error which languages were detected, and how many negatives were not read."""
        for detected in self._detected.values():
            detected.warn(self._path)
        if self._negatives:
            log.warning("%s: %d negatives are not read; training mines its own", self._path, self._negatives)

    def _rows(self, form: _Form, fields: Mapping[str, Any], line: int) -> Iterator[dict[str, Any]]:
        negatives = [value for name, value in fields.items() if re.fullmatch(rf"{form.negatives}(_\d+)?", name)]
        self._negatives += sum(len(value) if isinstance(value, list) else value is not None for value in negatives)
        query = cleaned(fields.get(form.query, ""))
        stated = fields.get(form.positives)
        listed = stated if isinstance(stated, list) else [stated]
        positives = [self._text(positive, form, line) for positive in listed if positive is not None]
        if not query or not any(text for _, text in positives):
            self._left_out.add(_WITHOUT_POSITIVE, self._path, line)
            return
        asked_in = self._language("query", query)
        for identity, text in positives:
            tag = self._language("document", text) if text else None
            if asked_in is None or tag is None:
                self._left_out.add(UNKNOWN_LANGUAGE, self._path, line)
                continue
            content = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
            name = f"{tag}:{identity or f'text-{content}'}"
            yield {"content_id": name, "query": {asked_in: query}, "document": {tag: text}}

    def _text(self, positive: Any, form: _Form, line: int) -> tuple[str, str]:
        """Return the id, which may be empty, and the text of a positive."""
        identity, title, text = "", "", positive
        if isinstance(positive, Mapping):
            identity, title, text = (positive.get(name) or "" for name in ("docid", "title", "text"))
        if not isinstance(text, str) or not isinstance(title, str):
            raise InputError(f"field {form.positives!r} holds {type(text).__name__}, not text", self._path, line)
        return cleaned(str(identity)), f"{cleaned(title)}\n{cleaned(text)}".strip()

    def _language(self, role: str, text: str) -> str | None:
        return self._languages[role] or self._detected[role].of(text)
