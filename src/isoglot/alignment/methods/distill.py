"""`distill`: the model learns its own language-neutral vectors, and then needs no language tag.

teacher(x) is base(x) with its language taken out by `center` or `lir`, as fitted on the rows;
loss = scale (1 - cos(student(x), teacher(x))). isoglot's own; no parallel text is needed unless teachers are mixed or
something is added that pulls translations together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from isoglot.alignment.methods import center, lir
from isoglot.alignment.row_vectors import RowVectors, encode_rows
from isoglot.alignment.training.additions import AdditionOptions
from isoglot.alignment.training.objectives import cosine_distance, multi_positive_nce
from isoglot.alignment.training.trainer import How, train
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.prompts import ROLES
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.training_data.row import Row


@dataclass(frozen=True)
class Options(AdditionOptions):
    """Besides `AdditionOptions`:

    Attributes:
        teacher: What is learnt: the vectors of ``center`` or of ``lir`` with one direction.
        scale: Of the loss.
        nce_weight: Of InfoNCE among both languages of query and document, beside the teachers (see `nce`); 0: none.
        temperature: Of that InfoNCE.
        mix: 0: each text learns its own teacher; 1: the mean of the teachers of all its translations; between: both.
    """

    learning_rate: float = 1e-4
    teacher: str = "center"
    scale: float = 20.0
    mix: float = 0.0
    nce_weight: float = 0.0
    temperature: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.teacher not in ("center", "lir"):
            raise IsoglotError(f"unknown teacher {self.teacher!r}; choose center or lir")
        if not 0 <= self.mix <= 1:
            raise IsoglotError(f"mix is {self.mix}; it must be from 0 to 1")
        if not self.temperature > 0:
            raise IsoglotError(f"temperature is {self.temperature}; it must be above 0")

    @property
    def pairs_languages(self) -> bool:
        """Whether the loss sees a content in English and in another language at once."""
        return bool(self.nce_weight or self.token_weight or self.code_switch)


def teachers(
    rows: Sequence[Row], row_vectors: RowVectors, options: Options
) -> dict[str, dict[tuple[str, str], Vectors]]:
    """Role -> (language, text) -> the unit vector to be learnt, (d,).

    Raises:
        IsoglotError: A language has too few texts.
    """
    module = center.fit(row_vectors) if options.teacher == "center" else lir.fit(row_vectors, 1)
    own: dict[str, dict[tuple[str, str], Vectors]] = {}
    for role, pairs in row_vectors.texts.items():
        vectors = torch.from_numpy(row_vectors.vectors[role])
        neutral = module.transform(vectors, [language for language, _ in pairs], [role] * len(pairs))
        own[role] = dict(zip(pairs, neutral.numpy(), strict=True))
    if not options.mix:
        return own
    found: dict[str, dict[tuple[str, str], Vectors]] = {role: {} for role in own}
    for row in rows:
        for role, versions in (("query", row.query), ("document", row.document)):
            shared = np.mean([own[role][pair] for pair in versions.items()], axis=0)
            for pair in versions.items():
                mixed = (1 - options.mix) * own[role][pair] + options.mix * shared
                found[role][pair] = mixed / np.linalg.norm(mixed)
    return found


def objective(students: Sequence[Tensor], target: Tensor, options: Options) -> Tensor:
    """The loss of the columns' (b, d) embeddings, whose targets stand beside each other in (b, columns * d)."""
    targets = target.to(students[0]).chunk(len(students), 1)
    distances = [cosine_distance(*pair) for pair in zip(students, targets, strict=True)]
    value = options.scale * torch.stack(distances).mean()
    if options.nce_weight:
        contrast = multi_positive_nce(students[:2], students[2:], temperature=options.temperature)
        value = value + options.nce_weight * contrast
    return value


def run(encoder: Encoder, rows: Sequence[Row], options: Options, **how: Unpack[How]) -> list[dict[str, float]]:
    """Train the encoder's model on every query and its document, in each language that has both.

    Where translations are paired, an example is a row in English and in one other language.

    Raises:
        IsoglotError: No row has query and document in one language (and in English), or the loss became NaN.
    """
    examples = examples_of(rows, options)
    with encoder.cut_at(options.max_length):  # the teacher reads what the student will
        taught = teachers(rows, encode_rows(encoder, rows, show_progress=how["show_progress"]), options)
    columns, targets = columns_and_targets(examples, taught)
    if options.code_switch:
        switched = options.switched(columns["query"], columns["query_translation"], how["seed"])
        mixed = [new != old for new, old in zip(switched, columns["query"], strict=True)]
        both = targets["query"] + targets["query_translation"]
        targets["query"][mixed] = (both / np.linalg.norm(both, axis=1, keepdims=True))[mixed]
        columns["query"] = switched

    def loss(*tensors: Tensor) -> Tensor:
        *students, target = tensors
        return objective(students, target, options)

    return train(
        encoder,
        columns,
        {name: name.removesuffix("_translation") for name in columns},
        [row.content_id for row, _ in examples],
        loss,
        options,
        targets=np.concatenate(list(targets.values()), axis=1).tolist(),
        token_term=options.token_term(("document", "document_translation")),
        **how,
    )


def columns_and_targets(
    examples: Sequence[tuple[Row, tuple[str, ...]]], taught: dict[str, dict[tuple[str, str], Vectors]]
) -> tuple[dict[str, list[str]], dict[str, Vectors]]:
    """The n examples' texts by column, and the vectors that they learn, (n, d), by column."""
    columns: dict[str, list[str]] = {}
    targets: dict[str, Vectors] = {}
    for role in ROLES:
        for at, name in enumerate((role, f"{role}_translation")[: len(examples[0][1])]):
            texts = [(languages[at], getattr(row, role)[languages[at]]) for row, languages in examples]
            columns[name] = [text for _, text in texts]
            targets[name] = np.stack([taught[role][pair] for pair in texts])
    return columns, targets


def examples_of(rows: Sequence[Row], options: Options) -> list[tuple[Row, tuple[str, ...]]]:
    """Rows, each with the languages of one example.

    Raises:
        IsoglotError: No row has query and document in one language (and in English, where translations are paired).
    """
    found: list[tuple[Row, tuple[str, ...]]] = []
    for row in rows:
        complete = sorted(set(row.query) & set(row.document))
        if not options.pairs_languages:
            found += [(row, (language,)) for language in complete]
        elif "en" in complete:
            found += [(row, ("en", language)) for language in complete if language != "en"]
    if not found:
        where = "both in English and in another language" if options.pairs_languages else "in the same language"
        raise IsoglotError(f"distill: no row has its query and its document {where}")
    return found
