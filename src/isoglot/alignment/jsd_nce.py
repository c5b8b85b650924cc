"""`jsd-nce`: the paper's objective, L = L_JSD + L_NCE, on triplets (q_en, p_en, p_tgt) (arXiv 2604.05684).

L_JSD pulls the softmax distributions of an English document and its translation together; L_NCE takes the translation
as anchor, its English query as positive and the batch's other English queries as negatives. What the paper leaves open
(temperatures, eps, epochs, batch, learning rate) is an option here, and its default is isoglot's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from isoglot.alignment.losses import info_nce, root_jsd
from isoglot.alignment.training import TrainingOptions, train, triplets
from isoglot.encoders.sentence_transformer import Encoder
from isoglot.errors import IsoglotError
from isoglot.rows.row import Row


@dataclass(frozen=True)
class Options(TrainingOptions):
    """Besides `TrainingOptions`:

    Attributes:
        temperature: Of InfoNCE's cosine similarities.
        softmax_temperature: Of the softmax over an embedding's dimensions.
        eps: Inside the root of the JSD.
        jsd_weight: Of L_JSD; 1 in the paper.
        nce_weight: Of L_NCE; 1 in the paper.
    """

    temperature: float = 0.05
    softmax_temperature: float = 0.05
    eps: float = 1e-8
    jsd_weight: float = 1.0
    nce_weight: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("temperature", "softmax_temperature", "eps"):
            if not getattr(self, name) > 0:
                raise IsoglotError(f"{name.replace('_', ' ')} is {getattr(self, name)}; it must be above 0")


def objective(query: Tensor, document: Tensor, translation: Tensor, options: Options) -> Tensor:
    """L_JSD + L_NCE of (b, d) embeddings of English queries, English documents and their translations: a scalar."""
    pull = root_jsd(document, translation, temperature=options.softmax_temperature, eps=options.eps)
    contrast = info_nce(translation, query, temperature=options.temperature)
    return options.jsd_weight * pull + options.nce_weight * contrast


def run(
    encoder: Encoder, rows: Sequence[Row], options: Options, *, seed: int, show_progress: bool
) -> list[dict[str, float]]:
    """Train the encoder's model on every triplet of `rows`; returns the loss of each step.

    Raises:
        IsoglotError: No row makes a triplet, fewer than two contents, or the loss became NaN.
    """
    found = triplets(rows)
    return train(
        encoder,
        {
            "query": [triplet.query for triplet in found],
            "document": [triplet.document for triplet in found],
            "translation": [triplet.translation for triplet in found],
        },
        {"query": "query", "document": "document", "translation": "document"},
        [triplet.content_id for triplet in found],
        lambda query, document, translation: objective(query, document, translation, options),
        options,
        seed=seed,
        show_progress=show_progress,
    )
