"""Reading text files line by line, with errors that name file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.files import os_errors_explained
from isoglot.platform.languages import canonical


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line that is not blank, with its number from 1, without its line end.

    Raises:
        InputError: The file is missing, or a line is not UTF-8.
    """
    if not path.is_file():
        raise InputError("no such file", path)
    with os_errors_explained(path, "read"), path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"byte {error.start + 1} of the line is not UTF-8; convert the file to UTF-8", path, number
                ) from error
            if line.strip():
                yield number, line.rstrip("\r\n")


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each JSON object of a JSON Lines file, with its line number from 1.

    Raises:
        InputError: As `read_lines`, or a line is not a JSON object.
    """
    for number, line in read_lines(path):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"malformed JSON: {error.msg} at column {error.colno}", path, number) from error
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, nesting without end
            raise InputError(f"malformed JSON: {error}", path, number) from error
        if not isinstance(row, dict):
            raise InputError(f"expected a JSON object, found {type(row).__name__}", path, number)
        yield number, row


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: The file is missing, not UTF-8 or not JSON.
    """
    lines = list(read_lines(path))
    try:
        return json.loads("\n".join(line for _, line in lines))
    except json.JSONDecodeError as error:
        number = lines[error.lineno - 1][0] if lines else None  # blank lines were left out
        raise InputError(f"malformed JSON: {error.msg}", path, number) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"malformed JSON: {error}", path) from error


def text_field(row: dict[str, Any], field: str, path: Path, line: int | None) -> str:
    """The text in `field`, which must be there and not be blank.

    Raises:
        InputError: The field is missing, no text, blank, or no Unicode text.
    """
    value = row.get(field)
    if not isinstance(value, str):
        found = "is missing" if field not in row else f"is {type(value).__name__}, not text"
        raise InputError(f"field {field!r} {found}", path, line)
    if not value.strip():
        raise InputError(f"field {field!r} is empty", path, line)
    try:
        value.encode()
    except UnicodeEncodeError as error:  # no tokenizer takes it
        raise InputError(
            f"field {field!r} has half of a surrogate pair at character {error.start + 1}", path, line
        ) from error
    return value


def language_field(tag: str, path: Path, line: int | None) -> str:
    """`tag` as a canonical language tag.

    Raises:
        InputError: No language has that tag.
    """
    try:
        return canonical(tag)
    except IsoglotError as error:
        raise InputError(str(error), path, line) from error
