"""`leace`: erase linearly what tells the language (LEACE, Belrose et al. 2023, arXiv 2306.03819).

The package concept-erasure computes one affine map for all texts, so no language is needed at inference, and the saved
model is plain sentence-transformers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import Module

from isoglot.alignment.options import NoOptions
from isoglot.alignment.row_vectors import RowVectors
from isoglot.encoders.modules import affine
from isoglot.encoders.prompts import ROLES
from isoglot.platform.errors import IsoglotError
from isoglot.training_data.row import Row


def modules(row_vectors: RowVectors, rows: Sequence[Row], options: NoOptions) -> Sequence[Module]:
    """Make the affine eraser, fitted on queries and documents together, as a Dense module, and a Normalize.

    Raises:
        IsoglotError: The rows are in one language only.
    """
    from concept_erasure import LeaceEraser
    from sentence_transformers.sentence_transformer.modules import Normalize

    languages = row_vectors.languages
    if len(languages) < 2:
        raise IsoglotError("leace: the rows are in one language; there is nothing to erase")
    vectors = torch.from_numpy(np.concatenate([row_vectors.vectors[role] for role in ROLES]).astype(np.float64))
    tags = torch.tensor([languages.index(language) for role in ROLES for language, _ in row_vectors.texts[role]])
    eraser = LeaceEraser.fit(vectors, torch.nn.functional.one_hot(tags, len(languages)).double())
    offset = torch.zeros(vectors.shape[1]).double() if eraser.bias is None else eraser.bias - eraser.P @ eraser.bias
    return [affine(eraser.P, offset), Normalize()]
