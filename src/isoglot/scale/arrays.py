"""Vectors as users have them: ``documents.npy`` and ``queries.npy``, with their rows' ids in files beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoglot.platform.errors import InputError


def array_paths(folder: Path, kind: str) -> tuple[Path, Path]:
    """The array of a kind, ``documents`` or ``queries``, and the file of its rows' ids."""
    return folder / f"{kind}.npy", folder / f"{kind}.ids.txt"


def read_array(path: Path) -> NDArray[Any]:
    """Map an (n, d) array of floats, of which only the rows that are asked for are read.

    Raises:
        InputError: It is something else.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"is no array that can be read: {str(error).splitlines()[0]}", path) from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind != "f":
        shape = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else "an archive"
        raise InputError(f"is {shape}, not a two-dimensional array of floats", path)
    return array


def check_named(array: NDArray[Any], names: int, folder: Path, kind: str) -> None:
    """Refuse an array whose rows are not as many as the ids beside it.

    Raises:
        InputError: They differ.
    """
    path, named = array_paths(folder, kind)
    if names != len(array):
        raise InputError(f"names {names} rows, but {path.name} has {len(array)}", named)
