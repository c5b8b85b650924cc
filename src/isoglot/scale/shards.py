"""Files of vectors: Parquet files of some thousand texts each, every one either whole or not there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isoglot.platform.errors import InputError, first_line
from isoglot.platform.files import new_file

ROLES = {"document": "documents", "query": "queries"}
COLUMNS = ["id", "content_id", "language", "vector"]
_TEXTS = b"isoglot"
_MODEL = b"isoglot-model"


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a corpus, as a shard encodes it.

    Attributes:
        id: Id that is unique in the corpus.
        content_id: Id shared by translations; the id where the corpus names none. Of a query: its query id.
        language: Canonical BCP-47 tag.
        text: The text with its title.
    """

    id: str
    content_id: str
    language: str
    text: str


def digest_of(texts: Sequence[Text]) -> str:
    """Hash everything that decides a shard except the model; returns hex digits."""
    digest = hashlib.blake2b(digest_size=16)
    for text in texts:
        digest.update(json.dumps([text.id, text.content_id, text.language, text.text]).encode())
    return digest.hexdigest()


def shard_path(folder: Path, role: str, number: int) -> Path:
    """The file of a shard, such as ``documents-000007.parquet``."""
    return folder / f"{ROLES[role]}-{number:06}.parquet"


def shard_paths(folder: Path, role: str) -> list[Path]:
    """The files of a role in the order of their shards."""
    return sorted(folder.glob(f"{ROLES[role]}-*.parquet"))


def write_shard(path: Path, texts: Sequence[Text], vectors: NDArray[Any], digest: str, model: str) -> None:
    """Write the ids, languages and vectors of texts beside `path`, then rename the file.

    Args:
        path: File to write.
        texts: n texts.
        vectors: (n, d) vectors, which keep their dtype.
        digest: Digest of the texts (see `digest_of`).
        model: Digest of all else that decides the vectors (see `Manifest.model_digest`).

    Raises:
        IsoglotError: The file cannot be written; `path` is as it was.
    """
    flat = pa.array(np.ascontiguousarray(vectors).ravel())
    table = pa.table(
        {
            "id": [text.id for text in texts],
            "content_id": [text.content_id for text in texts],
            "language": [text.language for text in texts],
            "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        }
    ).replace_schema_metadata({_TEXTS: digest.encode(), _MODEL: model.encode()})
    compression = {"id": "zstd", "content_id": "zstd"}  # vectors don't compress
    with new_file(path) as unfinished:
        pq.write_table(table, unfinished, compression=compression, write_page_checksum=True)


def is_sound(path: Path, digest: str, model: str) -> bool:
    """Whether a shard is there, is whole, was made from the texts of `digest` by `model`, and holds finite vectors."""
    try:
        table = _read(path, COLUMNS)
        vectors = _vectors(path, table)
    except (InputError, FileNotFoundError):
        return False
    metadata = table.schema.metadata or {}
    made_so = metadata.get(_TEXTS) == digest.encode() and metadata.get(_MODEL) == model.encode()
    return made_so and bool(np.isfinite(vectors).all())


def read_ids(path: Path, model: str) -> Iterator[tuple[str, str]]:
    """Read (content id, language) of each text of a shard that `model` made (see `Manifest.model_digest`).

    Raises:
        InputError: The file is damaged, or another model made it.
    """
    table = _read(path, ["content_id", "language"])
    if (table.schema.metadata or {}).get(_MODEL) != model.encode():
        raise InputError("was not made as encoded.json says; run `isoglot encode` again", path)
    return zip(table["content_id"].to_pylist(), table["language"].to_pylist(), strict=True)


def read_vectors(path: Path) -> NDArray[Any]:
    """Read the (n, d) vectors of a shard, float16 or float32.

    Raises:
        InputError: The file is damaged.
    """
    return _vectors(path, _read(path, ["vector"]))


def read_shard(path: Path) -> tuple[list[Text], NDArray[Any], str]:
    """Read all of a shard: n texts, of which ids and languages are kept, their (n, d) vectors, and `digest_of` them.

    Raises:
        InputError: The file is damaged.
    """
    table = _read(path, COLUMNS)
    columns = (table[name].to_pylist() for name in COLUMNS[:3])
    texts = [Text(id=row[0], content_id=row[1], language=row[2], text="") for row in zip(*columns, strict=True)]
    return texts, _vectors(path, table), (table.schema.metadata or {}).get(_TEXTS, b"").decode()


def _read(path: Path, columns: list[str]) -> Any:
    """Read columns of a shard as a pyarrow table and verify their checksums."""
    try:
        table = pq.read_table(path, columns=columns, page_checksum_verification=True, partitioning=None)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:  # it depends on which byte is damaged
        raise _damaged(path, first_line(error)) from error
    if table.schema.names != columns:
        raise _damaged(path, f"it has the columns {', '.join(table.schema.names)}")
    return table


def _vectors(path: Path, table: Any) -> NDArray[Any]:
    column = table["vector"].combine_chunks()
    if not pa.types.is_fixed_size_list(column.type) or not pa.types.is_floating(column.type.value_type):
        raise _damaged(path, f"its vectors are {column.type}")
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False)).reshape(-1, column.type.list_size)


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(f"is damaged ({reason}); run `isoglot encode` again", path)
