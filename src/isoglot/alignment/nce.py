"""`nce`: multi-positive InfoNCE over {q_en, q_tgt} x {p_en, p_tgt}; a translation is never a negative.

isoglot's own baseline: what contrast alone does when both languages of query and document take part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isoglot.alignment.losses import multi_positive_nce
from isoglot.alignment.training import QUAD_ROLES, TrainingOptions, quads, train
from isoglot.encoders.sentence_transformer import Encoder
from isoglot.errors import IsoglotError
from isoglot.rows.row import Row


@dataclass(frozen=True)
class Options(TrainingOptions):
    """Besides `TrainingOptions`:

    Attributes:
        temperature: Of the cosine similarities.
    """

    temperature: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0:
            raise IsoglotError(f"temperature is {self.temperature}; it must be above 0")


def run(
    encoder: Encoder, rows: Sequence[Row], options: Options, *, seed: int, show_progress: bool
) -> list[dict[str, float]]:
    """Train the encoder's model on every content in English and in each other language of its query and document.

    Raises:
        IsoglotError: No row has query and document in both, fewer than two contents, or the loss became NaN.
    """
    found = quads(rows)
    return train(
        encoder,
        {name: [getattr(quad, name) for quad in found] for name in QUAD_ROLES},
        QUAD_ROLES,
        [quad.content_id for quad in found],
        lambda *embeddings: multi_positive_nce(embeddings[:2], embeddings[2:], temperature=options.temperature),
        options,
        seed=seed,
        show_progress=show_progress,
    )
