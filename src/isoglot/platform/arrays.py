"""Names for the types of arrays; docstrings say their shapes, as ``(n, d)``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Embeddings (n, d), a single one (d,), and scores, in single precision."""
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
RowIds = NDArray[np.uint64]
"""LanceDB's row ids, and 64-bit hashes of passage ids."""
