"""`nce`: multi-positive InfoNCE over {q_en, q_tgt} x {p_en, p_tgt}; a translation is never a negative.

isoglot's own baseline: what contrast alone does when both languages of query and document take part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from torch import Tensor

from isoglot.alignment.options import NceOptions
from isoglot.alignment.record import StepLoss
from isoglot.alignment.training.additions import mined_negatives, switched_queries, token_term
from isoglot.alignment.training.examples import ROLES_OF_TEXTS, quads
from isoglot.alignment.training.objectives import multi_positive_nce
from isoglot.alignment.training.trainer import TrainingContext, train
from isoglot.encoders.encoder import Encoder
from isoglot.training_data.row import Row


def run(
    encoder: Encoder, rows: Sequence[Row], options: NceOptions, **context: Unpack[TrainingContext]
) -> list[StepLoss]:
    """Train the encoder's model on every content in English and in each other language of its query and document.

    Returns:
        The loss of each step.

    Raises:
        IsoglotError: No row has query and document in both, there are fewer than two contents, or the loss became NaN.
    """
    examples = quads(rows)
    columns = {name: [getattr(example, name) for example in examples] for name in ROLES_OF_TEXTS}
    negatives = mined_negatives(
        encoder,
        rows,
        examples,
        anchor_role="query",
        role="document",
        count=options.hard_negatives,
        seed=context["seed"],
        show_progress=context["show_progress"],
    )
    columns["query"] = switched_queries(options, columns["query"], columns["query_translation"], context["seed"])

    def loss(*vectors: Tensor) -> Tensor:
        return multi_positive_nce(vectors[:2], vectors[2:4], temperature=options.temperature, negatives=vectors[4:])

    return train(
        encoder,
        columns | negatives,
        ROLES_OF_TEXTS | dict.fromkeys(negatives, "document"),
        [example.group for example in examples],
        loss,
        options,
        token_term=token_term(options, ("document", "translation")),
        **context,
    )
