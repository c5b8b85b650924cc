"""One alignment from a prepared run to a finished folder: audit, change the model, audit, judge, save."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from isoglot.alignment.guard import LossyError, Verdict, development_audit, judge, measures_of
from isoglot.alignment.record import read_record, verdict_of, verdict_to_record, write_record
from isoglot.alignment.request import Run
from isoglot.encoders.adapters import write_adapter
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.evaluation.results import Audit
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import new_folder, os_errors_explained, write_text


@dataclass(frozen=True)
class Trained:
    """What a method leaves besides the changed model.

    Attributes:
        losses: Step and loss.
        epochs: Epoch and measures of the development split, without those of the last; epoch 0 is the base.
        seconds: What it took, audits of epochs included, but not what an interrupted process had done before.
    """

    losses: Sequence[Mapping[str, float]] = ()
    epochs: Sequence[Mapping[str, Any]] = ()
    seconds: float = 0.0


def start(run: Run) -> Path:
    """Do what `run` says, unless it was done before, and return the finished folder.

    Raises:
        LossyError: The guard failed the model.
        IsoglotError: The output is taken or cannot be written, or training failed.
    """
    if not run.request.force:
        there = kept(run)
        if there is not None:
            return there
    _check_writable(run)
    base = _audit(run)
    for role, prompt in run.encoder.prompts.items():
        run.encoder.model.prompts[role] = prompt.text  # a family's prompt is known by a name that the new folder lacks
    trained = _change_model(run, base)
    if os.environ.get("RANK", "0") != "0":  # of several processes (torchrun) the first one saves
        return run.target
    run.encoder.name = str(run.target)
    aligned = _audit(run)
    folder = _save(run, trained, base, aligned)
    shutil.rmtree(run.working, ignore_errors=True)
    if folder == run.lossy:
        raise _lossy_error(run, verdict_of(read_record(folder) or {}, run.request.max_loss))
    return folder


def kept(run: Run) -> Path | None:
    """The folder, if it was made before by the same recipe; one that the guard failed is judged by the new bound.

    Raises:
        LossyError: The guard failed the model then and does so now.
        IsoglotError: The folder holds something else.
    """
    if run.target.exists():
        if _same_recipe(read_record(run.target), run.recipe):
            return run.target
        raise holds_something_else(run.target)
    record = read_record(run.lossy)
    if record is None or not _same_recipe(record, run.recipe):
        return None
    verdict = verdict_of(record, run.request.max_loss)
    if not verdict.passed:
        raise _lossy_error(run, verdict)
    with os_errors_explained(run.target):
        write_record(run.lossy, {**record, "verdict": verdict_to_record(verdict)})
        run.lossy.replace(run.target)
    return run.target


def holds_something_else(target: Path) -> IsoglotError:
    """The error for an output folder that another recipe, or the user, made."""
    return IsoglotError(f"{target}: holds something else; choose another folder or pass --force")


def _same_recipe(record: Mapping[str, Any] | None, recipe: Mapping[str, Any]) -> bool:
    return record is not None and {name: record.get(name) for name in recipe} == recipe


def _check_writable(run: Run) -> None:
    """Tell before a long training, not after it, that the folder cannot be written or has no room for the model."""
    there = next(parent for parent in run.target.absolute().parents if parent.exists())
    with os_errors_explained(run.target), tempfile.TemporaryFile(dir=there):
        free = shutil.disk_usage(there).free
    size = sum(weights.numel() * weights.element_size() for weights in run.encoder.model.state_dict().values())
    if free < size:
        raise IsoglotError(
            f"{run.target}: cannot write: the model takes {size >> 20} MiB and the disk has {free >> 20} MiB left"
        )
    if run.lossy.exists() and read_record(run.lossy) is None and not run.request.force:
        raise IsoglotError(f"{run.lossy}: is needed if the guard fails; move it away or pass --force")


def _audit(run: Run) -> Audit | None:
    if run.development is None:
        return None
    return development_audit(run.encoder, run.development, show_progress=run.request.show_progress)


def _change_model(run: Run, base: Audit | None) -> Trained:
    """Let the method change the encoder's model."""
    started = time.monotonic()
    method = import_module(run.method.module).run
    common = {"seed": run.seed, "show_progress": run.request.show_progress}
    if not run.method.trained:
        method(run.encoder, run.rows, run.settings, **common)
        return Trained(seconds=time.monotonic() - started)
    epochs = _Epochs(run, base)
    with os_errors_explained(run.working):
        run.working.mkdir(parents=True, exist_ok=True)
    try:
        losses = method(run.encoder, run.rows, run.settings, working=run.working, on_epoch=epochs.add, **common)
    except IsoglotError as error:
        if not isinstance(error.__cause__, OSError):  # with room on the disk the training can go on
            shutil.rmtree(run.working, ignore_errors=True)
        raise
    return Trained(losses, epochs.found, time.monotonic() - started)


