"""Checks of the fields of a line, with errors that name file, line and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.languages import canonical


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
