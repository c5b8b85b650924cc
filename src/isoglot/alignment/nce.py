"""`nce`: multi-positive InfoNCE over {q_en, q_tgt} x {p_en, p_tgt}; a translation is never a negative.

isoglot's own baseline: what contrast alone does when both languages of query and document take part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from isoglot.alignment.additions import AdditionOptions, mined_negatives
from isoglot.alignment.examples import QUAD_ROLES, quads
from isoglot.alignment.losses import multi_positive_nce
from isoglot.alignment.training import train
from isoglot.encoders.sentence_transformer import Encoder
from isoglot.errors import IsoglotError
from isoglot.rows.row import Row


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


def run(
    encoder: Encoder,
    rows: Sequence[Row],
    options: Options,
    *,
    seed: int,
    show_progress: bool,
    working: Path | None = None,
    on_epoch: Callable[[int], None] | None = None,
) -> list[dict[str, float]]:
    """Train the encoder's model on every content in English and in each other language of its query and document.

    Raises:
        IsoglotError: No row has query and document in both, fewer than two contents, or the loss became NaN.
    """
    found = quads(rows)
    columns = {name: [getattr(quad, name) for quad in found] for name in QUAD_ROLES}
    negatives = {}
    if options.hard_negatives:
        anchors = [(quad.content_id, quad.query) for quad in found]
        negatives = mined_negatives(
            encoder, rows, anchors, "query", "document", options.hard_negatives, seed=seed, show_progress=show_progress
        )
    columns["query"] = options.switched(columns["query"], columns["query_translation"], seed)

    def loss(*embeddings: Tensor) -> Tensor:
        return multi_positive_nce(
            embeddings[:2], embeddings[2:4], temperature=options.temperature, negatives=embeddings[4:]
        )

    return train(
        encoder,
        columns | negatives,
        QUAD_ROLES | dict.fromkeys(negatives, "document"),
        [quad.content_id for quad in found],
        loss,
        options,
        seed=seed,
        show_progress=show_progress,
        token_term=options.token_term(("document", "translation")),
        working=working,
        on_epoch=on_epoch,
    )
