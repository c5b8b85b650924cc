"""isoglot's objectives as loss modules for ``SentenceTransformerTrainer``, with their data sets and their batches.

    from isoglot import losses

    trainer = SentenceTransformerTrainer(
        model,
        SentenceTransformerTrainingArguments("out", batch_sampler=losses.ContentBatches, prompts=losses.prompts(model)),
        train_dataset=losses.triplets("mini@train"),
        loss=losses.JsdNceLoss(model),
    )

As in `isoglot.align`, the model's dropout is off during training, and the defaults are those of the methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util.distributed import get_world_size
from torch import Tensor

from isoglot.alignment.methods import distill, jsd_nce
from isoglot.alignment.options import DistillOptions, JsdNceOptions, NceOptions
from isoglot.alignment.row_vectors import encode_rows
from isoglot.alignment.training.embedding_loss import EmbeddingLoss
from isoglot.alignment.training.examples import ROLES_OF_TEXTS, ContentBatchSampler, Example
from isoglot.alignment.training.examples import quads as quad_examples
from isoglot.alignment.training.examples import triplets as triplet_examples
from isoglot.alignment.training.objectives import multi_positive_nce
from isoglot.corpora.collection import Collection
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.prompts import find_prompts
from isoglot.integrations.evaluator import loaded_from
from isoglot.platform.errors import IsoglotError
from isoglot.platform.extras import needs
from isoglot.training_data.groups import answer_groups
from isoglot.training_data.loading import training_rows
from isoglot.training_data.row import Row

with needs("isoglot.losses", "train"):
    from datasets import Dataset

CONTENT = "content_id"
"""Name of the column by which `ContentBatches` batches."""


class ContentBatches(ContentBatchSampler):
    """A batch sampler in whose batches each content occurs once, so that no translation is a negative.

    Pass the class to the trainer: ``SentenceTransformerTrainingArguments(batch_sampler=ContentBatches)``. The data set
    needs a column ``content_id``, which is hidden from the model. Contents that answer one question share a number in
    that column. The trainer's seed decides the order, which differs in each epoch. NO_DUPLICATES of
    sentence-transformers compares strings, so two languages of a content may meet in its batches.

    Args:
        dataset: Data set with the column ``content_id``.
        batch_size: Largest number of examples in a batch; at least two contents are needed.
        drop_last: Ignored: the batches are of even size.
        valid_label_columns: Ignored.
        generator: Ignored.
        seed: Random seed for the order of the first epoch.

    Raises:
        IsoglotError: The column is missing, there are fewer than two contents, or several processes train.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        drop_last: bool = False,
        valid_label_columns: Sequence[str] | None = None,
        generator: torch.Generator | None = None,
        seed: int = 0,
    ) -> None:
        if CONTENT not in dataset.column_names:
            has = ", ".join(dataset.column_names)
            raise IsoglotError(f"batches by content need a column {CONTENT!r} in the data set; it has {has}")
        if get_world_size() > 1:  # accelerate would hand out whole batches, of which two may hold one content
            raise IsoglotError("several processes cannot share batches by content; train with `isoglot align`")
        super().__init__(list(dataset.with_format(None)[CONTENT]), batch_size, seed)
        if not len(self):
            raise IsoglotError("training needs at least two contents, else there are no negatives")
        shown = [column for column in dataset.column_names if column != CONTENT]
        dataset.set_format(dataset.format["type"], shown, **dataset.format["format_kwargs"])


class _ColumnsLoss(EmbeddingLoss):
    """A pure function of the vectors of some columns, and of the labels if it takes them.

    Attributes:
        column_counts: The numbers of columns that it takes.
        expects: The names of the columns, for the error message.
    """

    column_counts: tuple[int, ...]
    expects: str

    def __init__(
        self, model: SentenceTransformer, function: Callable[..., Tensor], config: dict[str, Any], mini_batch_size: int
    ) -> None:
        super().__init__(model, function, micro_batch=mini_batch_size)
        self._config = config

    def get_config_dict(self) -> dict[str, Any]:
        """The parameters that the model card shows."""
        return {**self._config, "mini_batch_size": self.mini_batch_size}

    def forward(self, columns: Sequence[dict[str, Any]], labels: Tensor | None = None) -> Tensor:
        """The loss of one batch."""
        if len(columns) not in self.column_counts:
            raise IsoglotError(
                f"{type(self).__name__} takes {self.expects}; the data set has {len(columns)} columns of text "
                f"({CONTENT} is hidden by batch_sampler=isoglot.losses.ContentBatches)"
            )
        return super().forward(columns, labels)


