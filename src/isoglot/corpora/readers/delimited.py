"""CSV and TSV with a header."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from isoglot.corpora.readers.lines import MAX_BYTES, decoded_lines, read_lines
from isoglot.platform.errors import InputError


def read_csv(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the fields of each record, and the number of its last line; an empty cell is a field that is not there.

    A column without a name, such as pandas' index, is left out.

    Args:
        path: The file, in UTF-8, quoted as RFC 4180 says, with the names of the fields in its first line.

    Raises:
        InputError: The file is missing, a line is not UTF-8, a record is malformed or has more cells than the header,
            or two columns have the same name.
    """
    csv.field_size_limit(MAX_BYTES)
    reader = csv.reader((line for _, line in decoded_lines(path)), strict=True)
    last = 0
    try:
        header = _checked(next(reader, []), path)
        last = reader.line_num
        for cells in reader:
            last = reader.line_num
            if cells:
                yield last, _fields(header, cells, path, last)
    except csv.Error as error:
        raise InputError(f"malformed CSV: {error}", path, last + 1) from error  # after the last good line


def read_tsv(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the fields of each line and its number; an empty cell is a field that is not there.

    TSV has no quoting: a line is a record, and a quotation mark is a character like any other.

    Args:
        path: The file, in UTF-8, with the names of the fields in its first line.

    Raises:
        InputError: The file is missing, a line is not UTF-8 or has more cells than the header, or two columns have the
            same name.
    """
    lines = ((number, line.split("\t")) for number, line in read_lines(path))
    header = _checked(next(lines, (1, []))[1], path)
    for number, cells in lines:
        yield number, _fields(header, cells, path, number)


def _checked(header: Sequence[str], path: Path) -> list[str]:
    """Return the names of the columns without white space around them."""
    names = [name.strip() for name in header]
    for separator, word in {";": "semicolons", "\t": "tabs", ",": "commas"}.items() if len(names) == 1 else ():
        if separator in names[0]:
            raise InputError(
                f"the fields are separated by {word}; save it with commas as .csv, or with tabs as .tsv", path, 1
            )
    check_names(names, path, 1)
    return names


def check_names(names: Sequence[str], path: Path, line: int | None) -> None:
    """Check that no two columns of a table have the same name.

    Raises:
        InputError: Two have.
    """
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise InputError(f"two columns are named {twice[0]!r}; rename or remove one", path, line)


def _fields(header: Sequence[str], cells: Sequence[str], path: Path, line: int) -> dict[str, str]:
    if any(cells[len(header) :]):
        raise InputError(f"has {len(cells)} fields, more than the header's {len(header)}", path, line)
    return {name: cell for name, cell in zip(header, cells, strict=False) if name and cell}
