"""`shift`: move documents by their language's mean offset from English (SHIFT, arXiv 2606.18801).

z' = unit(z - alpha V_l) with V_l = mean(f(d_l) - f(d_en)) over parallel documents; queries stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from isoglot.alignment.options import ShiftOptions
from isoglot.alignment.row_vectors import RowVectors
from isoglot.encoders.language_modules import LanguageCentering
from isoglot.platform.errors import IsoglotError
from isoglot.training_data.row import Row


def modules(row_vectors: RowVectors, rows: Sequence[Row], options: ShiftOptions) -> Sequence[LanguageCentering]:
    """Make the `LanguageCentering` module that moves documents only.

    Raises:
        IsoglotError: No row has a document in English and in another language.
    """
    parallel = sorted({language for row in rows if "en" in row.document for language in row.document} - {"en"})
    if not parallel:
        raise IsoglotError("shift: no row has its document in English and in another language")
    vectors = row_vectors.lookup("document")
    dimension = row_vectors.vectors["document"].shape[1]
    table = [np.zeros((2, dimension))]
    for language in parallel:
        pairs = {(row.document[language], row.document["en"]) for row in rows if {"en", language} <= set(row.document)}
        offsets = [vectors[language, translation] - vectors["en", english] for translation, english in sorted(pairs)]
        table.append(np.stack([np.zeros(dimension), options.alpha * np.mean(offsets, axis=0)]))
    return [LanguageCentering(["en", *parallel], torch.tensor(np.array(table), dtype=torch.float32))]
