"""What can be added to a trained method: code-switched queries, aligned tokens, hard negatives equal over languages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from isoglot.alignment.options import AdditionOptions
from isoglot.alignment.row_vectors import encode_rows
from isoglot.alignment.training.embedding_loss import TokenTerm
from isoglot.alignment.training.examples import Example
from isoglot.alignment.training.negatives import mine
from isoglot.alignment.training.tokens import max_similarity_distance, transport_distance
from isoglot.corpora.code_switch import with_code_switching
from isoglot.encoders.encoder import Encoder
from isoglot.training_data.groups import answer_groups
from isoglot.training_data.row import Row

TOKEN_DISTANCES = {"maxsim": max_similarity_distance, "transport": transport_distance}
"""The distance of each of `isoglot.alignment.options.TOKEN_KINDS`."""


def switched_queries(
    options: AdditionOptions, queries: Sequence[str], translations: Sequence[str], seed: int
) -> list[str]:
    """The queries, of which the share `options.code_switch` is mixed with its translations."""
    return with_code_switching(queries, translations, options.code_switch, options.code_switch_level, seed)


def token_term(options: AdditionOptions, columns: tuple[str, str]) -> TokenTerm | None:
    """The weighted distance between the tokens of two columns; None if its weight is 0."""
    if not options.token_weight:
        return None
    distance = TOKEN_DISTANCES[options.token_kind]

    def weighted(first: Tensor, first_mask: Tensor, second: Tensor, second_mask: Tensor) -> Tensor:
        return options.token_weight * distance(first, first_mask, second, second_mask)

    return TokenTerm(weighted, columns)


def mined_negatives(
    encoder: Encoder,
    rows: Sequence[Row],
    examples: Sequence[Example],
    *,
    anchor_role: str,
    role: str,
    count: int,
    seed: int,
    show_progress: bool,
) -> dict[str, list[str]]:
    """Mine hard negatives for each example's English query or document, with the model as it is before training.

    Args:
        encoder: The model.
        rows: The training rows, whose texts of `role` in all their languages are the candidates.
        examples: n examples of these rows.
        anchor_role: The role of the anchors, ``query`` or ``document``.
        role: The role of the negatives.
        count: Negatives of each example; 0: none.
        seed: Random seed for the order of the languages.
        show_progress: Whether to show progress on standard error.

    Returns:
        Columns ``negative_1``, ... of n texts each.
    """
    if not count:
        return {}
    vectors = encode_rows(encoder, rows, show_progress=show_progress)
    anchors, candidate_vectors = vectors.lookup(anchor_role), vectors.lookup(role)
    groups = answer_groups(rows)
    candidates = sorted({(groups[row.content_id], *pair) for row in rows for pair in getattr(row, role).items()})
    negatives = mine(
        np.stack([anchors["en", getattr(example, anchor_role)] for example in examples]),
        [example.group for example in examples],
        np.stack([candidate_vectors[language, text] for _, language, text in candidates]),
        [group for group, _, _ in candidates],
        [language for _, language, _ in candidates],
        count=count,
        seed=seed,
    )
    texts = [text for _, _, text in candidates]
    return {
        f"negative_{number}": [texts[position] for position in column]
        for number, column in enumerate(negatives.T, start=1)
    }
