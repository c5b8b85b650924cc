"""One run of the trainer: which part of a model is trained, by how many processes, and how it continues if stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import torch
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import Pooling
from torch.utils.data import DataLoader
from transformers import TrainerCallback
from transformers.integrations.integration_utils import default_logdir, get_reporting_integration_callbacks
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from isoglot.alignment.options import TrainingOptions
from isoglot.alignment.record import StepLoss
from isoglot.alignment.training.checkpoints import Checkpoints
from isoglot.alignment.training.embedding_loss import EmbeddingLoss, TokenTerm
from isoglot.alignment.training.examples import ContentBatchSampler
from isoglot.alignment.training.lora import low_rank
from isoglot.encoders.adapters import top_layers
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.modules import transformers_of
from isoglot.encoders.tokenizers import NO_LIMIT
from isoglot.platform.errors import IsoglotError
from isoglot.platform.extras import needs
from isoglot.platform.progress import progress

logger = logging.getLogger(__name__)


class TrainingContext(TypedDict):
    """The arguments of `train` that a method's ``run`` takes and passes on."""

    seed: int
    show_progress: bool
    working: NotRequired[Path | None]
    on_epoch: NotRequired[Callable[[int], None] | None]


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
    token_term: TokenTerm | None = None,
    working: Path | None = None,
    on_epoch: Callable[[int], None] | None = None,
) -> list[StepLoss]:
    """Train the encoder's model in place; everything but its weights is restored, even if the training stops early.

    Under ``torchrun`` all processes train one model on the joint batches; each ends with the same weights.

    Args:
        encoder: The encoder whose model is changed.
        columns: Column -> n texts, in the order in which `function` takes their vectors.
        roles: Column -> ``query`` or ``document``, which decides the prompt.
        content_ids: The content of each of the n examples.
        function: The loss: a function of the columns' (b, d) vectors that returns a scalar.
        options: The options of the training.
        seed: Random seed for the batches and the trainer.
        show_progress: Whether to show progress on standard error.
        targets: n lists of t numbers, which `function` takes as a (b, t) tensor after the vectors; None: it takes none.
        token_term: A term of the loss that sees tokens; not with `micro_batch`.
        working: A folder of this run alone, for its checkpoint. If it holds one, training continues from it, and ends
            with the weights of an uninterrupted run; the caller removes the folder. None: no checkpoints.
        on_epoch: A function that the first process calls after each epoch with its number, from 1, while the model is
            as for use. After an interruption it is not called again for epochs before the checkpoint.

    Returns:
        The loss of each step, those before an interruption included.

    Raises:
        IsoglotError: There are fewer than two contents, the model pools otherwise than by mean or CLS, options do not
            fit it, the tracker cannot be loaded, or the loss became NaN or infinite.
    """
    from datasets import Dataset

    if len(set(content_ids)) < 2:
        raise IsoglotError("training needs at least two contents, else there are no negatives")
    if token_term is not None and options.micro_batch:
        raise IsoglotError("a token-level term and micro batch do not go together: leave out one of them")
    check_trainable(encoder)
    trackers = _trackers(options.report_to)
    model = encoder.model
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        arguments = _arguments(folder, options, encoder, roles, seed)
        processes, process = arguments.world_size, arguments.process_index
        sampler = _sampler(content_ids, options.batch_size, seed, processes, process)
        checkpoints = None
        if working is not None:
            run = [encoder.fingerprint, repr(options), seed, processes, columns, list(content_ids)]
            checkpoints = Checkpoints(working, hashlib.sha256(json.dumps(run).encode()).hexdigest())
        stack.enter_context(_prepared(encoder, options, seed))
        watch = stack.enter_context(_Watch(encoder, sampler, checkpoints, on_epoch, show_progress and not process))
        loss = EmbeddingLoss(
            model,
            function,
            dropout=options.dropout,
            micro_batch=options.micro_batch,
            token_term=token_term,
            names=list(columns),
        )
        examples = Dataset.from_dict(columns if targets is None else {**columns, "label": targets})
        trainer = _Trainer(model, arguments, train_dataset=examples, loss=loss, callbacks=[watch, *trackers])
        trainer.sampler, trainer.checkpoints = sampler, checkpoints
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        resumed = checkpoints is not None and checkpoints.state is not None
        if checkpoints is not None and checkpoints.state is not None:
            Path(folder, TRAINER_STATE_NAME).write_text(json.dumps(checkpoints.state), encoding="utf-8", newline="\n")
        trainer.train(resume_from_checkpoint=folder if resumed else None)
        return [StepLoss(log["step"], log["loss"]) for log in trainer.state.log_history if "loss" in log]


