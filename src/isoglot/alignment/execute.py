"""One alignment from a prepared run to a finished folder: audit, change the model, audit, judge, save."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from isoglot.alignment.card import DEVELOPMENT, write_record
from isoglot.alignment.guard import Verdict, development_audit, judge, measures_of
from isoglot.alignment.keep_scale import keep_scale
from isoglot.alignment.output import check_writable, finished, lossy_error
from isoglot.alignment.record import (
    EPOCHS,
    LOSSES,
    RECORD,
    AlignmentRecord,
    EpochMeasures,
    MeasuresRecord,
    SimilaritiesRecord,
    StepLoss,
    VerdictRecord,
    read_epochs,
    to_jsonl,
)
from isoglot.alignment.request import Run
from isoglot.alignment.row_vectors import encode_rows
from isoglot.alignment.training_plot import training_svg
from isoglot.corpora.collection import Collection
from isoglot.encoders.adapters import write_adapter
from isoglot.encoders.sentence_transformer import load_encoder, load_model
from isoglot.evaluation.results import Audit
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import locked, new_folder, os_errors_explained, write_text


@dataclass(frozen=True)
class Trained:
    """What a method leaves besides the changed model.

    Attributes:
        losses: The loss of each step.
        epochs: The measures after each epoch but the last.
        seconds: The time it took, audits of epochs included, without that of an earlier, interrupted process.
    """

    losses: Sequence[StepLoss] = ()
    epochs: Sequence[EpochMeasures] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Audits:
    """The audits on the development split, and what came of them.

    Attributes:
        base: The audit of the base.
        aligned: The audit of the aligned model as it is saved.
        verdict: The guard's verdict.
        common_share: As `AlignmentRecord.common_share`.
    """

    base: Audit
    aligned: Audit
    verdict: Verdict
    common_share: float | None


def execute(run: Run) -> Path:
    """Do what `run` says, unless it was done before, and return the finished folder.

    Raises:
        LossyError: The guard failed the model.
        IsoglotError: The output is taken or cannot be written, or training failed.
    """
    if not run.request.force:
        folder = finished(run)
        if folder is not None:
            return folder
    check_writable(run)
    if run.method.trained:
        from isoglot.alignment.training.trainer import check_trainable

        check_trainable(run.encoder)
    with _alone(run):
        folder = None if run.request.force else finished(run)  # another process may have made it meanwhile
        return folder or _make(run)


@contextmanager
def _alone(run: Run) -> Iterator[None]:
    """Let no second process train into the same folder; the processes of one torchrun do, together."""
    if not run.method.trained or "RANK" in os.environ:
        yield
        return
    lock = run.working.with_name(f"{run.working.name}.lock")
    with locked(lock, f"{run.target}: waiting for another process that trains it"):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _make(run: Run) -> Path:
    """Change the model, judge it and save it."""
    base = _audit(run)
    for role, prompt in run.encoder.prompts.items():
        run.encoder.model.prompts[role] = prompt.text  # a family's prompt is found by a name that the new folder lacks
    trained = _change_model(run, base)
    if os.environ.get("RANK", "0") != "0":  # of several processes (torchrun) the first one saves
        return run.target
    run.encoder.name = str(run.target)
    audits = _audits(run, base)
    verdict = None if audits is None else audits.verdict
    passed = verdict is None or verdict.passed
    folder = run.target if passed else run.lossy
    replaces = RECORD if run.request.force or not passed else None
    with new_folder(folder, replaces=replaces) as beside, _model_errors_explained(folder):
        _save(beside, run, trained, audits)
    shutil.rmtree(run.working, ignore_errors=True)
    if verdict is not None and not verdict.passed:
        raise lossy_error(run, verdict)
    return folder


def _audit(run: Run) -> Audit | None:
    if run.development is None:
        return None
    return _development_audit(run, run.development)


def _development_audit(run: Run, development: Collection) -> Audit:
    return development_audit(run.encoder, development, goal=run.request.goal, show_progress=run.request.show_progress)


def _audits(run: Run, base: Audit | None) -> Audits | None:
    """Audit the aligned model, with the scale of its base if that is to be kept, and judge it."""
    aligned = _audit(run)
    if run.development is None or base is None or aligned is None:
        return None
    common_share = None
    if run.request.keep_scale:
        common_share = keep_scale(run.encoder, base.similarities, aligned.similarities)
    if common_share is not None:
        aligned = _development_audit(run, run.development)
    verdict = judge(base, aligned, run.development.golds, run.request.max_loss)
    return Audits(base, aligned, verdict, common_share)


def _change_model(run: Run, base: Audit | None) -> Trained:
    """Let the method change the encoder's model."""
    started = time.monotonic()
    show_progress = run.request.show_progress
    if not run.method.trained:
        row_vectors = encode_rows(run.encoder, run.rows, show_progress=show_progress)
        run.encoder.append(*run.method.modules(row_vectors, run.rows, run.options))
        return Trained(seconds=time.monotonic() - started)
    run.encoder.make_explicit()  # so that the teachers' vectors are of the students' dimension
    epochs = _Epochs(run, base)
    with os_errors_explained(run.working):
        run.working.mkdir(parents=True, exist_ok=True)
    try:
        losses = run.method.train(
            run.encoder,
            run.rows,
            run.options,
            seed=run.seed,
            show_progress=show_progress,
            working=run.working,
            on_epoch=epochs.add,
        )
    except IsoglotError as error:
        if not isinstance(error.__cause__, OSError):  # with room on the disk the training can go on
            shutil.rmtree(run.working, ignore_errors=True)
        raise
    return Trained(losses, epochs.measured, time.monotonic() - started)


