"""checksums.json: the length and CRC-32 of files that isoglot wrote, by which damage is found."""

from __future__ import annotations

import zlib
from pathlib import Path

import msgspec

CHECKSUMS = "checksums.json"
_BLOCK = 2**20


class Checksum(msgspec.Struct, frozen=True, array_like=True):
    """The length of a file in bytes, and the CRC-32 of its content, which finds chance damage but no forgery."""

    size: int
    crc: int


def checksum_of(path: Path) -> Checksum:
    """Read a file and return its checksum."""
    size = crc = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            size, crc = size + len(block), zlib.crc32(block, crc)
    return Checksum(size, crc)


def parse_checksums(data: bytes) -> dict[str, Checksum]:
    """Return the name of each file -> its checksum, from the bytes of a checksums.json.

    Raises:
        msgspec.MsgspecError: It is damaged.
    """
    return msgspec.json.decode(data, type=dict[str, Checksum])


def write_checksums(folder: Path) -> None:
    """Write the checksums of all files in a folder that is complete and not yet in its place."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    checksums = {path.relative_to(folder).as_posix(): checksum_of(path) for path in files}
    (folder / CHECKSUMS).write_bytes(msgspec.json.encode(checksums))


def damaged_file(folder: Path) -> str | None:
    """Return the name of a file in a folder that is not as `write_checksums` recorded it; None if all are.

    Where the record itself is missing or damaged, it is the record.
    """
    try:
        recorded = parse_checksums((folder / CHECKSUMS).read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return CHECKSUMS
    for name, entry in recorded.items():
        try:
            if checksum_of(folder / name) != entry:
                return name
        except OSError:
            return name
    return None
