"""JSON and JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isoglot.corpora.readers.lines import read_lines
from isoglot.platform.errors import InputError


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
