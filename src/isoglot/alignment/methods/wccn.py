"""`wccn`: shrink the directions in which translations differ (WCCN, Hatch, Kajarekar and Stolcke, Interspeech 2006).

The classes of within-class covariance normalisation are here contents: with S the covariance of a content's versions
around their mean, z' = unit(S^-1 (z - m)). One affine map for all texts, so no language is needed at inference, and the
saved model is plain sentence-transformers. Contents as classes are isoglot's own use of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import Module

from isoglot.alignment.options import WccnOptions
from isoglot.alignment.row_vectors import RowVectors
from isoglot.encoders.modules import affine
from isoglot.encoders.prompts import ROLES
from isoglot.platform.arrays import Floats
from isoglot.platform.errors import IsoglotError
from isoglot.training_data.row import Row


def modules(row_vectors: RowVectors, rows: Sequence[Row], options: WccnOptions) -> Sequence[Module]:
    """Make the affine map as a Dense module, and a Normalize.

    Raises:
        IsoglotError: No row has a translation, so nothing shows in which directions translations differ.
    """
    from sentence_transformers.sentence_transformer.modules import Normalize

    weight, bias = fit(row_vectors, rows, options.shrinkage)
    return [affine(torch.tensor(weight), torch.tensor(bias)), Normalize()]


def fit(row_vectors: RowVectors, rows: Sequence[Row], shrinkage: float) -> tuple[Floats, Floats]:
    """Compute the map z -> W z + b from the rows' translations.

    The covariance is shrunk towards a sphere, S + shrinkage trace(S) / d I, since rows are few and dimensions many. The
    subtracted mean m is halfway between the mean of the queries and that of the documents.

    Args:
        row_vectors: The vectors of the rows' texts.
        rows: The rows.
        shrinkage: How much of a sphere is added, above 0.

    Returns:
        W, (d, d), symmetric, with 1 as its largest eigenvalue, and b, (d,).

    Raises:
        IsoglotError: No row has a text in two languages.
    """
    deviations, classes = [], 0
    for role in ROLES:
        lookup = row_vectors.lookup(role)
        for row in rows:
            versions = np.array([lookup[pair] for pair in getattr(row, role).items()], dtype=np.float64)
            if len(versions) > 1:
                deviations.append(versions - versions.mean(axis=0))
                classes += 1
    if not deviations:
        raise IsoglotError("wccn: no row has a text in two languages, by which it learns how translations differ")
    spread = np.concatenate(deviations)
    covariance = spread.T @ spread / (len(spread) - classes)
    size = len(covariance)
    sphere = shrinkage * np.trace(covariance) / size
    values, directions = np.linalg.eigh(covariance)
    weight = (directions * ((values[0] + sphere) / (values + sphere))) @ directions.T
    mean = np.mean([row_vectors.vectors[role].mean(axis=0, dtype=np.float64) for role in ROLES], axis=0)
    return weight, -weight @ mean
