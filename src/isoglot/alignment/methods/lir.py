"""`lir`: remove the first r singular directions of each language's vectors (LIR, arXiv 2109.04727)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from isoglot.alignment.options import LirOptions
from isoglot.alignment.row_vectors import RowVectors
from isoglot.encoders.language_modules import LanguageProjection
from isoglot.encoders.prompts import ROLES
from isoglot.platform.errors import IsoglotError
from isoglot.training_data.row import Row


def modules(row_vectors: RowVectors, rows: Sequence[Row], options: LirOptions) -> Sequence[LanguageProjection]:
    """Make the `LanguageProjection` module with the directions of the rows' queries and documents together.

    Raises:
        IsoglotError: A language has too few texts or dimensions to remove so many directions.
    """
    return [fit(row_vectors, options.r)]


def fit(row_vectors: RowVectors, r: int) -> LanguageProjection:
    """The module that removes r directions of each language, computed from its queries and documents together.

    Raises:
        IsoglotError: A language has no more than r texts, or a vector no more than r dimensions.
    """
    table = []
    for language in row_vectors.languages:
        vectors = np.concatenate([row_vectors.of(role, language) for role in ROLES])
        if len(vectors) <= r:
            raise IsoglotError(f"lir: {language} has {len(vectors)} texts, too few to remove {r} directions")
        if vectors.shape[1] <= r:
            raise IsoglotError(f"lir: vectors have {vectors.shape[1]} dimensions; removing {r} leaves nothing of them")
        table.append(np.linalg.svd(vectors.astype(np.float64), full_matrices=False)[2][:r])
    return LanguageProjection(row_vectors.languages, torch.tensor(np.array(table), dtype=torch.float32))
