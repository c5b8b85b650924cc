"""The folder of a transform: transform.json, transform.safetensors, and a README with the lines that apply it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from isoglot.platform.errors import IsoglotError, first_line
from isoglot.platform.files import expanded, new_folder, os_errors_explained, write_text
from isoglot.transforms.readme import readme
from isoglot.transforms.transform import SCHEMA, Transform, TransformRecord

RECORD, ARRAYS = "transform.json", "transform.safetensors"


def save_transform(transform: Transform, folder: str | Path, *, force: bool = False) -> Path:
    """Write a transform to a folder of its own.

    Args:
        transform: The transform.
        folder: The folder; it must not exist.
        force: Whether a folder that holds a transform is replaced.

    Returns:
        The folder.

    Raises:
        IsoglotError: The folder is taken or cannot be written.
    """
    from safetensors.numpy import save

    record = msgspec.structs.replace(transform.record, sha256=transform.digest)
    with new_folder(Path(folder), replaces=RECORD if force else None) as target:
        (target / ARRAYS).write_bytes(save(transform.tensors))
        write_text(target / RECORD, msgspec.json.format(msgspec.json.encode(record), indent=1).decode() + "\n")
        write_text(target / "README.md", readme(transform))
    return Path(folder)


def is_transform(folder: str | Path) -> bool:
    """Return whether a folder holds a transform."""
    return (expanded(folder) / RECORD).is_file()


def split_transform(name: str) -> tuple[str, str | None]:
    """Split ``MODEL+DIR`` at the folder of a transform; the folder is None where the name ends with none.

    Both may have a ``+`` in their names.
    """
    parts = name.split("+")
    for at in range(1, len(parts)):
        if is_transform(folder := "+".join(parts[at:])):
            return "+".join(parts[:at]), folder
    return name, None


def load_transform(folder: str | Path) -> Transform:
    """Read what `save_transform` wrote.

    Raises:
        IsoglotError: There is none, or it is damaged or of another schema; the message names the file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    place = expanded(folder)
    with os_errors_explained(place / RECORD, "read"):
        text = (place / RECORD).read_bytes()
    with os_errors_explained(place / ARRAYS, "read"):
        tensors = (place / ARRAYS).read_bytes()
    try:
        record = msgspec.json.decode(text, type=TransformRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise IsoglotError(f"{place / RECORD}: is damaged: {first_line(error)}; fit the transform again") from error
    if record.schema != SCHEMA:
        raise IsoglotError(f"{place / RECORD}: has the schema {record.schema!r}; this isoglot reads {SCHEMA!r}")
    try:
        transform = Transform(record=record, **load(tensors))
    except (SafetensorError, TypeError, ValueError, KeyError) as error:
        raise IsoglotError(f"{place / ARRAYS}: is damaged: {first_line(error)}; fit the transform again") from error
    if transform.digest != record.sha256:
        raise IsoglotError(f"{place}: {RECORD} or {ARRAYS} is damaged, or they are of two transforms; fit it again")
    return transform