class JsdNceLoss(_ColumnsLoss):
    """L_JSD + L_NCE (arXiv 2604.05684), the objective of the method ``jsd-nce``.

    The columns of the data set are an English query, its English document, and that document in another language, as
    `triplets` makes them.

    Args:
        model: Model to train.
        temperature: Temperature of InfoNCE's cosine similarities.
        softmax_temperature: Temperature of the softmax over a vector's dimensions in L_JSD.
        eps: Constant inside the root of L_JSD.
        jsd_weight: Weight of L_JSD; 1 in the paper.
        nce_weight: Weight of L_NCE; 1 in the paper.
        mini_batch_size: Texts in memory at once, by GradCache (arXiv 2101.06983); 0: the whole batch.

    Raises:
        IsoglotError: A temperature or `eps` is not above 0.
    """

    column_counts = (3,)
    expects = "query, document, translation"

    def __init__(
        self,
        model: SentenceTransformer,
        *,
        temperature: float = JsdNceOptions.temperature,
        softmax_temperature: float = JsdNceOptions.softmax_temperature,
        eps: float = JsdNceOptions.eps,
        jsd_weight: float = JsdNceOptions.jsd_weight,
        nce_weight: float = JsdNceOptions.nce_weight,
        mini_batch_size: int = 0,
    ) -> None:
        config: dict[str, Any] = {
            "temperature": temperature,
            "softmax_temperature": softmax_temperature,
            "eps": eps,
            "jsd_weight": jsd_weight,
            "nce_weight": nce_weight,
        }
        options = JsdNceOptions(**config)

        def function(query: Tensor, document: Tensor, translation: Tensor) -> Tensor:
            return jsd_nce.objective(query, document, translation, options)

        super().__init__(model, function, config, mini_batch_size)

    @property
    def citation(self) -> str:
        """BibTeX of the paper."""
        return """
@inproceedings{hong2026semanticproximity,
    title = "Improving Semantic Proximity in Information Retrieval through Cross-Lingual Alignment",
    author = "Hong and Jang and Lee and Moon and Lim",
    booktitle = "International Conference on Learning Representations",
    year = "2026",
    url = "https://arxiv.org/abs/2604.05684",
}
"""


class MultiPositiveNceLoss(_ColumnsLoss):
    """InfoNCE from both versions of a query to both versions of its document, the objective of the method ``nce``.

    The columns of the data set are a query, the query in another language, the document, and the document in that
    language, as `quads` makes them. A translation is never a negative.

    Args:
        model: Model to train.
        temperature: Temperature of the cosine similarities.
        mini_batch_size: Texts in memory at once, by GradCache (arXiv 2101.06983); 0: the whole batch.

    Raises:
        IsoglotError: The temperature is not above 0.
    """

    column_counts = (4,)
    expects = "query, query_translation, document, translation"

    def __init__(
        self, model: SentenceTransformer, *, temperature: float = NceOptions.temperature, mini_batch_size: int = 0
    ) -> None:
        config: dict[str, Any] = {"temperature": temperature}
        options = NceOptions(**config)

        def function(*vectors: Tensor) -> Tensor:
            return multi_positive_nce(vectors[:2], vectors[2:], temperature=options.temperature)

        super().__init__(model, function, config, mini_batch_size)

    @property
    def citation(self) -> str:
        """BibTeX of InfoNCE."""
        return """
@misc{oord2019representation,
    title = "Representation Learning with Contrastive Predictive Coding",
    author = "Aaron van den Oord and Yazhe Li and Oriol Vinyals",
    year = "2019",
    eprint = "1807.03748",
    archivePrefix = "arXiv",
}
"""


class DistillLoss(_ColumnsLoss):
    """Distance from language-neutral teachers, plus weighted InfoNCE: the objective of the method ``distill``.

    The loss is scale x (1 - cosine of the vector and its teacher), and nce_weight x InfoNCE. The columns of the data
    set and its label, the teachers' vectors, are those that `taught` makes. isoglot's own.

    Args:
        model: Model to train.
        scale: Factor of the distance.
        nce_weight: Weight of InfoNCE among both languages of query and document; 0: none.
        temperature: Temperature of that InfoNCE.
        mini_batch_size: Texts in memory at once, by GradCache (arXiv 2101.06983); 0: the whole batch.

    Raises:
        IsoglotError: The temperature is not above 0.
    """

    expects = "query and document, or query, query_translation, document, document_translation, which nce_weight needs"

    def __init__(
        self,
        model: SentenceTransformer,
        *,
        scale: float = DistillOptions.scale,
        nce_weight: float = DistillOptions.nce_weight,
        temperature: float = DistillOptions.temperature,
        mini_batch_size: int = 0,
    ) -> None:
        config: dict[str, Any] = {"scale": scale, "nce_weight": nce_weight, "temperature": temperature}
        options = DistillOptions(**config)

        def function(*tensors: Tensor) -> Tensor:
            return distill.objective(tensors[:-1], tensors[-1], options)

        super().__init__(model, function, config, mini_batch_size)
        self.column_counts = (4,) if nce_weight else (2, 4)

    def forward(self, columns: Sequence[dict[str, Any]], labels: Tensor | None = None) -> Tensor:
        """The loss of one batch."""
        if labels is None:
            raise IsoglotError(
                "DistillLoss needs the teachers' vectors as column 'label'; isoglot.losses.taught adds it"
            )
        return super().forward(columns, labels)


