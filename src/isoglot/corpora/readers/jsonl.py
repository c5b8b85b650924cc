"""JSON Lines, and whole JSON files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isoglot.corpora.readers.lines import read_lines
from isoglot.platform.errors import InputError


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the fields of each line of a JSON Lines file, and its number, counted from 1; blank lines are skipped.

    Raises:
        InputError: The file is missing, a line is not UTF-8 or not a JSON object, or an object has a key twice.
    """
    for number, line in read_lines(path):
        try:
            fields = _parsed(line)
        except json.JSONDecodeError as error:
            raise InputError(f"malformed JSON: {error.msg} at column {error.colno}", path, number) from error
        except (ValueError, RecursionError) as error:  # thousands of digits, endless nesting, a key twice
            raise InputError(f"malformed JSON: {error}", path, number) from error
        if not isinstance(fields, dict):
            raise InputError(f"expected a JSON object, found {type(fields).__name__}", path, number)
        yield number, fields


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        InputError: The file is missing, not UTF-8 or not JSON, or an object has a key twice.
    """
    lines = list(read_lines(path))
    try:
        return _parsed("\n".join(line for _, line in lines))
    except json.JSONDecodeError as error:
        number = lines[error.lineno - 1][0] if lines else None  # blank lines were skipped
        raise InputError(f"malformed JSON: {error.msg}", path, number) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"malformed JSON: {error}", path) from error


def _parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {twice!r} occurs twice")
    return fields