@dataclass
class _Epochs:
    """The development measures after each epoch, kept in the working folder for a training that is continued."""

    run: Run
    base: Audit | None
    found: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        file = self.run.working / "epochs.jsonl"
        if file.exists():
            self.found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        elif self.base is not None:
            self.found = [{"epoch": 0, "measures": measures_of(self.base)}]

    def add(self, epoch: int) -> None:
        """Audit the model as it is after `epoch`; after the last one the finished model is audited instead."""
        if epoch >= self.run.settings.epochs:
            return
        found = _audit(self.run)
        if found is not None:
            earlier = [entry for entry in self.found if entry["epoch"] < epoch]
            self.found = [*earlier, {"epoch": epoch, "measures": measures_of(found)}]
            write_text(self.run.working / "epochs.jsonl", to_jsonl(self.found))


def _save(run: Run, trained: Trained, base: Audit | None, aligned: Audit | None) -> Path:
    """Write the folder under its name, or under another where the guard fails it."""
    record: dict[str, Any] = {
        **run.recipe,
        "summary": run.method.summary,
        "seconds": round(trained.seconds, 1),
        "measures": None,
        "verdict": None,
    }
    passed = True
    if run.development is not None and base is not None and aligned is not None:
        verdict = judge(base, aligned, run.development.golds, run.request.max_loss)
        passed = verdict.passed
        record["measures"] = {"base": measures_of(base), "aligned": measures_of(aligned)}
        record["verdict"] = verdict_to_record(verdict)
    place = run.target if passed else run.lossy
    with new_folder(place, replace=run.request.force or not passed) as folder, _full_disk_told(place):
        run.encoder.model.save_pretrained(str(folder), create_model_card=False)
        _save_training(folder, trained, run.settings, aligned)
        if getattr(run.settings, "lora", 0):
            base_encoder = load_encoder(
                run.request.model,
                device=run.request.device,
                precision="float32",
                trust_remote_code=run.request.trust_remote_code,
            )
            write_adapter(base_encoder, run.encoder, folder / "adapter.safetensors", rank=run.settings.lora)
        for name, found in (("base", base), ("aligned", aligned)):
            if found is not None:
                found.save(folder / "development" / name)
        write_record(folder, record)
    return place


def _save_training(folder: Path, trained: Trained, settings: Any, aligned: Audit | None) -> None:
    from isoglot.report.alignment import training_svg

    epochs = list(trained.epochs)
    if trained.losses and aligned is not None:
        epochs.append({"epoch": settings.epochs, "measures": measures_of(aligned)})
    for name, entries in (("losses", trained.losses), ("epochs", epochs)):
        if entries:
            (folder / f"{name}.jsonl").write_text(to_jsonl(entries), encoding="utf-8")
    if trained.losses:
        (folder / "training.svg").write_text(training_svg(trained.losses, epochs), encoding="utf-8")


@contextmanager
def _full_disk_told(target: Path) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise IsoglotError(f"{target}: cannot write the model: {error}") from error


def _lossy_error(run: Run, verdict: Verdict) -> LossyError:
    return LossyError(
        f"{verdict} on {run.recipe['development']['name']}, and a loss of {verdict.max_loss:g} is allowed; the model "
        f"is kept as {run.lossy}; try --method distill, --lora 16, a lower --learning-rate or a higher --max-loss",
        run.lossy,
        verdict,
    )


def to_jsonl(entries: Sequence[Mapping[str, Any]]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(entry) + "\n" for entry in entries)
