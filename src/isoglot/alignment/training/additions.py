"""What can be added to a trained method: code-switched queries, aligned tokens, hard negatives equal over languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from isoglot.alignment.row_vectors import encode_rows
from isoglot.alignment.training import code_switch, tokens
from isoglot.alignment.training.embedding_loss import TokenTerm
from isoglot.alignment.training.examples import Example
from isoglot.alignment.training.negatives import mine
from isoglot.alignment.training.trainer import How, TrainingOptions
from isoglot.encoders.encoder import Encoder
from isoglot.platform.errors import IsoglotError
from isoglot.training_data.row import Row

TOKEN_DISTANCES = {"maxsim": tokens.max_similarity_distance, "transport": tokens.transport_distance}


@dataclass(frozen=True)
class AdditionOptions(TrainingOptions):
    """Besides `TrainingOptions`:

    Attributes:
        code_switch: Share of the English queries that are replaced by a mix of them and their translation.
        code_switch_level: What is mixed: ``clause`` or ``word``; see `isoglot.alignment.training.code_switch`.
        token_weight: Of the distance between the tokens of a document and of its translation; 0: not computed.
        token_kind: That distance: ``maxsim`` or ``transport``; see `isoglot.alignment.training.tokens`.
    """

    code_switch: float = 0.0
    code_switch_level: str = "clause"
    token_weight: float = 0.0
    token_kind: str = "maxsim"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.code_switch <= 1:
            raise IsoglotError(f"code switch is {self.code_switch}; it is a share from 0 to 1")
        if self.code_switch_level not in code_switch.LEVELS:
            raise IsoglotError(
                f"unknown code switch level {self.code_switch_level!r}; choose {' or '.join(code_switch.LEVELS)}"
            )
        if self.token_kind not in TOKEN_DISTANCES:
            raise IsoglotError(f"unknown token kind {self.token_kind!r}; choose {' or '.join(TOKEN_DISTANCES)}")

    def switched(self, queries: Sequence[str], translations: Sequence[str], seed: int) -> list[str]:
        """The queries, a share of them mixed with their translations."""
        return code_switch.with_code_switching(queries, translations, self.code_switch, self.code_switch_level, seed)

    def token_term(self, columns: tuple[str, str]) -> TokenTerm | None:
        """The weighted distance between the tokens of two columns; None if its weight is 0."""
        if not self.token_weight:
            return None
        distance = TOKEN_DISTANCES[self.token_kind]

        def term(first: Tensor, first_mask: Tensor, second: Tensor, second_mask: Tensor) -> Tensor:
            return self.token_weight * distance(first, first_mask, second, second_mask)

        return TokenTerm(term, columns)


def mined_negatives(
    encoder: Encoder,
    rows: Sequence[Row],
    examples: Sequence[Example],
    anchor_role: str,
    role: str,
    count: int,
    how: How,
) -> dict[str, list[str]]:
    """Hard negatives of each example's English query or document, found with the model as it is before training.

    Args:
        encoder: The model.
        rows: Whose texts of `role`, in all their languages, are the candidates.
        examples: n, of the same rows.
        anchor_role: What the anchors are: ``query`` or ``document``.
        role: What the negatives are.
        count: Of each example; 0: none.
        how: With the seed of the languages' order.

    Returns:
        Columns ``negative_1``, ... of n texts each.
    """
    if not count:
        return {}
    vectors = encode_rows(encoder, rows, show_progress=how["show_progress"])
    anchors, candidate_vectors = vectors.lookup(anchor_role), vectors.lookup(role)
    candidates = sorted({(row.content_id, *pair) for row in rows for pair in getattr(row, role).items()})
    found = mine(
        np.stack([anchors["en", getattr(example, anchor_role)] for example in examples]),
        [example.content_id for example in examples],
        np.stack([candidate_vectors[language, text] for _, language, text in candidates]),
        [content for content, _, _ in candidates],
        [language for _, language, _ in candidates],
        count=count,
        seed=how["seed"],
    )
    return {f"negative_{at + 1}": [candidates[one][2] for one in column] for at, column in enumerate(found.T)}