def _arguments(
    folder: str, options: TrainingOptions, encoder: Encoder, roles: dict[str, str], seed: int
) -> SentenceTransformerTrainingArguments:
    """The trainer's arguments; `folder` is for its own files, which are not kept."""
    has_routes = any(isinstance(module, Router) for module in encoder.model)
    return SentenceTransformerTrainingArguments(
        folder,
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=0.1,
        lr_scheduler_type="linear",
        prompts={column: encoder.prompts[role].text for column, role in roles.items()},
        router_mapping=roles if has_routes else {},
        use_cpu=encoder.model.device.type == "cpu",
        seed=seed,
        report_to="none",
        save_strategy="no",
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )


def _sampler(
    content_ids: Sequence[str], batch_size: int, seed: int, processes: int, process: int
) -> ContentBatchSampler:
    if batch_size < processes:
        raise IsoglotError(f"batch size {batch_size}: {processes} processes need at least one content each")
    sampler = ContentBatchSampler(content_ids, batch_size, seed, processes=processes, process=process)
    if not len(sampler):
        raise IsoglotError(f"{len(set(content_ids))} contents are too few for {processes} processes")
    if processes > 1 and process == 0 and sampler.left_out:
        logger.info(
            "%d of %d examples are left out of each epoch, so that batches divide by %d processes",
            sampler.left_out,
            len(content_ids),
            processes,
        )
    return sampler


def check_trainable(encoder: Encoder) -> None:
    """Refuse poolings on which the objectives were never tried: all but mean and CLS, on every route of a Router.

    Raises:
        IsoglotError: The model has another pooling, none, or no weights that can be trained.
    """
    with needs("training", "train"):
        import accelerate  # noqa: F401
        import datasets  # noqa: F401
        import peft  # noqa: F401
        import vl_convert  # noqa: F401
    routers = [module for module in encoder.model if isinstance(module, Router)]
    routes = [[*route] for router in routers for route in router.sub_modules.values()] or [[]]
    for route in routes:
        poolings = [module for module in (*encoder.model, *route) if isinstance(module, Pooling)]
        modes = poolings[0].pooling_mode if poolings else []
        if modes not in ("mean", "cls"):
            names = modes if isinstance(modes, str) else "+".join(modes)
            actual = f"pools by {names}" if poolings else "has no pooling"
            raise IsoglotError(f"{encoder.name}: {actual}; training needs a model that pools by mean or CLS")
    if not any(weights.requires_grad for weights in encoder.model.parameters()):
        raise IsoglotError(f"{encoder.name}: all its weights are frozen; choose a method without training")


def _trackers(name: str) -> list[TrainerCallback]:
    try:
        trackers = [kind() for kind in get_reporting_integration_callbacks(name)]
    except (ValueError, RuntimeError, ImportError) as error:
        raise IsoglotError(f"report to {name!r}: {str(error).splitlines()[0]}") from error
    for tracker in trackers:
        if getattr(tracker, "logging_dir", "") is None:
            tracker.logging_dir = default_logdir()  # else tensorboard's curve goes into the trainer's temporary folder
    return trackers


