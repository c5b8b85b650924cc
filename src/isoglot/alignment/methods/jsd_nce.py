"""`jsd-nce`: the paper's objective, L = L_JSD + L_NCE, on triplets (q_en, p_en, p_tgt) (arXiv 2604.05684).

L_JSD pulls the softmax distributions of an English document and its translation together; L_NCE takes the translation
as anchor, its English query as positive and the batch's other English queries as negatives. What the paper leaves open
(temperatures, eps, epochs, batch, learning rate) is an option here, and its default is isoglot's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Unpack

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize
from torch import Tensor
from torch.nn import functional

from isoglot.alignment.options import JsdNceOptions
from isoglot.alignment.record import StepLoss
from isoglot.alignment.training.additions import mined_negatives, switched_queries, token_term
from isoglot.alignment.training.examples import ROLES_OF_TEXTS, triplets
from isoglot.alignment.training.objectives import info_nce, root_jsd
from isoglot.alignment.training.trainer import TrainingContext, train
from isoglot.encoders.encoder import Encoder
from isoglot.training_data.row import Row


def objective(
    query: Tensor, document: Tensor, translation: Tensor, options: JsdNceOptions, negatives: Sequence[Tensor] = ()
) -> Tensor:
    """L_JSD + L_NCE of (b, d) vectors of English queries, English documents and their translations: a scalar.

    `negatives` are further (b, d) vectors whose row i is a negative of translation i alone.
    """
    pair = (document, translation)
    first, second = pair if options.raw else (functional.normalize(vectors, dim=1) for vectors in pair)
    pull = root_jsd(first, second, temperature=options.softmax_temperature, eps=options.eps)
    positive = document if options.nce_psg else query
    contrast = info_nce(translation, positive, temperature=options.temperature, negatives=negatives)
    return options.jsd_weight * pull + options.nce_weight * contrast


@contextmanager
def _not_normalised(model: SentenceTransformer) -> Iterator[None]:
    """Inside, the model returns vectors as they were pooled, if its last module is what scales them to unit length."""
    last = model[-1]
    if not isinstance(last, Normalize):
        yield
        return
    del model[-1]
    try:
        yield
    finally:
        model.append(last)


def run(
    encoder: Encoder, rows: Sequence[Row], options: JsdNceOptions, **context: Unpack[TrainingContext]
) -> list[StepLoss]:
    """Train the encoder's model on every triplet of `rows`, and return the loss of each step.

    Raises:
        IsoglotError: No row makes a triplet, there are fewer than two contents, or the loss became NaN.
    """
    examples = triplets(rows)
    role = "document" if options.nce_psg else "query"
    negatives = mined_negatives(
        encoder,
        rows,
        examples,
        anchor_role="document",
        role=role,
        count=options.hard_negatives,
        seed=context["seed"],
        show_progress=context["show_progress"],
    )
    columns = {name: [getattr(example, name) for example in examples] for name in ("query", "document", "translation")}
    translations = [example.query_translation for example in examples]
    columns["query"] = switched_queries(options, columns["query"], translations, context["seed"])

    def loss(query: Tensor, document: Tensor, translation: Tensor, *mined: Tensor) -> Tensor:
        return objective(query, document, translation, options, mined)

    with _not_normalised(encoder.model) if options.raw else nullcontext():
        return train(
            encoder,
            columns | negatives,
            {name: ROLES_OF_TEXTS[name] for name in columns} | dict.fromkeys(negatives, role),
            [example.group for example in examples],
            loss,
            options,
            token_term=token_term(options, ("document", "translation")),
            **context,
        )
