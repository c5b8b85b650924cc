"""Files of vectors: Parquet files of some thousand texts each, every one either whole or not there."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from isoglot.encoders.lengths import LengthSums
from isoglot.platform.errors import InputError, first_line
from isoglot.platform.extras import needs
from isoglot.platform.files import new_file

if TYPE_CHECKING:
    import pyarrow as pa

ROLES = {"document": "documents", "query": "queries"}
COLUMNS = ["id", "content_id", "language", "vector"]
_TEXTS = b"isoglot"
_MODEL = b"isoglot-model"
_CHECKSUMS = b"isoglot-checksums"
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
    """The files of a role in the order of their shards; a file that no shard is called is none of them."""
    name = re.compile(rf"{ROLES[role]}-(\d{{6}}|[1-9]\d{{6,}})\.parquet")
    numbered = [(int(match[1]), path) for path in folder.glob("*") if (match := name.fullmatch(path.name))]
    return [path for _, path in sorted(numbered)]


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
    with needs("writing Parquet", "files"):
        import pyarrow as pa
        import pyarrow.parquet as pq
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
    checksums = {name: _checksum(table[name]) for name in COLUMNS} | {"counts": zlib.crc32(counted)}
    metadata = {
        _TEXTS: digest.encode(),
        _MODEL: model.encode(),
        _COUNTS: counted,
        _CHECKSUMS: json.dumps(checksums).encode(),
    }
    table = table.replace_schema_metadata(metadata)
    compression = {"id": "zstd", "content_id": "zstd"}  # vectors don't compress
    with new_file(path) as unfinished:
        pq.write_table(table, unfinished, compression=compression, write_page_checksum=True)


def is_sound(path: Path, digest: str, model: str) -> bool:
    """Whether a shard is there, is whole, was made from the texts of `digest` by `model`, and holds finite vectors."""
    try:
        table = _read(path, COLUMNS)
        vectors = _vectors(table["vector"])
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
    table = _read(path, ["id", "content_id", "language"])
    if (table.schema.metadata or {}).get(_MODEL) != model.encode():
        raise InputError("was not made as encoded.json says; run `isoglot encode` again", path)
    return zip(table["content_id"].to_pylist(), table["language"].to_pylist(), strict=True)


def read_counts(path: Path) -> ShardCounts:
    """Read what was counted while a shard was encoded.

    Raises:
        InputError: The file is damaged.
    """
    return _counts(path, _read(path, ["language"]).schema.metadata)


def read_vectors(path: Path) -> NDArray[Any]:
    """Read the (n, d) vectors of a shard, float16 or float32.

    Raises:
        InputError: The file is damaged.
    """
    return _vectors(_read(path, ["vector"])["vector"])


def read_shard(path: Path) -> tuple[list[Text], NDArray[Any], str, ShardCounts]:
    """Read all of a shard.

    Returns:
        Its n texts, of which ids and languages are kept; their (n, d) vectors; `digest_of` them; and what was counted.

    Raises:
        InputError: The file is damaged.
    """
    table = _read(path, COLUMNS)
    columns = (table[name].to_pylist() for name in COLUMNS[:3])
    texts = [Text(id=row[0], content_id=row[1], language=row[2], text="") for row in zip(*columns, strict=True)]
    metadata = table.schema.metadata
    return texts, _vectors(table["vector"]), metadata.get(_TEXTS, b"").decode(), _counts(path, metadata)


def _read(path: Path, columns: list[str]) -> Any:
    """Read columns of a shard as a pyarrow table and verify their checksums.

    Parquet's own are of pages alone; what the footer says of them (where they lie, of which type they are) has none.
    """
    with needs("reading Parquet", "files"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    try:
        table = pq.read_table(path, columns=columns, page_checksum_verification=True, partitioning=None)
        recorded = json.loads((table.schema.metadata or {})[_CHECKSUMS])
        wrong = [name for name in columns if _checksum(table[name]) != recorded[name]]
    except FileNotFoundError:
        raise
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException) as error:  # by the byte that is damaged
        raise _damaged(path, first_line(error)) from error
    if wrong:
        raise _damaged(path, f"{', '.join(wrong)}: not as it was written")
    return table


def _checksum(column: pa.ChunkedArray) -> int:
    """The CRC-32 of a column's values, and of the shape and type of vectors."""
    import pyarrow as pa

    if not pa.types.is_fixed_size_list(column.type):
        return zlib.crc32(json.dumps(column.to_pylist()).encode())
    vectors = _vectors(column)
    return zlib.crc32(vectors.tobytes(), zlib.crc32(f"{vectors.dtype} {vectors.shape}".encode()))


def _vectors(column: pa.ChunkedArray) -> NDArray[Any]:
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat).reshape(-1, column.type.list_size)


def _counts(path: Path, metadata: Mapping[bytes, bytes]) -> ShardCounts:
    """What was counted; the metadata are those of a shard that was read, so its checksums are there."""
    counted = metadata.get(_COUNTS, b"")
    if zlib.crc32(counted) != json.loads(metadata[_CHECKSUMS]).get("counts"):
        raise _damaged(path, "its counts do not match their checksum")
    return msgspec.json.decode(counted, type=ShardCounts)


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(f"is damaged ({reason}); run `isoglot encode` again", path)
