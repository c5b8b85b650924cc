"""`distill`: the model learns its own language-neutral vectors, and then needs no language tag.

teacher(x) is base(x) with its language taken out by `center` or `lir`, as fitted on the rows;
loss = scale (1 - cos(student(x), teacher(x))). isoglot's own; no parallel text is needed unless `mix` is above 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isoglot.alignment import center, lir
from isoglot.alignment.embedded import Embedded, embed
from isoglot.alignment.losses import cosine_distance
from isoglot.alignment.training import TrainingOptions, train
from isoglot.encoders.sentence_transformer import Encoder
from isoglot.errors import IsoglotError
from isoglot.rows.row import Row

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Options(TrainingOptions):
    """Besides `TrainingOptions`:

    Attributes:
        teacher: What is learnt: the vectors of ``center`` or of ``lir`` with one direction.
        scale: Of the loss.
        mix: 0: each text learns its own teacher; 1: the mean of the teachers of all its translations; between: both.
    """

    learning_rate: float = 1e-4
    teacher: str = "center"
    scale: float = 20.0
    mix: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.teacher not in ("center", "lir"):
            raise IsoglotError(f"unknown teacher {self.teacher!r}; choose center or lir")
        if not 0 <= self.mix <= 1:
            raise IsoglotError(f"mix is {self.mix}; it must be from 0 to 1")


def teachers(rows: Sequence[Row], embedded: Embedded, options: Options) -> dict[str, dict[tuple[str, str], Vector]]:
    """Role -> (language, text) -> the unit vector to be learnt, (d,).

    Raises:
        IsoglotError: A language has too few texts.
    """
    module = center.fit(embedded) if options.teacher == "center" else lir.fit(embedded, 1)
    own: dict[str, dict[tuple[str, str], Vector]] = {}
    for role, pairs in embedded.texts.items():
        vectors = torch.from_numpy(embedded.vectors[role])
        neutral = module.transform(vectors, [language for language, _ in pairs], [role] * len(pairs))
        own[role] = dict(zip(pairs, neutral.numpy(), strict=True))
    if not options.mix:
        return own
    found: dict[str, dict[tuple[str, str], Vector]] = {role: {} for role in own}
    for row in rows:
        for role, versions in (("query", row.query), ("document", row.document)):
            shared = np.mean([own[role][pair] for pair in versions.items()], axis=0)
            for pair in versions.items():
                mixed = (1 - options.mix) * own[role][pair] + options.mix * shared
                found[role][pair] = mixed / np.linalg.norm(mixed)
    return found


def run(
    encoder: Encoder, rows: Sequence[Row], options: Options, *, seed: int, show_progress: bool
) -> list[dict[str, float]]:
    """Train the encoder's model on every query and its document, in each language that has both.

    Raises:
        IsoglotError: No row has query and document in one language, or the loss became NaN.
    """
    pairs = [(row, language) for row in rows for language in sorted(set(row.query) & set(row.document))]
    if not pairs:
        raise IsoglotError("distill: no row has its query and its document in the same language")
    taught = teachers(rows, embed(encoder, rows, show_progress=show_progress), options)
    targets = [
        np.concatenate(
            [taught["query"][language, row.query[language]], taught["document"][language, row.document[language]]]
        ).tolist()
        for row, language in pairs
    ]

    def loss(query: Tensor, document: Tensor, target: Tensor) -> Tensor:
        query_teacher, document_teacher = target.to(query).chunk(2, dim=1)
        return options.scale * (cosine_distance(query, query_teacher) + cosine_distance(document, document_teacher)) / 2

    return train(
        encoder,
        {
            "query": [row.query[language] for row, language in pairs],
            "document": [row.document[language] for row, language in pairs],
        },
        {"query": "query", "document": "document"},
        [row.content_id for row, _ in pairs],
        loss,
        options,
        seed=seed,
        show_progress=show_progress,
        targets=targets,
    )