@contextmanager
def _prepared(encoder: Encoder, options: TrainingOptions, seed: int) -> Iterator[None]:
    """Inside, the model has the frozen parts, low-rank factors and length that training needs; then all is undone."""
    model = encoder.model
    usual_grad = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        _freeze(model, options)
        with (
            encoder.cut_at(options.max_length),
            low_rank(model, options.lora, options.layers, seed) if options.lora else nullcontext(),
        ):
            yield
    finally:
        for parameter, had_grad in usual_grad:
            parameter.requires_grad_(had_grad)
        model.zero_grad()
        model.eval()
        encoder.model_changed()


def _freeze(model: SentenceTransformer, options: TrainingOptions) -> None:
    if options.layers:
        trained = {id(weight) for layer in top_layers(model, options.layers).values() for weight in layer.parameters()}
        for weight in model.transformers_model.parameters():
            if id(weight) not in trained:
                weight.requires_grad_(False)
    elif not options.train_embeddings:
        for transformer in transformers_of(model):
            transformer.get_input_embeddings().requires_grad_(False)


class _NoCard(TrainerCallback):  # type: ignore[misc]
    def __init__(self, *args: Any) -> None:
        super().__init__()


class _Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """A trainer with isoglot's checkpoints, which hold no pickle, and without a model card, which would show a bar."""

    model_card_callback_class = _NoCard
    sampler: ContentBatchSampler
    checkpoints: Checkpoints | None

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches that accelerate did not prepare: it would divide the part of each process among them once more."""
        return DataLoader(self.train_dataset, batch_sampler=self.sampler, collate_fn=self.data_collator)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self.checkpoints is not None and self.is_world_process_zero():
            self.checkpoints.write(self.model, self.optimizer, self.lr_scheduler, dataclasses.asdict(self.state))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.checkpoints is not None:
            self.checkpoints.restore_weights(self.model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if self.checkpoints is not None and checkpoint is not None:
            self.checkpoints.restore_optimizer(self.optimizer, self.lr_scheduler)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Do nothing: every step seeds the generators anew."""


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Shows progress, asks for checkpoints, calls `on_epoch`, and stops the training where a loss is not finite."""

    def __init__(
        self,
        encoder: Encoder,
        sampler: ContentBatchSampler,
        checkpoints: Checkpoints | None,
        on_epoch: Callable[[int], None] | None,
        shown: bool,
    ) -> None:
        self._encoder, self._sampler, self._checkpoints, self._on_epoch = encoder, sampler, checkpoints, on_epoch
        self._shown = shown
        self._stack = ExitStack()
        self._advance: Callable[[int], None] = lambda steps: None

    def __enter__(self) -> _Watch:
        self._stack.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._advance = self._stack.enter_context(progress("training steps", state.max_steps, show=self._shown))
        if state.global_step and state.is_world_process_zero:
            logger.info("training continues after step %d of %d", state.global_step, state.max_steps)
        self._advance(state.global_step)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._sampler.set_epoch(int(state.epoch))

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # dropout depends on the step alone, so that a training that continues needs no generator's state
        torch.manual_seed(random.Random(f"{args.seed} {state.global_step} {args.process_index}").getrandbits(63))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._advance(1)
        if not float(state.epoch).is_integer():  # an epoch's last checkpoint is written after `on_epoch`
            self._save_if_due(state, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._on_epoch is not None and state.is_world_process_zero:
            with _as_for_use(self._encoder):
                self._on_epoch(math.ceil(state.epoch))
        self._save_if_due(state, control)

    def _save_if_due(self, state: Any, control: Any) -> None:
        ended = state.global_step >= state.max_steps  # from there the trainer would take one more step
        if self._checkpoints is not None and self._checkpoints.due and not ended:
            control.should_save = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if logs and not math.isfinite(loss := float(logs.get("loss", 0.0))):
            raise IsoglotError(f"the loss became {loss} at step {state.global_step}; lower the learning rate")


@contextmanager
def _as_for_use(encoder: Encoder) -> Iterator[None]:
    training = encoder.model.training
    encoder.model.eval()
    encoder.model_changed()
    try:
        with encoder.cut_at(NO_LIMIT):
            yield
    finally:
        encoder.model.train(training)
