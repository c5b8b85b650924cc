"""`soft-center`: `center` that reads the language from the vector itself; no training and no language tag.

Linear discriminant analysis gives each vector a posterior over the languages and roles of the rows, and the mean under
that posterior is subtracted: z' = unit(z - sum over c of p(c | z) m_c). isoglot's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from isoglot.alignment.options import NoOptions
from isoglot.alignment.row_vectors import RowVectors
from isoglot.encoders.language_modules import InferredCentering
from isoglot.encoders.means import linear_discriminant
from isoglot.encoders.prompts import ROLES
from isoglot.training_data.row import Row


def modules(row_vectors: RowVectors, rows: Sequence[Row], options: NoOptions) -> Sequence[InferredCentering]:
    """Make the `InferredCentering` module with the means of the rows' texts, by language and role.

    Raises:
        IsoglotError: A language has a single text: its mean would be the text itself.
    """
    return [fit(row_vectors)]


def fit(row_vectors: RowVectors) -> InferredCentering:
    """The module whose posterior is that of `isoglot.encoders.means.linear_discriminant`.

    Raises:
        IsoglotError: A language has a single text: its mean would be the text itself.
    """
    mean_of = row_vectors.means("soft-center")
    classes = [(language, role) for language in row_vectors.languages for role in ROLES]
    means = np.array([mean_of[pair] for pair in classes])
    weight, bias = linear_discriminant([row_vectors.of(role, language) for language, role in classes], means)
    return InferredCentering(*(torch.tensor(part, dtype=torch.float32) for part in (weight, bias, means)))
