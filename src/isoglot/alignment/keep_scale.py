"""``--keep-scale``: give cosines back the level that they had, without changing any ranking (isoglot's own).

An alignment moves the cosines of unrelated pairs. One more component, equal in all vectors, moves them back: for unit
vectors z, (sqrt(1 - a) z, sqrt(a)) have unit length again, and their cosines are (1 - a) cos + a.
"""

from __future__ import annotations

import logging
import math

import torch

from isoglot.encoders.encoder import Encoder
from isoglot.encoders.modules import affine
from isoglot.evaluation.similarities import Similarities
from isoglot.platform.errors import IsoglotError

log = logging.getLogger(__name__)


def keep_scale(encoder: Encoder, base: Similarities | None, aligned: Similarities | None) -> float | None:
    """Append a Dense module that lets unrelated pairs keep the mean cosine that they had by the base.

    The vectors have one more component then. Rankings are the same in exact arithmetic.

    Args:
        encoder: The aligned model.
        base: The similarities of the base on the development split.
        aligned: Those of the aligned model.

    Returns:
        a, which every cosine has in common; None if the mean has risen, which nothing undoes in this way, and the model
        is unchanged.

    Raises:
        IsoglotError: The development split has no unrelated pairs.
    """
    share = common_share(base, aligned)
    if share is None:
        log.warning("the scale cannot be kept: the mean cosine of unrelated pairs has not fallen; nothing is changed")
        return None
    weight = math.sqrt(1 - share) * torch.eye(encoder.dimension + 1, encoder.dimension)
    bias = torch.zeros(encoder.dimension + 1)
    bias[-1] = math.sqrt(share)
    encoder.append(affine(weight, bias))
    return share


def common_share(base: Similarities | None, aligned: Similarities | None) -> float | None:
    """a = (old mean - new mean) / (1 - new mean), from 0 to below 1; None if the mean of unrelated pairs has risen.

    Raises:
        IsoglotError: There are no unrelated pairs.
    """
    if base is None or aligned is None or base.unrelated is None or aligned.unrelated is None:
        raise IsoglotError("--keep-scale needs a larger --dev: it has no query and document that are unrelated")
    old, new = base.unrelated.mean, aligned.unrelated.mean
    return (old - new) / (1 - new) if new <= old < 1 else None
