"""What trained methods share: triplets, batches that hold a content once, and one run of the trainer."""

from __future__ import annotations

import math
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.sampler import DefaultBatchSampler
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from isoglot.encoders.sentence_transformer import Encoder
from isoglot.errors import IsoglotError
from isoglot.progress import progress
from isoglot.rows.row import Row


@dataclass(frozen=True)
class TrainingOptions:
    """How long and how strongly to train.

    Attributes:
        epochs: Passes over all triplets; a fraction is allowed.
        batch_size: Most contents in a batch; at least 2.
        learning_rate: Peak, with linear warm-up over a tenth of the steps and linear decay.
        max_length: Tokens at which training texts are cut.
        dropout: Whether the model's dropout is on; alignment needs none, and it doubles the time of a forward pass.
        train_embeddings: Whether the word embeddings are trained too.
    """

    epochs: float = 1.0
    batch_size: int = 32
    learning_rate: float = 5e-5
    max_length: int = 128
    dropout: bool = False
    train_embeddings: bool = False

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise IsoglotError(
                f"batch size {self.batch_size}: a batch needs at least 2 contents, else there are no negatives"
            )
        for name in ("epochs", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise IsoglotError(f"{name.replace('_', ' ')} is {getattr(self, name)}; it must be above 0 and finite")
        if self.max_length < 8:
            raise IsoglotError(f"max length is {self.max_length}; prompt and text need at least 8 tokens")


@dataclass(frozen=True)
class Triplet:
    """(q_en, p_en, p_tgt): an English query, its English document, and that document in a target language."""

    content_id: str
    query: str
    document: str
    translation: str


def triplets(rows: Sequence[Row], pivot: str = "en") -> list[Triplet]:
    """A triplet for each row with query and document in `pivot` and each of its other document languages.

    Raises:
        IsoglotError: No row has what a triplet needs.
    """
    found = [
        Triplet(row.content_id, row.query[pivot], row.document[pivot], row.document[language])
        for row in rows
        if pivot in row.query and pivot in row.document
        for language in sorted(row.document)
        if language != pivot
    ]
    if not found:
        raise IsoglotError("no row has an English query, its English document and a translation of the document")
    return found


@dataclass(frozen=True)
class Quad:
    """An English query and document, and both in a target language."""

    content_id: str
    query: str
    query_translation: str
    document: str
    translation: str


QUAD_ROLES = {"query": "query", "query_translation": "query", "document": "document", "translation": "document"}
"""A quad's texts, as columns, and what each is encoded as."""


def quads(rows: Sequence[Row], pivot: str = "en") -> list[Quad]:
    """A quad for each row and each language other than `pivot` in which both query and document are there.

    Raises:
        IsoglotError: No row has what a quad needs.
    """
    found = [
        Quad(row.content_id, row.query[pivot], row.query[language], row.document[pivot], row.document[language])
        for row in rows
        if pivot in row.query and pivot in row.document
        for language in sorted(set(row.query) & set(row.document) - {pivot})
    ]
    if not found:
        raise IsoglotError("no row has query and document both in English and in another language")
    return found


def content_batches(content_ids: Sequence[str], batch_size: int, seed: int) -> list[list[int]]:
    """Positions 0..n-1 in batches that hold each content id at most once, so that no translation is a negative.

    Each round takes one item of every content that has one left and cuts the round into batches of even size. Batches
    of a single content, which hold no negative, are left out.

    Args:
        content_ids: Of n items.
        batch_size: The largest batch.
        seed: Of the order of contents and of each content's items.
    """
    generator = random.Random(seed)
    items: dict[str, list[int]] = defaultdict(list)
    for position, content in enumerate(content_ids):
        items[content].append(position)
    for found in items.values():
        generator.shuffle(found)
    batches = []
    while items:
        contents = list(items)
        generator.shuffle(contents)
        count = -(-len(contents) // batch_size)
        for part in range(count):
            batch = [items[content].pop() for content in contents[part::count]]
            if len(batch) > 1:
                batches.append(batch)
        items = {content: left for content, left in items.items() if left}
    return batches


class ContentBatchSampler(DefaultBatchSampler):  # type: ignore[misc]
    """`content_batches` as the trainer takes them; another order in each epoch."""

    def __init__(self, content_ids: Sequence[str], batch_size: int, seed: int) -> None:
        super().__init__(range(len(content_ids)), batch_size=batch_size, drop_last=False)
        self._content_ids, self._seed = content_ids, seed

    def __iter__(self) -> Iterator[list[int]]:
        return iter(content_batches(self._content_ids, self.batch_size, self._seed + (self.epoch or 0)))

    def __len__(self) -> int:
        return len(content_batches(self._content_ids, self.batch_size, self._seed))


class EmbeddingLoss(torch.nn.Module):
    """Embeds each column of a batch and gives the embeddings, and the targets if there are any, to a pure function.

    Args:
        model: The model being trained.
        function: From the columns' (b, d) embeddings to a scalar.
        dropout: Whether the model's dropout is on.
    """

    def __init__(
        self, model: SentenceTransformer, function: Callable[..., torch.Tensor], *, dropout: bool = False
    ) -> None:
        super().__init__()
        self.model, self._function, self._dropout = model, function, dropout

    def forward(self, columns: Sequence[dict[str, Any]], labels: Any = None) -> torch.Tensor:
        """The loss of one batch."""
        self.model.train(self._dropout)
        embeddings = [self.model(column)["sentence_embedding"] for column in columns]
        return self._function(*embeddings) if labels is None else self._function(*embeddings, labels)


def train(
    encoder: Encoder,
    columns: dict[str, list[str]],
    roles: dict[str, str],
    content_ids: Sequence[str],
    function: Callable[..., torch.Tensor],
    options: TrainingOptions,
    *,
    seed: int,
    show_progress: bool,
    targets: Sequence[Sequence[float]] | None = None,
) -> list[dict[str, float]]:
    """Train the encoder's model in place; all but its weights is then as it was, even if the training stops early.

    Args:
        encoder: Its model is changed.
        columns: Name -> n texts, in the order in which `function` takes their embeddings.
        roles: Column -> ``query`` or ``document``, which decides the prompt.
        content_ids: Of the n rows.
        function: From the columns' (b, d) embeddings to a scalar loss.
        options: See `TrainingOptions`.
        seed: Of the batches and of the trainer.
        show_progress: Whether to show progress on standard error.
        targets: n rows of numbers that `function` takes as a (b, t) tensor after the embeddings; None: it takes none.

    Returns:
        Step and loss, for each step.

    Raises:
        IsoglotError: Fewer than two contents, or the loss became NaN or infinite.
    """
    from datasets import Dataset

    if len(set(content_ids)) < 2:
        raise IsoglotError("training needs at least two contents, else there are no negatives")
    model = encoder.model
    sampler = ContentBatchSampler(content_ids, options.batch_size, seed)
    watch = _Watch(show_progress)
    with tempfile.TemporaryDirectory() as folder, _prepared(encoder, options):
        trainer = _Trainer(
            model,
            SentenceTransformerTrainingArguments(
                folder,
                num_train_epochs=options.epochs,
                per_device_train_batch_size=options.batch_size,
                learning_rate=options.learning_rate,
                warmup_steps=0.1,
                lr_scheduler_type="linear",
                prompts={column: encoder.prompts[role].text for column, role in roles.items()},
                batch_sampler=lambda *args, **kwargs: sampler,
                use_cpu=model.device.type == "cpu",
                seed=seed,
                report_to="none",
                save_strategy="no",
                logging_steps=1,
                logging_nan_inf_filter=False,
                disable_tqdm=True,
                dataloader_pin_memory=False,
            ),
            train_dataset=Dataset.from_dict(columns if targets is None else {**columns, "label": targets}),
            loss=EmbeddingLoss(model, function, dropout=options.dropout),
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        with watch:
            trainer.train()
    return watch.losses


@contextmanager
def _prepared(encoder: Encoder, options: TrainingOptions) -> Iterator[None]:
    """The model with word embeddings and length as training wants them; afterwards, come what may, as it was."""
    model = encoder.model
    words = model.transformers_model.get_input_embeddings() if model.transformers_model is not None else None
    usual_length = model.max_seq_length
    usual_grad = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    if words is not None:
        words.requires_grad_(options.train_embeddings)
    model.max_seq_length = min(options.max_length, usual_length or options.max_length)
    try:
        yield
    finally:
        model.max_seq_length = usual_length
        for parameter, wanted in usual_grad:
            parameter.requires_grad_(wanted)
        model.zero_grad()
        model.eval()
        encoder.model_changed()


class _NoCard(TrainerCallback):  # type: ignore[misc]
    def __init__(self, *args: Any) -> None:
        super().__init__()


class _Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """Without the model card of sentence-transformers, for which it shows a bar: isoglot writes its own."""

    model_card_callback_class = _NoCard


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Shows progress, keeps the losses, and stops where a loss is no number."""

    def __init__(self, shown: bool) -> None:
        self.losses: list[dict[str, float]] = []
        self._shown = shown
        self._stack = ExitStack()
        self._advance: Callable[[int], None] = lambda steps: None

    def __enter__(self) -> None:
        self._stack.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._advance = self._stack.enter_context(progress("training steps", state.max_steps, shown=self._shown))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._advance(1)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            loss = float(logs["loss"])
            if loss != loss or loss in (float("inf"), float("-inf")):
                step = state.global_step
                raise IsoglotError(f"the loss became {loss} at step {step}; lower the learning rate")
            self.losses.append({"step": state.global_step, "loss": loss})
