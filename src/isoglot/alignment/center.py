"""`center`: subtract from each embedding its language's mean (Libovicky et al. 2020, arXiv 2004.05160).

Free of training, but it needs each text's language at inference: given, or detected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from isoglot.alignment.rows import Row
from isoglot.encoders.centering import LanguageCentering
from isoglot.encoders.prompts import ROLES
from isoglot.encoders.sentence_transformer import Encoder
from isoglot.errors import IsoglotError


@dataclass(frozen=True)
class Options:
    """`center` has none."""


def run(encoder: Encoder, rows: Sequence[Row], options: Options, *, seed: int, show_progress: bool) -> None:
    """Append a `LanguageCentering` module, fitted on the texts of `rows`, to the encoder's model.

    Each language gets a mean for queries and one for documents; where the rows have its texts in one role only, that
    role's mean serves for both.

    Raises:
        IsoglotError: A language has a single text: its mean would be the text itself.
    """
    texts: dict[str, dict[tuple[str, str], None]] = {role: {} for role in ROLES}
    for row in rows:
        texts["query"].update(dict.fromkeys(row.query.items()))
        texts["document"].update(dict.fromkeys(row.document.items()))
    means: dict[tuple[str, str], NDArray[np.float64]] = {}
    for role, found in texts.items():
        tags = [language for language, _ in found]
        vectors = encoder.encode([text for _, text in found], role, tags, show_progress=show_progress)
        for language in dict.fromkeys(tags):
            own = vectors[[tag == language for tag in tags]]
            if len(own) < 2:
                raise IsoglotError(f"center: {language} has one {role} text only; a mean needs at least two")
            means[language, role] = own.mean(axis=0, dtype=np.float64)
    languages = sorted({language for language, _ in means})
    table = [
        [means.get((language, role), means.get((language, other))) for role, other in (ROLES, ROLES[::-1])]
        for language in languages
    ]
    module = LanguageCentering(languages, torch.tensor(np.array(table), dtype=torch.float32))
    encoder.model.append(module.to(encoder.model.device))
    encoder.model_changed()
