"""What readers leave out: counted, said once, and an error where a user wants none of it."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

from isoglot.platform.errors import InputError
from isoglot.platform.text import cleaned

log = logging.getLogger("isoglot")

BESIDE_THE_CORPUS = "files beside the corpus of a collection, such as queries and qrels"
DOCUMENTS_WITHOUT_TEXT = "documents without text (field 'text' or 'title')"
FILES_WITHOUT_TEXT = "files without text"
LINKS_OUT = "links that lead out of the folder or nowhere"
UNREADABLE_FILES = "files that cannot be read, or not to their end"
TOO_MUCH = "files that are too large or nested too deeply, or take too long to read"
REPEATED_DOCUMENTS = "documents with the id of an earlier one, or its text if they have no id"
REPEATED_QUERIES = "queries with the id of an earlier one"
REPEATED_SENTENCES = "rows with a sentence of an earlier row"
ROWS_WITHOUT_ID = "rows without an id"
SPECIAL_FILES = "pipes, sockets and devices"
UNREADABLE_NAMES = "files whose names are not UTF-8"
QUERIES_WITHOUT_TEXT = "queries without text"
UNKNOWN_LANGUAGE = "texts whose language cannot be told (name it in a field 'lang' or with --language)"
UNKNOWN_WORDS = "passages of which a model knows no word"
UNKNOWN_DOCUMENTS = "judgements of documents that the corpus lacks"
UNKNOWN_IN_RUN = "lines of the run with documents that are not known"
UNPAIRED_ROWS = "rows with a sentence in fewer than two languages"
UNKNOWN_QUERIES = "judgements of queries that the collection lacks"


class LeftOut:
    """Counts of what a reader leaves out, by kind.

    Args:
        strict: Whether the first that would be left out is an error.

    Attributes:
        strict: As given.
    """

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(
        self, kind: str, path: Path | str, line: int | None = None, reason: str = "", *, rightly: bool = False
    ) -> None:
        """Count something that is left out.

        Args:
            kind: What it is, in the plural, as a note says it.
            path: The file in which it stands; of what is in no file, its id.
            line: The number of the line, counted from 1; None when the whole file is meant.
            reason: Why it is left out, where the kind does not say it.
            rightly: Whether it does not belong to what is read, so that a strict reader does not refuse it.

        Raises:
            InputError: The reader is strict.
        """
        if self.strict and not rightly:
            raise InputError(f"--strict refuses {kind}; mend it, or leave --strict out to go on without", path, line)
        self._counts[kind] += 1
        name = path if isinstance(path, str) else path.name
        name = cleaned(name.encode(errors="backslashreplace").decode())
        place = name if line is None else f"{name}:{line}"
        self._first.setdefault(kind, f"{place} ({reason})" if reason else place)

    @property
    def note(self) -> str:
        """One sentence with all counts, for a result; empty if nothing was left out."""
        parts = [f"{kind}: {count}, first in {self._first[kind]}" for kind, count in self._counts.items()]
        return f"left out: {'; '.join(parts)}" if parts else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """The note as the notes of a collection: one or none."""
        return (self.note,) if self.note else ()

    def warn(self, name: str) -> None:
        """Say on standard error what was left out of the corpus or collection `name`."""
        if self.note:
            log.warning("%s: %s", name, self.note)
