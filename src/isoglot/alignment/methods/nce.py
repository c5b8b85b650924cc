"""`nce`: multi-positive InfoNCE over {q_en, q_tgt} x {p_en, p_tgt}; a translation is never a negative.

isoglot's own baseline: what contrast alone does when both languages of query and document take part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

from torch import Tensor

from isoglot.alignment.training.additions import AdditionOptions, mined_negatives
from isoglot.alignment.training.examples import ROLES_OF_TEXTS, quads
from isoglot.alignment.training.objectives import multi_positive_nce
from isoglot.alignment.training.trainer import How, train
from isoglot.encoders.encoder import Encoder
from isoglot.platform.errors import IsoglotError
from isoglot.training_data.row import Row


@dataclass(frozen=True)
class Options(AdditionOptions):
    """Besides `AdditionOptions`:

    Attributes:
        temperature: Of the cosine similarities.
        hard_negatives: Documents mined for each query, equal over languages.
    """

    temperature: float = 0.05
    hard_negatives: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0:
            raise IsoglotError(f"temperature is {self.temperature}; it must be above 0")


def run(encoder: Encoder, rows: Sequence[Row], options: Options, **how: Unpack[How]) -> list[dict[str, float]]:
    """Train the encoder's model on every content in English and in each other language of its query and document.

    Raises:
        IsoglotError: No row has query and document in both, fewer than two contents, or the loss became NaN.
    """
    found = quads(rows)
    columns = {name: [getattr(quad, name) for quad in found] for name in ROLES_OF_TEXTS}
    negatives = mined_negatives(encoder, rows, found, "query", "document", options.hard_negatives, how)
    columns["query"] = options.switched(columns["query"], columns["query_translation"], how["seed"])

    def loss(*embeddings: Tensor) -> Tensor:
        return multi_positive_nce(
            embeddings[:2], embeddings[2:4], temperature=options.temperature, negatives=embeddings[4:]
        )

    return train(
        encoder,
        columns | negatives,
        ROLES_OF_TEXTS | dict.fromkeys(negatives, "document"),
        [quad.content_id for quad in found],
        loss,
        options,
        token_term=options.token_term(("document", "translation")),
        **how,
    )
