"""ranks.npz: the gold ranks of every query of an audit, which comparisons need."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isoglot.platform.arrays import Bools, Floats, Ints
from isoglot.platform.errors import IsoglotError, first_line, raised_by_isoglot
from isoglot.platform.files import os_errors_explained

if TYPE_CHECKING:
    from isoglot.evaluation.results import ScenarioResult

_GOLD_ARRAYS = ("gold_ranks", "gold_languages", "gold_tied")
_KINDS = {
    "query_ids": "U",
    "contents": "U",
    "gold_ranks": "iu",
    "gold_languages": "iu",
    "gold_tied": "b",
    "top_languages": "i",
    "grades": "f",
    "lesser_ranks": "iu",
}
"""Name of an array -> numpy's letters for what its elements may be."""

_CORRELATION = "mrc@"
"""What the names of arrays of `Judged.correlations` begin with; K follows."""

_DIGEST = "audit"
"""The name of the array that holds the digest of audit.json; older audits have none."""


@dataclass(frozen=True, kw_only=True)
class StoredRanks:
    """The arrays of one result, for its q queries of at most g golds.

    Attributes:
        query_ids: Ids of the q queries.
        contents: The content that each query asks about; empty where the audit is older.
        gold_ranks: (q, g) as `Judged.ranks`.
        gold_languages: (q, g) as `Judged.languages`.
        gold_tied: (q, g) as `Judged.tied`.
        top_languages: (q,) as `Judged.top_languages`; None where the audit is older.
        correlations: K -> (q,) as `Judged.correlations`.
        grades: (q, g) as `Judged.grades`.
        lesser_ranks: (q, g) as `Judged.lesser_ranks`.
    """

    query_ids: tuple[str, ...]
    contents: tuple[str, ...]
    gold_ranks: Ints
    gold_languages: Ints
    gold_tied: Bools
    top_languages: Ints | None = None
    correlations: Mapping[int, Floats] = field(default_factory=dict)
    grades: Floats | None = None
    lesser_ranks: Ints | None = None


def pack_ranks(results: Sequence[ScenarioResult], digest: str) -> bytes:
    """Return the bytes of a compressed .npz of the ranks that `results` have.

    Its arrays are named NUMBER/NAME; `digest`, the SHA-256 of audit.json in hex, is one of its own.
    """
    arrays: dict[str, NDArray[Any]] = {_DIGEST: np.array(digest)}
    for number, result in enumerate(results):
        if result.judged is not None:
            arrays[f"{number}/query_ids"] = np.array(result.query_ids)
            if result.contents:
                arrays[f"{number}/contents"] = np.array(result.contents)
            arrays[f"{number}/gold_ranks"] = result.judged.ranks.astype(np.int32)
            arrays[f"{number}/gold_languages"] = result.judged.languages.astype(np.int16)
            arrays[f"{number}/gold_tied"] = result.judged.tied
            if result.judged.top_languages is not None:
                arrays[f"{number}/top_languages"] = result.judged.top_languages.astype(np.int16)
            if result.judged.grades is not None:
                arrays[f"{number}/grades"] = result.judged.grades
            if result.judged.lesser_ranks is not None:
                arrays[f"{number}/lesser_ranks"] = result.judged.lesser_ranks.astype(np.int32)
            for k, values in result.judged.correlations.items():
                arrays[f"{number}/{_CORRELATION}{k}"] = values
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read_ranks(path: Path, digest: str) -> dict[int, StoredRanks]:
    """Read the number of each result that has ranks -> its ranks; empty if there is no file.

    Args:
        path: The file.
        digest: The SHA-256 of the audit.json beside it, in hex.

    Raises:
        IsoglotError: The file cannot be read, is damaged (the message says which array is wrong), or was written with
            another audit.json.
    """
    if not path.is_file():
        return {}
    with os_errors_explained(path, "read"):
        content = path.read_bytes()
    try:
        written_with, by_result = _unpacked(content)
        if written_with not in (None, digest):
            raise IsoglotError(f"{path}: is not of the audit.json beside it, or that was changed; make the audit again")
        return {number: _checked(number, arrays) for number, arrays in by_result.items()}
    except Exception as error:
        if raised_by_isoglot(error) and not isinstance(error, ValueError):
            raise
        raise IsoglotError(f"{path}: is damaged: {first_line(error)}; make the audit again") from error


def _unpacked(content: bytes) -> tuple[str | None, dict[int, dict[str, NDArray[Any]]]]:
    """The digest, and result number -> name -> array, out of the bytes of a .npz."""
    digest = None
    by_result: dict[int, dict[str, NDArray[Any]]] = {}
    with zipfile.ZipFile(io.BytesIO(content)):  # np.load reads other files too, and returns other types then
        pass
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        for key in archive.files:
            array = archive[key]
            if not isinstance(array, np.ndarray):  # np.load returns the bytes of what is no array
                raise ValueError(f"{key} is no array")
            if key == _DIGEST:
                digest = str(array)
            else:
                number, name = key.split("/")
                by_result.setdefault(int(number), {})[name] = array
    return digest, by_result


def _checked(number: int, arrays: Mapping[str, NDArray[Any]]) -> StoredRanks:
    """The arrays of one result.

    Raises:
        ValueError: One is missing, or its shape does not fit the others.
    """
    for name in ("query_ids", *_GOLD_ARRAYS):
        if name not in arrays:
            raise ValueError(f"the array {number}/{name} is missing")
    for name, kinds in _KINDS.items():
        if name in arrays and arrays[name].dtype.kind not in kinds:
            raise ValueError(f"the array {number}/{name} holds {arrays[name].dtype}")
    query_ids = tuple(map(str, arrays["query_ids"].reshape(-1)))
    shape = arrays["gold_ranks"].shape
    if len(shape) != 2 or shape[0] != len(query_ids):
        raise ValueError(f"{number}/gold_ranks has the shape {shape}, with {len(query_ids)} queries")
    contents = tuple(map(str, arrays["contents"].reshape(-1))) if "contents" in arrays else ()
    if contents and len(contents) != len(query_ids):
        raise ValueError(f"{number}/contents has {len(contents)} entries, with {len(query_ids)} queries")
    of_queries = ["top_languages", *(name for name in arrays if name.startswith(_CORRELATION))]
    expected = dict.fromkeys((*_GOLD_ARRAYS, "grades", "lesser_ranks"), shape) | dict.fromkeys(of_queries, shape[:1])
    for name in expected.keys() & arrays.keys():
        if arrays[name].shape != expected[name]:
            raise ValueError(f"{number}/{name} has the shape {arrays[name].shape}, with {len(query_ids)} queries")
    top_languages, lesser_ranks = arrays.get("top_languages"), arrays.get("lesser_ranks")
    return StoredRanks(
        query_ids=query_ids,
        contents=contents,
        gold_ranks=arrays["gold_ranks"].astype(np.int64),
        gold_languages=arrays["gold_languages"].astype(np.int64),
        gold_tied=arrays["gold_tied"],
        top_languages=None if top_languages is None else top_languages.astype(np.int64),
        correlations={
            int(name.removeprefix(_CORRELATION)): values.astype(np.float64)
            for name, values in arrays.items()
            if name.startswith(_CORRELATION)
        },
        grades=arrays.get("grades"),
        lesser_ranks=None if lesser_ranks is None else lesser_ranks.astype(np.int64),
    )
