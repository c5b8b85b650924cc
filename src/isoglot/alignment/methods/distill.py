"""`distill`: the model learns its own language-neutral vectors, and then needs no language tag.

teacher(x) is base(x) with its language taken out by `center` or `lir`, as fitted on the rows;
loss = scale (1 - cos(student(x), teacher(x))). isoglot's own. No parallel text is needed, and no label, unless the
teachers are mixed or a term is added that pulls translations together: the documents of a corpus and spans of them do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from isoglot.alignment.corpus_texts import CorpusTexts
from isoglot.alignment.methods import center, lir
from isoglot.alignment.options import DistillOptions
from isoglot.alignment.record import StepLoss
from isoglot.alignment.row_vectors import RowVectors, encode_rows
from isoglot.alignment.training.additions import switched_queries, token_term
from isoglot.alignment.training.objectives import cosine_distance, multi_positive_nce
from isoglot.alignment.training.trainer import TrainingContext, train
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.language_modules import LanguageModule
from isoglot.encoders.prompts import ROLES
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.training_data.groups import answer_groups
from isoglot.training_data.row import Row

Teachers = dict[str, dict[tuple[str, str], Vectors]]
"""Role -> (language, text) -> the unit vector that the student learns, (d,)."""


def teachers(
    rows: Sequence[Row], row_vectors: RowVectors, options: DistillOptions, *, shrunk: bool = False
) -> Teachers:
    """The vectors that the model learns: its own, with their language taken out; `shrunk` is that of `center.fit`.

    Raises:
        IsoglotError: A language has too few texts.
    """
    if options.by_source:
        neutral: Teachers = {role: {} for role in ROLES}
        for source in dict.fromkeys(row.source for row in rows):
            of_source = row_vectors.of_rows([row for row in rows if row.source == source])
            for role, learnt in _neutral(of_source, options, shrunk=True).items():
                neutral[role] |= learnt
    else:
        neutral = _neutral(row_vectors, options, shrunk=shrunk)
    if not options.mix:
        return neutral
    blended: Teachers = {role: {} for role in neutral}
    for row in rows:
        for role, versions in (("query", row.query), ("document", row.document)):
            mean = np.mean([neutral[role][pair] for pair in versions.items()], axis=0)
            for pair in versions.items():
                blend = (1 - options.mix) * neutral[role][pair] + options.mix * mean
                blended[role][pair] = blend / np.linalg.norm(blend)
    return blended


def _neutral(row_vectors: RowVectors, options: DistillOptions, *, shrunk: bool) -> Teachers:
    """The texts' vectors with their language taken out."""
    if options.teacher == "center":
        module: LanguageModule = center.fit(row_vectors, options.query_share, shrunk=shrunk)
    else:
        module = lir.fit(row_vectors, 1)
    neutral: Teachers = {}
    for role, pairs in row_vectors.texts.items():
        vectors = torch.from_numpy(row_vectors.vectors[role])
        changed = module.transform(vectors, [language for language, _ in pairs], [role] * len(pairs))
        neutral[role] = dict(zip(pairs, changed.numpy(), strict=True))
    return neutral


def objective(students: Sequence[Tensor], targets: Tensor, options: DistillOptions) -> Tensor:
    """The loss of (b, d) vectors of each column, whose targets stand side by side in (b, columns * d)."""
    by_column = targets.to(students[0]).chunk(len(students), 1)
    distances = [cosine_distance(*pair) for pair in zip(students, by_column, strict=True)]
    loss = options.scale * torch.stack(distances).mean()
    if options.nce_weight:
        contrast = multi_positive_nce(students[:2], students[2:], temperature=options.temperature)
        loss = loss + options.nce_weight * contrast
    return loss


def run(
    encoder: Encoder, rows: Sequence[Row] | CorpusTexts, options: DistillOptions, **context: Unpack[TrainingContext]
) -> list[StepLoss]:
    """Train the encoder's model on every query and its document, in each language that has both.

    Where translations are paired, an example is a row in English and in one other language.

    Returns:
        The loss of each step.

    Raises:
        IsoglotError: No row has query and document in one language (and in English), or the loss became NaN.
    """
    shrunk = isinstance(rows, CorpusTexts)
    if isinstance(rows, CorpusTexts):
        if options.needs_rows:
            raise IsoglotError(
                "distill: a corpus without labels shows no translations; leave mix and what is added out"
            )
        rows = rows.rows
    examples, groups = examples_of(rows, options), answer_groups(rows)
    with encoder.cut_at(options.max_length):  # the teacher reads what the student will
        vectors = encode_rows(encoder, rows, show_progress=context["show_progress"])
        columns, targets = columns_and_targets(examples, teachers(rows, vectors, options, shrunk=shrunk))
    if options.code_switch:
        switched = switched_queries(options, columns["query"], columns["query_translation"], context["seed"])
        is_switched = [new != old for new, old in zip(switched, columns["query"], strict=True)]
        both = targets["query"] + targets["query_translation"]
        targets["query"][is_switched] = (both / np.linalg.norm(both, axis=1, keepdims=True))[is_switched]
        columns["query"] = switched

    def loss(*tensors: Tensor) -> Tensor:
        *students, target = tensors
        return objective(students, target, options)

    return train(
        encoder,
        columns,
        {name: name.removesuffix("_translation") for name in columns},
        [groups[row.content_id] for row, _ in examples],
        loss,
        options,
        targets=np.concatenate(list(targets.values()), axis=1).tolist(),
        token_term=token_term(options, ("document", "document_translation")),
        **context,
    )


def columns_and_targets(
    examples: Sequence[tuple[Row, tuple[str, ...]]], learnt: Teachers
) -> tuple[dict[str, list[str]], dict[str, Vectors]]:
    """The n examples' texts by column, and by column the vectors that they learn, (n, d)."""
    columns: dict[str, list[str]] = {}
    targets: dict[str, Vectors] = {}
    for role in ROLES:
        for version, name in enumerate((role, f"{role}_translation")[: len(examples[0][1])]):
            pairs = [(languages[version], getattr(row, role)[languages[version]]) for row, languages in examples]
            columns[name] = [text for _, text in pairs]
            targets[name] = np.stack([learnt[role][pair] for pair in pairs])
    return columns, targets


def examples_of(rows: Sequence[Row], options: DistillOptions) -> list[tuple[Row, tuple[str, ...]]]:
    """The training examples: rows, each with the languages that one example shows of it.

    Raises:
        IsoglotError: No row has query and document in one language (and in English, where translations are paired).
    """
    examples: list[tuple[Row, tuple[str, ...]]] = []
    for row in rows:
        complete = sorted(set(row.query) & set(row.document))
        if not options.pairs_languages:
            examples += [(row, (language,)) for language in complete]
        elif "en" in complete:
            examples += [(row, ("en", language)) for language in complete if language != "en"]
    if not examples:
        where = "both in English and in another language" if options.pairs_languages else "in the same language"
        raise IsoglotError(f"distill: no row has its query and its document {where}")
    return examples
