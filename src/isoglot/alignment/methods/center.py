"""`center`: subtract from each vector its language's mean (Libovicky et al. 2020, arXiv 2004.05160).

It needs no training, but each text's language at inference: given, or detected.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from isoglot.alignment.options import NoOptions
from isoglot.alignment.row_vectors import RowVectors, encode_rows
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.language_modules import LanguageCentering
from isoglot.encoders.prompts import ROLES
from isoglot.training_data.row import Row


def run(encoder: Encoder, rows: Sequence[Row], options: NoOptions, *, seed: int, show_progress: bool) -> None:
    """Append a `LanguageCentering` module with the means of the rows' texts, by language and role.

    Raises:
        IsoglotError: A language has a single text: its mean would be the text itself.
    """
    encoder.append(fit(encode_rows(encoder, rows, show_progress=show_progress)))


def fit(row_vectors: RowVectors) -> LanguageCentering:
    """The module that subtracts the means of the encoded texts, by language and role.

    Raises:
        IsoglotError: A language has a single text: its mean would be the text itself.
    """
    means = row_vectors.means("center")
    table = np.array([[means[language, role] for role in ROLES] for language in row_vectors.languages])
    return LanguageCentering(row_vectors.languages, torch.tensor(table, dtype=torch.float32))
