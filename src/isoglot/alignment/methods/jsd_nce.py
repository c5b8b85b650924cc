"""`jsd-nce`: the paper's objective, L = L_JSD + L_NCE, on triplets (q_en, p_en, p_tgt) (arXiv 2604.05684).

L_JSD pulls the softmax distributions of an English document and its translation together; L_NCE takes the translation
as anchor, its English query as positive and the batch's other English queries as negatives. What the paper leaves open
(temperatures, eps, epochs, batch, learning rate) is an option here, and its default is isoglot's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Unpack

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize
from torch import Tensor
from torch.nn import functional

from isoglot.alignment.options import JsdNceOptions
from isoglot.alignment.record import StepLoss
from isoglot.alignment.row_vectors import encode_rows
from isoglot.alignment.training.additions import mined_negatives, switched_queries, token_term
from isoglot.alignment.training.examples import ROLES_OF_TEXTS, Example, triplets
from isoglot.alignment.training.objectives import info_nce, root_jsd, score_distance
from isoglot.alignment.training.trainer import TrainingContext, train
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.prompts import ROLES
from isoglot.platform.arrays import Vectors
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


def anchor_distance(vectors: Mapping[str, Tensor], base: Tensor, temperature: float) -> Tensor:
    """Mean over English and the target language of `score_distance`: how far its own scores are from the base's.

    Args:
        vectors: Column -> (b, d) vectors, of each of `ROLES_OF_TEXTS`.
        base: The base's vectors of the columns, side by side in the order of `ROLES_OF_TEXTS`: (b, 4 d).
        temperature: As for `score_distance`.
    """
    of_base = dict(zip(ROLES_OF_TEXTS, base.to(vectors["query"]).chunk(len(ROLES_OF_TEXTS), 1), strict=True))
    pairs = (("query", "document"), ("query_translation", "translation"))
    distances = [
        score_distance(vectors[query], vectors[document], of_base[query], of_base[document], temperature=temperature)
        for query, document in pairs
    ]
    return torch.stack(distances).mean()


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
    targets = None
    if options.anchor:
        columns["query_translation"] = translations
        targets = _base_vectors(encoder, rows, examples, options, context["show_progress"])

    def loss(*tensors: Tensor) -> Tensor:
        vectors = dict(zip(columns, tensors, strict=False))
        rest = tensors[len(columns) :]
        mined = rest[: len(negatives)]
        found = objective(vectors["query"], vectors["document"], vectors["translation"], options, mined)
        if options.anchor:
            found = found + options.anchor * anchor_distance(vectors, rest[-1], options.temperature)
        return found

    with _not_normalised(encoder.model) if options.raw else nullcontext():
        return train(
            encoder,
            columns | negatives,
            {name: ROLES_OF_TEXTS[name] for name in columns} | dict.fromkeys(negatives, role),
            [example.group for example in examples],
            loss,
            options,
            targets=targets,
            token_term=token_term(options, ("document", "translation")),
            **context,
        )


def _base_vectors(
    encoder: Encoder, rows: Sequence[Row], examples: Sequence[Example], options: JsdNceOptions, show_progress: bool
) -> list[list[float]]:
    """The model's vectors, before training, of each example's texts, side by side in the order of `ROLES_OF_TEXTS`."""
    with encoder.cut_at(options.max_length):
        found = encode_rows(encoder, rows, show_progress=show_progress)
    by_role: dict[str, dict[str, Vectors]] = {
        role: {text: vector for (_, text), vector in found.lookup(role).items()} for role in ROLES
    }
    texts = [[by_role[role][getattr(example, name)] for name, role in ROLES_OF_TEXTS.items()] for example in examples]
    return np.concatenate(np.stack(texts, axis=1), axis=1).tolist()  # type: ignore[no-any-return]
