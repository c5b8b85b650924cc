"""`apply`: change stored vectors by a transform, a block at a time; a run that was interrupted goes on where it was."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from isoglot.corpora.readers.lines import read_lines
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.files import check_replaceable, locked, os_errors_explained, write_text
from isoglot.platform.progress import progress
from isoglot.scale.arrays import array_paths, check_named, read_array
from isoglot.scale.manifest import MANIFEST, read_manifest, write_manifest
from isoglot.scale.shards import ROLES, is_sound, read_shard, read_vectors, shard_paths, write_shard
from isoglot.transforms.transform import Transform

BLOCK = 8192
"""Vectors that are changed at once: 32 MiB of 1,024 dimensions."""
SAMPLE = 1000
"""Documents by which vectors of another model are told."""
RECORD = "applied.json"
"""What marks a folder of changed vectors, and says how it was made."""

Vectors = NDArray[Any]
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Applied:
    """What a run of `apply_transform` has left in its folder.

    Attributes:
        vectors: Number of vectors, by role.
        kept: Number of those that were there from an earlier run.
    """

    vectors: dict[str, int]
    kept: int


def apply_transform(
    transform: Transform,
    source: Path,
    output: Path,
    *,
    name: str,
    force: bool = False,
    show_progress: bool = False,
) -> Applied:
    """Write the vectors of a folder, changed by a transform, to another folder of the same form and dtype.

    Memory is that of one block. A run that was killed is continued by the same call, at its last block or shard.

    Args:
        transform: Changes the vectors.
        source: A folder as for ``vectors:DIR``: two arrays with their ids, or what ``isoglot encode`` wrote.
        output: The folder to write.
        name: What the record calls the transform.
        force: Whether a folder of changed vectors that `output` is now is replaced.
        show_progress: Whether to show progress on standard error.

    Raises:
        IsoglotError: The vectors are not of the model that the transform is for, one is zero or not finite, a file is
            damaged, or the output is taken or cannot be written.
    """
    of_shards = (source / MANIFEST).exists()
    store = (_Shards if of_shards else _Arrays)(source, transform, name)
    record = {"transform": transform.digest, "vectors": store.fingerprint}
    done = output / RECORD
    if not force and done.is_file() and done.read_text(encoding="utf-8") == json.dumps(record) + "\n":
        return Applied(store.counts, sum(store.counts.values()))
    check_replaceable(output, RECORD if force else None)
    transform.check(store.sample())
    digest = hashlib.sha256(json.dumps(record).encode()).hexdigest()[:12]
    working = output.with_name(f".{output.name}.applying-{digest}")
    with locked(working.with_name(f"{working.name}.lock"), f"{output}: waiting for another process that writes it"):
        with os_errors_explained(output):
            working.mkdir(exist_ok=True)
            with progress(f"changing vectors of {source}", sum(store.counts.values()), show=show_progress) as advance:
                kept = store.write(working, advance)
            write_text(working / RECORD, json.dumps(record) + "\n")
            check_replaceable(output, RECORD if force else None)
            shutil.rmtree(output, ignore_errors=True)
            working.replace(output)
        working.with_name(f"{working.name}.lock").unlink(missing_ok=True)
    return Applied(store.counts, kept)


class _Arrays:
    """``documents.npy`` and ``queries.npy``, with ``ID@LANGUAGE`` a line in files of ids; either may be missing."""

    def __init__(self, source: Path, transform: Transform, name: str) -> None:
        self._source, self._transform = source, transform
        paths = {role: array_paths(source, ROLES[role])[0] for role in ROLES}
        self._arrays = {role: read_array(path) for role, path in paths.items() if path.is_file()}
        if not self._arrays:
            raise InputError("has no documents.npy, no queries.npy and no encoded.json", source)
        self.counts = {role: len(array) for role, array in self._arrays.items()}
        for role, array in self._arrays.items():
            check_named(array, sum(1 for _ in read_lines(self._ids(role))), source, ROLES[role])

    @property
    def fingerprint(self) -> list[Any]:
        """Names, sizes and times of the files: a change of one is another run."""
        paths = sorted(path for path in self._source.iterdir() if path.suffix in (".npy", ".txt"))
        return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in paths]

    def sample(self) -> Vectors:
        """Vectors of documents, else of queries, from all over the array."""
        array = next(iter(self._arrays.values()))
        return np.asarray(array[np.linspace(0, len(array) - 1, min(SAMPLE, len(array)), dtype=np.int64)])

    def write(self, target: Path, advance: Advance) -> int:
        """Write what is missing in the folder `target`, and return how many vectors were there."""
        kept = 0
        for role, array in self._arrays.items():
            kept += self._write(role, array, target / f"{ROLES[role]}.npy", advance)
            shutil.copyfile(self._ids(role), target / self._ids(role).name)
        return kept

    def _write(self, role: str, array: Vectors, path: Path, advance: Advance) -> int:
        dtype = np.dtype(np.float16 if array.dtype == np.float16 else np.float32)
        with path.open("ab") as file:
            if file.tell() == 0:
                npy.write_array_header_2_0(file, {"descr": dtype.str, "fortran_order": False, "shape": array.shape})
                file.flush()
            start = _header_length(path, array.shape)
            done: int = (file.tell() - start) // (array.shape[1] * dtype.itemsize)
            file.truncate(start + done * array.shape[1] * dtype.itemsize)
            file.seek(0, 2)
            advance(done)
            tags = (line.strip().rpartition("@")[2] for _, line in islice(read_lines(self._ids(role)), done, None))
            for block in range(done, len(array), BLOCK):
                rows = _rows(array, block)
                try:
                    changed = self._transform.change(role, rows, list(islice(tags, len(rows))))
                except IsoglotError as error:
                    raise InputError(f"rows {block} to {block + len(rows) - 1}: {error}", path) from error
                changed.astype(dtype).tofile(file)
                advance(len(rows))
        return done

    def _ids(self, role: str) -> Path:
        return array_paths(self._source, ROLES[role])[1]


class _Shards:
    """What ``isoglot encode`` wrote; each shard is written whole."""

    def __init__(self, source: Path, transform: Transform, name: str) -> None:
        self._source, self._transform, manifest = source, transform, read_manifest(source)
        if manifest.texts is None:
            raise InputError("its encoding has not ended; run the same `isoglot encode` again", source)
        self.counts = {role: count for role, count in manifest.texts.items() if count}
        self.fingerprint = manifest.digest
        fingerprint = hashlib.sha256((manifest.fingerprint + transform.digest).encode()).hexdigest()
        self._manifest = msgspec.structs.replace(manifest, model=f"{manifest.model}+{name}", fingerprint=fingerprint)

    def sample(self) -> Vectors:
        """Vectors of the first shard of documents, else of queries."""
        return read_vectors(next(self._paths())[1])[:SAMPLE]

    def write(self, target: Path, advance: Advance) -> int:
        """Write what is missing in the folder `target`, and return how many vectors were there."""
        kept = 0
        write_manifest(target, self._manifest)
        for role, path in self._paths():
            texts, vectors, digest, counts = read_shard(path)
            if is_sound(target / path.name, digest, self._manifest.model_digest):
                kept += len(texts)
            else:
                changed = self._transform.change(role, vectors, [text.language for text in texts])
                model = self._manifest.model_digest
                write_shard(target / path.name, texts, changed.astype(vectors.dtype), digest, model, counts)
            advance(len(texts))
        return kept

    def _paths(self) -> Iterator[tuple[str, Path]]:
        return ((role, path) for role in ROLES for path in shard_paths(self._source, role))


def _rows(array: Vectors, start: int) -> Vectors:
    """A block of an array, read and not mapped, so that its pages do not count as memory of this process."""
    if not isinstance(array, np.memmap) or not array.flags.c_contiguous:
        return np.asarray(array[start : start + BLOCK])
    count = min(BLOCK, len(array) - start) * array.shape[1]
    offset = array.offset + start * array.shape[1] * array.itemsize
    return np.fromfile(str(array.filename), array.dtype, count, offset=offset).reshape(-1, array.shape[1])


def _header_length(path: Path, shape: tuple[int, ...]) -> int:
    """The bytes before the numbers of a .npy file.

    Raises:
        InputError: It is no file of that shape.
    """
    with path.open("rb") as file:
        npy.read_magic(file)
        found, _, _ = npy.read_array_header_2_0(file)
        if found != shape:
            raise InputError(f"has the shape {found}, not {shape}", path)
        return file.tell()
