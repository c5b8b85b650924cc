"""CSV and TSV with a header."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from isoglot.corpora.readers.lines import decoded_lines
from isoglot.platform.errors import InputError

_SURPLUS = ""
"""The key of the cells beyond the fields of the header."""


def read_delimited(
    path: Path, *, delimiter: str = ",", required: str | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the fields of each record, and the number of its last line; an empty cell is a field that is not there.

    Args:
        path: The file, in UTF-8, quoted as RFC 4180 says, with the names of the fields in its first line.
        delimiter: The character between two cells.
        required: The name of a field that the header must have.

    Raises:
        InputError: The file is missing, a line is not UTF-8, a record is malformed or has more cells than the header,
            or the header lacks the required field.
    """
    csv.field_size_limit(2**31 - 1)
    lines = (line for _, line in decoded_lines(path))
    reader = csv.DictReader(lines, delimiter=delimiter, restkey=_SURPLUS, strict=True)
    try:
        header = reader.fieldnames or []
        if required is not None and required not in header:
            raise InputError(f"the header has no field {required!r}; it has {', '.join(header) or 'nothing'}", path, 1)
        for record in reader:
            if _SURPLUS in record:
                raise InputError(f"has more fields than the header's {len(header)}", path, reader.line_num)
            yield reader.line_num, {name: cell for name, cell in record.items() if cell}
    except csv.Error as error:
        raise InputError(f"malformed CSV: {error}", path, reader.line_num + 1) from error  # after the last good line