@dataclass
class _Epochs:
    """The development measures after each epoch, kept in the working folder for a training that is continued.

    Attributes:
        run: The run.
        base: The audit of the base; None: there is no development split.
        measured: The measures so far, those of the base as epoch 0.
    """

    run: Run
    base: Audit | None
    measured: list[EpochMeasures] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.measured = read_epochs(self.run.working)
        if not self.measured and self.base is not None:
            self.measured = [EpochMeasures(0, measures_of(self.base))]

    def add(self, epoch: int) -> None:
        """Audit the model as it is after `epoch`; after the last one the finished model is audited instead."""
        if epoch >= self.run.options.epochs:
            return
        audited = _audit(self.run)
        if audited is not None:
            earlier = [entry for entry in self.measured if entry.epoch < epoch]
            self.measured = [*earlier, EpochMeasures(epoch, measures_of(audited))]
            write_text(self.run.working / EPOCHS, to_jsonl(self.measured))


def _save(folder: Path, run: Run, trained: Trained, audits: Audits | None) -> None:
    """Write everything that the finished folder holds."""
    run.encoder.model.save_pretrained(str(folder), create_model_card=False)
    for code in folder.glob("[0-9]*_*/*.py"):  # a module's own, which is looked for beside modules.json
        code.rename(folder / code.name)
    if run.request.trust_remote_code:
        _check_loads(folder, run)
    _save_training(folder, trained, run.options, None if audits is None else audits.aligned)
    if getattr(run.options, "lora", 0):
        request = run.request
        base_encoder = load_encoder(
            request.model,
            device=request.device,
            precision="float32",
            trust_remote_code=request.trust_remote_code,
            prompts=request.prompts,
        )
        write_adapter(base_encoder, run.encoder, folder / "adapter.safetensors", rank=run.options.lora)
    record = AlignmentRecord(
        **msgspec.structs.asdict(run.recipe), summary=run.method.summary, seconds=round(trained.seconds, 1)
    )
    if audits is not None:
        audits.base.save(folder / DEVELOPMENT / "base")
        audits.aligned.save(folder / DEVELOPMENT / "aligned")
        record = msgspec.structs.replace(
            record,
            measures=MeasuresRecord(measures_of(audits.base), measures_of(audits.aligned)),
            verdict=VerdictRecord.of(audits.verdict),
            similarities=_similarities(audits),
            common_share=audits.common_share,
        )
    write_record(folder, record)


def _check_loads(folder: Path, run: Run) -> None:
    """Refuse a model whose own code was not saved where it is looked for."""
    try:
        load_model(str(folder), device="cpu", trust_remote_code=True)
    except IsoglotError as error:
        reason = str(error).replace(str(folder), "the saved model")
        raise IsoglotError(
            f"{run.target}: {run.request.model} has code that cannot be saved with it: {reason}"
        ) from error


def _similarities(audits: Audits) -> SimilaritiesRecord | None:
    before, after = audits.base.similarities, audits.aligned.similarities
    return None if before is None or after is None else SimilaritiesRecord(before, after)


def _save_training(folder: Path, trained: Trained, options: Any, aligned: Audit | None) -> None:
    if not trained.losses:
        return
    epochs = list(trained.epochs)
    if aligned is not None:
        epochs.append(EpochMeasures(options.epochs, measures_of(aligned)))
    (folder / LOSSES).write_text(to_jsonl(trained.losses), encoding="utf-8", newline="\n")
    if epochs:
        (folder / EPOCHS).write_text(to_jsonl(epochs), encoding="utf-8", newline="\n")
    (folder / "training.svg").write_text(training_svg(trained.losses, epochs), encoding="utf-8", newline="\n")


@contextmanager
def _model_errors_explained(target: Path) -> Iterator[None]:
    """Turn what safetensors raises on a full disk into an IsoglotError that names `target`."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise IsoglotError(f"{target}: cannot write the model: {error}") from error