def triplets(data: str | Path | Collection | Sequence[Row]) -> Dataset:
    """Make the data set of `JsdNceLoss`, with the columns query, document, translation, content_id.

    Args:
        data: Training rows as for `isoglot.training_rows`, which can also choose languages, as in
            ``training_rows("rows.jsonl", per_row=1)``.

    Returns:
        One example for each row and language besides English.

    Raises:
        IsoglotError: No row has an English query, its document and a translation of that.
    """
    return _dataset(triplet_examples(training_rows(data)), ("query", "document", "translation"))


def quads(data: str | Path | Collection | Sequence[Row]) -> Dataset:
    """Make the data set of `MultiPositiveNceLoss`, with query, query_translation, document, translation, content_id.

    Args:
        data: Training rows as for `triplets`.

    Raises:
        IsoglotError: No row has query and document both in English and in another language.
    """
    return _dataset(quad_examples(training_rows(data)), tuple(ROLES_OF_TEXTS))


def taught(
    model: SentenceTransformer,
    data: str | Path | Collection | Sequence[Row],
    *,
    teacher: str = DistillOptions.teacher,
    mix: float = DistillOptions.mix,
    paired: bool = False,
    chosen: Mapping[str, str] | None = None,
) -> Dataset:
    """Make the data set of `DistillLoss`, with the columns query, document, label, content_id.

    Args:
        model: Model before training; its vectors, with their language removed, are the teachers.
        data: Training rows as for `triplets`.
        teacher: Method that removes the language: ``center`` or ``lir``.
        mix: Share of the mean over all translations in a text's teacher, 0 (its own vector) to 1.
        paired: Whether an example is in English and in another language, with the columns query, query_translation,
            document, document_translation; ``nce_weight`` needs it.
        chosen: As for `prompts`.

    Raises:
        IsoglotError: No row has query and document in one language (and in English, if `paired`), a language has too
            few texts, or an option is out of its range.
    """
    rows = training_rows(data)
    options = DistillOptions(teacher=teacher, mix=mix, nce_weight=float(paired))
    examples = distill.examples_of(rows, options)
    vectors = encode_rows(Encoder(model, loaded_from(model), chosen), rows, show_progress=True)
    columns, targets = distill.columns_and_targets(examples, distill.teachers(rows, vectors, options))
    labels = np.concatenate(list(targets.values()), axis=1).tolist()
    groups = answer_groups(rows)
    return Dataset.from_dict(
        {**columns, "label": labels, CONTENT: _numbered([groups[row.content_id] for row, _ in examples])}
    )


def prompts(model: SentenceTransformer, chosen: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the prompt of each column of these data sets, for the trainer's argument ``prompts``.

    Args:
        model: Model to train.
        chosen: Role (``query``, ``document``) -> the prompt's text, or its name in the model; None: the model's own.

    Returns:
        Column -> prompt.

    Raises:
        IsoglotError: The model has no prompt of a chosen name.
    """
    by_role = find_prompts(loaded_from(model), model.prompts, chosen)
    roles = ROLES_OF_TEXTS | {"document_translation": "document"}
    return {column: by_role[role].text for column, role in roles.items()}


def _dataset(examples: Sequence[Example], columns: Sequence[str]) -> Dataset:
    texts = {name: [getattr(example, name) for example in examples] for name in columns}
    return Dataset.from_dict({**texts, CONTENT: _numbered([example.group for example in examples])})


def _numbered(contents: Sequence[str]) -> list[int]:
    """A number for each content.

    The trainer's model card would show ids that are text among its example sentences.
    """
    numbers = {content: number for number, content in enumerate(dict.fromkeys(contents))}
    return [numbers[content] for content in contents]
