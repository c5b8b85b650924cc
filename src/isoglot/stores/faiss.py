"""FAISS: an index file, and a file of ids and languages beside it. The target is a new index file, with its own ids."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.corpora.readers.lines import read_lines
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import InputError, IsoglotError, first_line
from isoglot.platform.extras import needs
from isoglot.platform.files import expanded, new_file, write_text
from isoglot.stores.base import BLOCK, Block, Fields, make_block

FORM = "faiss:INDEX_FILE"
PLAIN = ("IndexFlat", "IndexFlatIP", "IndexFlatL2", "IndexHNSWFlat", "IndexIVFFlat")
"""Indexes whose vectors are whole. Those that keep codes would be changed by what the codes say, and lose twice."""


class FaissStore:
    """An index file with whole vectors, with or without ids of its own, and ``INDEX.ids.txt`` with a line for each.

    A line is ``ID@LANGUAGE``, as beside arrays of ``vectors:DIR``, in the order in which the vectors were added. An
    index is in memory as a whole, and the target is written at the end, whole or not at all.

    Args:
        path: The index file.
        name: As `Store.name`.
    """

    target_kind = "the file"

    def __init__(self, path: Path, name: str) -> None:
        self.name, self._path = name, path
        self.target = str(path.with_name(f"{path.stem}_mended{path.suffix}"))
        self._index = _read(path)
        ids = path.with_suffix(".ids.txt")
        if not ids.is_file():
            raise IsoglotError(f"{name}: its ids and languages are missing: {ids}, with a line ID@LANGUAGE each")
        self._ids = [line.strip().rpartition("@") for _, line in read_lines(ids)]
        if len(self._ids) != self._index.ntotal:
            raise InputError(f"has {len(self._ids)} lines, but the index {self._index.ntotal} vectors", ids)
        self._changed: list[Vectors] = []

    def count(self) -> int:
        """As `Store.count`."""
        return int(self._index.ntotal)

    def blocks(self, lacking: str | None = None) -> Iterator[Block]:
        """As `Store.blocks`; a target has all or none.

        Raises:
            InputError: A vector is zero or not finite.
        """
        if lacking is not None and self.done(lacking):
            return
        for start in range(0, self.count(), BLOCK):
            count = min(BLOCK, self.count() - start)
            places = range(start, start + count)
            block = make_block(
                [str(place) for place in places],
                [None] * count,
                [self._ids[place][2] for place in places],
                _inner(self._index).reconstruct_n(start, count),
            )
            if len(block.keys) < count:
                raise InputError(f"a vector between {start} and {start + count - 1} is zero or not finite", self._path)
            yield block

    def nearest(self, vectors: Vectors, limit: int) -> list[list[tuple[str, float]]]:
        """As `Store.nearest`."""
        import faiss

        scores, found = self._index.search(vectors, min(limit, self.count()))
        sign = -1 if self._index.metric_type == faiss.METRIC_L2 else 1
        places = self._places()
        return [
            [(str(places[key]), sign * float(score)) for key, score in zip(*pair, strict=True) if key >= 0]
            for pair in zip(found.tolist(), scores, strict=True)
        ]

    def mark(self, target: str) -> str | None:
        """As `Store.mark`; the file of ids belongs to the target, so that no other index's is taken for it."""
        marked, ids = Path(f"{target}.isoglot"), Path(target).with_suffix(".ids.txt")
        if marked.is_file():
            return marked.read_text(encoding="utf-8").strip()
        return "" if Path(target).exists() or ids.exists() else None

    def create(self, target: str, mark: str) -> None:
        """As `Store.create`."""
        write_text(Path(f"{target}.isoglot"), mark + "\n")

    def write(self, target: str, block: Block, vectors: Vectors) -> None:
        """As `Store.write`, into memory."""
        self._changed.append(vectors)

    def done(self, target: str) -> int:
        """As `Store.done`."""
        return int(_read(Path(target)).ntotal) if Path(target).is_file() else 0

    def finish(self, target: str) -> None:
        """As `Store.finish`: build the index and write it."""
        import faiss

        path = Path(target)
        if self._changed:
            vectors = np.concatenate(self._changed)
            self._changed = []
            made = faiss.clone_index(self._index)
            made.reset()
            inner = _inner(made)
            if isinstance(inner, faiss.IndexIVF):
                faiss.downcast_index(inner.quantizer).reset()
                inner.is_trained = False
                inner.train(vectors)
            if inner is made:
                made.add(vectors)
            else:
                made.add_with_ids(vectors, faiss.vector_to_array(self._index.id_map))
            shutil.copyfile(self._path.with_suffix(".ids.txt"), path.with_suffix(".ids.txt"))
            with new_file(path) as unfinished:
                faiss.write_index(made, str(unfinished))

    def drop(self, target: str) -> None:
        """As `Store.drop`."""
        for path in (Path(target), Path(target).with_suffix(".ids.txt"), Path(f"{target}.isoglot")):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """As `Store.close`."""

    def _places(self) -> dict[int, int]:
        """What the index calls each vector -> its place in the file of ids."""
        import faiss

        own = range(self.count())
        if _inner(self._index) is not self._index:
            own = faiss.vector_to_array(self._index.id_map).tolist()
        return {key: place for place, key in enumerate(own)}


def _inner(index: Any) -> Any:
    """What holds the vectors: the index, or the one inside an IndexIDMap."""
    import faiss

    return faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap) else index


def _read(path: Path) -> Any:
    """Read an index whose vectors can be read back.

    Raises:
        IsoglotError: It is none, or of a kind that keeps codes instead of vectors.
    """
    import faiss

    if not path.is_file():
        raise IsoglotError(f"{path}: no such file")
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        raise InputError(f"is no index that FAISS can read: {first_line(error)}", path) from error
    inner = _inner(index)
    if type(inner).__name__ not in PLAIN:
        raise InputError(f"is an {type(inner).__name__}; only {', '.join(PLAIN)} hold whole vectors", path)
    if isinstance(inner, faiss.IndexIVF):
        inner.make_direct_map()
    return index


def open_store(argument: str, fields: Fields) -> FaissStore:
    """Open an index file; `fields` are not needed.

    Raises:
        IsoglotError: FAISS is not installed, or there is no such index.
    """
    with needs("faiss", "faiss"):
        import faiss  # noqa: F401
    return FaissStore(expanded(argument), f"faiss:{argument}")
