"""Text files in UTF-8, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from isoglot.platform.errors import InputError
from isoglot.platform.files import os_errors_explained


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each line that is not blank, without its line end, and its number, counted from 1.

    Raises:
        InputError: The file is missing, or a line is not UTF-8.
    """
    for number, line in decoded_lines(path):
        if line.strip():
            yield number, line.rstrip("\r\n")


def decoded_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each line with its line end, and its number, counted from 1; a byte order mark is left out.

    Raises:
        InputError: The file is missing, or a line is not UTF-8.
    """
    if not path.is_file():
        raise InputError("no such file", path)
    with os_errors_explained(path, "read"), path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"byte {error.start + 1} of the line is not UTF-8; convert the file to UTF-8", path, number
                ) from error
