"""Bytes and lines of files, of which those that are compressed with gzip are read as what is inside."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from isoglot.platform.errors import InputError
from isoglot.platform.files import os_errors_explained

MAX_BYTES = 64 * 2**20
"""The most that is read of one line, one cell, or one file that is a document: decompressed, a small file may be huge.
"""
_GZIP = b"\x1f\x8b"
_NOT_READ = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}
"""First bytes of a file -> the compression that isoglot does not read."""
_WORD = re.compile(r"[^ \t\r\n]+")


def kind_of(path: Path) -> str:
    """Return the suffix of a file's name in lower case, that of the content where the name ends in ``.gz``."""
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()


def or_gzipped(path: Path) -> Path:
    """Return `path`, or the file of that name with ``.gz`` where only that is there."""
    gzipped = path.with_name(path.name + ".gz")
    return gzipped if gzipped.is_file() and not path.is_file() else path


def words(line: str) -> list[str]:
    """Return what stands between spaces and tabs, as trec_eval reads it: an id may hold Unicode's other spaces."""
    return _WORD.findall(line)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading bytes, decompressed if it is a gzip file, whatever its name.

    Raises:
        InputError: The file is missing, or what is compressed in it is damaged.
        IsoglotError: The file cannot be read.
    """
    if not path.is_file():
        raise InputError("no such file", path)
    with os_errors_explained(path, "read"):
        try:
            with path.open("rb") as file:
                compressed = file.read(len(_GZIP)) == _GZIP
                file.seek(0)
                if not compressed:
                    yield file
                    return
                with gzip.open(file) as content:
                    yield cast(BinaryIO, content)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"cannot be decompressed: {error}", path) from error


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
        InputError: The file is missing, or a line is not UTF-8 or longer than `MAX_BYTES`.
    """
    with opened(path) as file:
        for number, raw in enumerate(iter(lambda: file.readline(MAX_BYTES + 1), b""), start=1):
            if len(raw) > MAX_BYTES:
                raise InputError(f"the line is longer than {MAX_BYTES // 2**20} MiB; split it", path, number)
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                if number == 1 and "\r" in line.rstrip("\r\n"):
                    raise InputError("lines end in carriage returns alone; convert their ends to line feeds", path, 1)
                yield number, line
            except UnicodeDecodeError as error:
                for magic, name in _NOT_READ.items() if number == 1 else ():
                    if raw.startswith(magic):
                        raise InputError(f"is compressed with {name}; decompress it, or use gzip", path) from error
                raise InputError(
                    f"byte {error.start + 1} of the line is not UTF-8; convert the file to UTF-8", path, number
                ) from error
