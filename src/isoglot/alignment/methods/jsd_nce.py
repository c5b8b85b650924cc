"""`jsd-nce`: the paper's objective, L = L_JSD + L_NCE, on triplets (q_en, p_en, p_tgt) (arXiv 2604.05684).

L_JSD pulls the softmax distributions of an English document and its translation together; L_NCE takes the translation
as anchor, its English query as positive and the batch's other English queries as negatives. What the paper leaves open
(temperatures, eps, epochs, batch, learning rate) is an option here, and its default is isoglot's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Unpack

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize
from torch import Tensor
from torch.nn import functional

from isoglot.alignment.training.additions import AdditionOptions, mined_negatives
from isoglot.alignment.training.examples import ROLES_OF_TEXTS, triplets
from isoglot.alignment.training.objectives import info_nce, root_jsd
from isoglot.alignment.training.trainer import How, train
from isoglot.encoders.encoder import Encoder
from isoglot.platform.errors import IsoglotError
from isoglot.training_data.row import Row


@dataclass(frozen=True)
class Options(AdditionOptions):
    """Besides `AdditionOptions`:

    Attributes:
        temperature: Of InfoNCE's cosine similarities.
        softmax_temperature: Of the softmax over an embedding's dimensions.
        eps: Inside the root of the JSD.
        jsd_weight: Of L_JSD; 1 in the paper.
        nce_weight: Of L_NCE; 1 in the paper.
        nce_psg: The paper's ablation L_NCE_psg: translations against English documents instead of queries.
        raw: Whether L_JSD sees vectors as they were pooled, instead of unit vectors; the paper does not say.
        hard_negatives: Queries mined for each document, equal over languages; with `nce_psg`, documents.
    """

    temperature: float = 0.05
    softmax_temperature: float = 0.05
    eps: float = 1e-8
    jsd_weight: float = 1.0
    nce_weight: float = 1.0
    nce_psg: bool = False
    raw: bool = False
    hard_negatives: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("temperature", "softmax_temperature", "eps"):
            if not getattr(self, name) > 0:
                raise IsoglotError(f"{name.replace('_', ' ')} is {getattr(self, name)}; it must be above 0")


def objective(
    query: Tensor, document: Tensor, translation: Tensor, options: Options, negatives: Sequence[Tensor] = ()
) -> Tensor:
    """L_JSD + L_NCE of (b, d) embeddings of English queries, English documents and their translations: a scalar."""
    pair = (document, translation)
    first, second = pair if options.raw else (functional.normalize(vectors, dim=1) for vectors in pair)
    pull = root_jsd(first, second, temperature=options.softmax_temperature, eps=options.eps)
    positive = document if options.nce_psg else query
    contrast = info_nce(translation, positive, temperature=options.temperature, negatives=negatives)
    return options.jsd_weight * pull + options.nce_weight * contrast


@contextmanager
def _not_normalised(model: SentenceTransformer) -> Iterator[None]:
    """Inside, the model gives its vectors as they were pooled, if what makes them unit vectors is its last module."""
    last = model[-1]
    if not isinstance(last, Normalize):
        yield
        return
    del model[-1]
    try:
        yield
    finally:
        model.append(last)


def run(encoder: Encoder, rows: Sequence[Row], options: Options, **how: Unpack[How]) -> list[dict[str, float]]:
    """Train the encoder's model on every triplet of `rows`; returns the loss of each step.

    Raises:
        IsoglotError: No row makes a triplet, fewer than two contents, or the loss became NaN.
    """
    found = triplets(rows)
    role = "document" if options.nce_psg else "query"
    negatives = mined_negatives(encoder, rows, found, "document", role, options.hard_negatives, how)
    columns = {name: [getattr(triplet, name) for triplet in found] for name in ("query", "document", "translation")}
    translations = [triplet.query_translation for triplet in found]
    columns["query"] = options.switched(columns["query"], translations, how["seed"])

    def loss(query: Tensor, document: Tensor, translation: Tensor, *mined: Tensor) -> Tensor:
        return objective(query, document, translation, options, mined)

    with _not_normalised(encoder.model) if options.raw else nullcontext():
        return train(
            encoder,
            columns | negatives,
            {name: ROLES_OF_TEXTS[name] for name in columns} | dict.fromkeys(negatives, role),
            [triplet.content_id for triplet in found],
            loss,
            options,
            token_term=options.token_term(("document", "translation")),
            **how,
        )
