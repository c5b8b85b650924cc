"""`lir`: remove the first r singular directions of each language's embeddings (LIR, arXiv 2109.04727)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from isoglot.alignment.row_vectors import RowVectors, encode_rows
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.language_modules import LanguageProjection
from isoglot.encoders.prompts import ROLES
from isoglot.platform.errors import IsoglotError
from isoglot.training_data.row import Row


@dataclass(frozen=True)
class Options:
    """How much to remove.

    Attributes:
        r: How many directions of each language.
    """

    r: int = 1

    def __post_init__(self) -> None:
        if self.r < 1:
            raise IsoglotError(f"r is {self.r}; lir removes at least 1 direction")


def run(encoder: Encoder, rows: Sequence[Row], options: Options, *, seed: int, show_progress: bool) -> None:
    """Append a `LanguageProjection` module with the directions of the rows' queries and documents together.

    Raises:
        IsoglotError: A language has fewer texts than directions to remove.
    """
    encoder.append(fit(encode_rows(encoder, rows, show_progress=show_progress), options.r))


def fit(row_vectors: RowVectors, r: int) -> LanguageProjection:
    """The module that removes r directions of each language, found in its queries and documents together.

    Raises:
        IsoglotError: A language has fewer texts than directions to remove, or nothing would be left.
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
