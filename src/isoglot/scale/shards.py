"""Files of vectors: Parquet files of some thousand texts each, every one either whole or not there."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isoglot.encoders.lengths import LengthSums
from isoglot.platform.errors import InputError, first_line
from isoglot.platform.files import new_file

ROLES = {"document": "documents", "query": "queries"}
COLUMNS = ["id", "content_id", "language", "vector"]
_TEXTS = b"isoglot"
_MODEL = b"isoglot-model"
_COUNTS = b"isoglot-counts"


class ShardCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What is counted while a shard is encoded.

    Attributes:
        zero: Number of texts of which the model knows no word, so that their vectors are zero.
        limit: Number of tokens at which texts are cut; None: at none.
        lengths: Language -> sums of its texts' lengths; None where the model's tokens are not known.
    """

    zero: int = 0
    limit: int | None = None
    lengths: dict[str, LengthSums] | None = None


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


def write_shard(
    path: Path, texts: Sequence[Text], vectors: NDArray[Any], digest: str, model: str, counts: ShardCounts
) -> None:
    """Write the ids, languages and vectors of texts beside `path`, then rename the file.

    Args:
        path: File to write.
        texts: n texts.
        vectors: (n, d) vectors, which keep their dtype.
        digest: Digest of the texts (see `digest_of`).
        model: Digest of all else that decides the vectors (see `Manifest.model_digest`).
        counts: What was counted.

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
    )
    counted = msgspec.json.encode(counts)
    metadata = {_TEXTS: digest.encode(), _MODEL: model.encode(), _COUNTS: _checksum(counted) + counted}
    table = table.replace_schema_metadata(metadata)
    compression = {"id": "zstd", "content_id": "zstd"}  # vectors don't compress
    with new_file(path) as unfinished:
        pq.write_table(table, unfinished, compression=compression, write_page_checksum=True)


def is_sound(path: Path, digest: str, model: str) -> bool:
    """Whether a shard is there, is whole, was made from the texts of `digest` by `model`, and holds finite vectors."""
    try:
        table = _read(path, COLUMNS)
        vectors = _vectors(path, table)
        _counts(path, table.schema.metadata)
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


def read_counts(path: Path) -> ShardCounts:
    """Read what was counted while a shard was encoded; nothing was before isoglot counted.

    Raises:
        InputError: The file is damaged.
    """
    return _counts(path, _read(path, ["language"]).schema.metadata)


def read_vectors(path: Path) -> NDArray[Any]:
    """Read the (n, d) vectors of a shard, float16 or float32.

    Raises:
        InputError: The file is damaged.
    """
    return _vectors(path, _read(path, ["vector"]))


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


def _counts(path: Path, metadata: Mapping[bytes, bytes] | None) -> ShardCounts:
    counted = (metadata or {}).get(_COUNTS)
    if counted is None:
        return ShardCounts()
    if counted[:8] != _checksum(counted[8:]):
        raise _damaged(path, "its counts do not match their checksum")
    return msgspec.json.decode(counted[8:], type=ShardCounts)


def _checksum(data: bytes) -> bytes:
    return b"%08x" % zlib.crc32(data)


def _vectors(path: Path, table: Any) -> NDArray[Any]:
    column = table["vector"].combine_chunks()
    if not pa.types.is_fixed_size_list(column.type) or not pa.types.is_floating(column.type.value_type):
        raise _damaged(path, f"its vectors are {column.type}")
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False)).reshape(-1, column.type.list_size)


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(f"is damaged ({reason}); run `isoglot encode` again", path)
