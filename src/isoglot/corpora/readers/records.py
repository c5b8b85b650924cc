"""Files of records, one format a reader: JSON Lines, CSV, TSV, Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from isoglot.corpora.readers.delimited import read_csv, read_tsv
from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.corpora.readers.lines import kind_of
from isoglot.corpora.readers.parquet import read_parquet
from isoglot.platform.errors import InputError

READERS_OF_RECORDS: dict[str, Callable[[Path], Iterator[tuple[int, dict[str, Any]]]]] = {
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
}
"""Suffix -> the reader of files that hold a record a line."""


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each record of a file, counted from 1, and its fields; the name's suffix is the format.

    Raises:
        InputError: The file is missing, of an unknown format or damaged; the message has the line.
    """
    reader = READERS_OF_RECORDS.get(kind_of(path))
    if reader is None:
        raise InputError(f"unknown kind of file; known are {' '.join(READERS_OF_RECORDS)}", path)
    return reader(path)
