"""encoded.json: the record of how the vectors in a folder were made, and whether all of them are there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec

from isoglot.encoders.lengths import TextLengths
from isoglot.platform.errors import InputError
from isoglot.platform.files import write_text

MANIFEST = "encoded.json"


OF_CORPUS: dict[str, Any] = {"corpus": None, "texts": None, "lengths": {}, "zero": {}}
"""The fields of a record that say what was encoded, and not how: name -> what stands there before an encoding ends."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The record of a folder of shards.

    Attributes:
        model: Name of the model.
        precision: Number format of the model's computation.
        dtype: Number format in the files: ``float32`` or ``float16``.
        shard_size: Number of texts in a shard.
        threads: Number of threads of a matrix product; 0: one for each core.
        fingerprint: Fingerprint of the model.
        dimension: Number of components of a vector.
        prompts: Role -> text put before each text.
        corpus: Corpus that was encoded last; None until an encoding has ended.
        texts: Role -> number of texts of the corpus; None until an encoding has ended.
        lengths: Role -> lengths of the texts, by canonical language tag; a role of unknown lengths is missing.
        zero: Role -> number of texts of which the model knows no word, so that their vectors are zero.
    """

    model: str
    precision: str
    dtype: str
    shard_size: int
    threads: int
    fingerprint: str
    dimension: int
    prompts: dict[str, str]
    corpus: str | None = None
    texts: dict[str, int] | None = None
    lengths: dict[str, TextLengths] = {}
    zero: dict[str, int] = {}

    @property
    def digest(self) -> str:
        """SHA-256 of the record, in hex."""
        return hashlib.sha256(json.dumps(msgspec.to_builtins(self), sort_keys=True).encode()).hexdigest()

    @property
    def model_digest(self) -> str:
        """SHA-256, in hex, of all that decides the vector of a text: the record without the corpus."""
        return msgspec.structs.replace(self, **OF_CORPUS).digest

    def first_difference(self, other: Manifest) -> tuple[str, Any, Any] | None:
        """The first field that decides vectors and has two values, as (name, value here, value there)."""
        for name in self.__struct_fields__:
            here, there = getattr(self, name), getattr(other, name)
            if name not in OF_CORPUS and here != there:
                return name, here, there
        return None


def read_manifest(folder: Path) -> Manifest:
    """Read the record of a folder that ``isoglot encode`` wrote.

    Raises:
        InputError: It is missing or damaged.
    """
    path = folder / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise InputError("no such file: not a folder that `isoglot encode` wrote", path) from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"is damaged ({error}); run `isoglot encode --force` again", path) from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the record of a folder.

    Raises:
        IsoglotError: It cannot be written.
    """
    write_text(folder / MANIFEST, json.dumps(msgspec.to_builtins(manifest), indent=1) + "\n")
