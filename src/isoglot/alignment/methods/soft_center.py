"""`soft-center`: `center` that reads the language from the vector itself; no training and no language tag.

Linear discriminant analysis gives each vector a posterior over the languages and roles of the rows, and the mean under
that posterior is subtracted: z' = unit(z - sum over c of p(c | z) m_c). isoglot's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from isoglot.alignment.options import NoOptions
from isoglot.alignment.row_vectors import RowVectors, encode_rows
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.language_modules import InferredCentering
from isoglot.encoders.prompts import ROLES
from isoglot.training_data.row import Row


def run(encoder: Encoder, rows: Sequence[Row], options: NoOptions, *, seed: int, show_progress: bool) -> None:
    """Append an `InferredCentering` module with the means of the rows' texts, by language and role.

    Raises:
        IsoglotError: A language has a single text: its mean would be the text itself.
    """
    encoder.append(fit(encode_rows(encoder, rows, show_progress=show_progress)))


def fit(row_vectors: RowVectors) -> InferredCentering:
    """The module whose posterior is that of Gaussians around the means, with one covariance and equal priors.

    The covariance is shrunk as by Ledoit and Wolf (2004): rows are few and dimensions many.

    Raises:
        IsoglotError: A language has a single text: its mean would be the text itself.
    """
    from sklearn.covariance import ledoit_wolf  # type: ignore[import-untyped]

    mean_of = row_vectors.means("soft-center")
    means = np.array([mean_of[language, role] for language in row_vectors.languages for role in ROLES])
    centered = [
        vectors - vectors.mean(axis=0, dtype=np.float64)
        for language in row_vectors.languages
        for role in ROLES
        if len(vectors := row_vectors.of(role, language))
    ]
    covariance, _ = ledoit_wolf(np.concatenate(centered), assume_centered=True)
    weight = np.linalg.solve(covariance, means.T).T
    bias = -0.5 * (weight * means).sum(axis=1)
    return InferredCentering(*(torch.tensor(part, dtype=torch.float32) for part in (weight, bias, means)))
