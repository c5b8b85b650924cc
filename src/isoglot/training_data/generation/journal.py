"""The journal: every answer that was kept, written to disk at once, so that none is paid for twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.platform.errors import InputError
from isoglot.platform.files import os_errors_explained


class Journal:
    """A file of answers by key, one JSON line each, that is only appended to; an incomplete last line is cut off.

    Args:
        path: File of the journal; created if it does not exist, and removed again if it stays empty.

    Attributes:
        path: File of the journal.
        answers: Key -> answer.

    Raises:
        IsoglotError: The file cannot be read or written, or is not a journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with os_errors_explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            self._file.seek(0)
            self._file.truncate(self._file.read().rfind(b"\n") + 1)
        self.answers: dict[str, dict[str, str]] = {}
        for number, line in read_jsonl(path):
            try:
                entry = msgspec.convert(line, _Line)
            except msgspec.ValidationError as error:
                raise InputError(f"not a line of a journal: {error}; remove the line", path, number) from error
            self.answers[entry.key] = entry.answer

    def add(self, key: str, answer: Mapping[str, str]) -> None:
        """Add an answer, in memory and on disk."""
        self.answers[key] = dict(answer)
        with os_errors_explained(self.path):
            self._file.write(msgspec.json.encode(_Line(key, self.answers[key])) + b"\n")
            self._file.flush()  # enough to survive a kill; a crash of the machine may lose the last lines

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if not self.answers:
            self.path.unlink(missing_ok=True)


class _Line(msgspec.Struct):
    key: str
    answer: dict[str, str]
