"""Which output folders an alignment may write: new ones, and those that the same recipe made.

All checks of who owns a folder are here, so that they hold for Python and the command line alike.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from isoglot.alignment.card import write_record
from isoglot.alignment.guard import LossyError, Verdict
from isoglot.alignment.record import RECORD, AlignmentRecord, VerdictRecord, read_record, read_seeds
from isoglot.alignment.request import Run
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import check_replaceable, os_errors_explained
from isoglot.transforms.files import is_transform


def made_before(target: Path, is_same: Callable[[AlignmentRecord], bool]) -> bool:
    """Whether a folder holds a model that the same recipe made; False if it does not exist.

    Raises:
        IsoglotError: It holds something else: another recipe's model, or the user's files.
    """
    if not target.exists():
        return False
    record = read_record(target)
    if record is None or not is_same(record):
        raise IsoglotError(f"{target}: {_held(target)}; choose another folder or pass --force")
    return True


def _held(target: Path) -> str:
    """Say what a folder holds that another recipe made, or that isoglot did not."""
    record = read_record(target)
    if record is not None:
        method = record.method if record.auto is None else f"auto, which chose {record.method},"
        return f"holds an alignment with other settings ({method} of {record.base.name} on {record.data.name})"
    if read_seeds(target) is not None:
        return "holds alignments of several seeds"
    if is_transform(target):
        return "holds a transform"
    return "is not a folder of isoglot's"


def finished(run: Run) -> Path | None:
    """The folder of a run, if the same recipe made it before; a model that the guard failed is judged by the new bound.

    Raises:
        LossyError: The guard failed the model then and fails it now.
        IsoglotError: The folder holds something else.
    """
    if made_before(run.target, lambda record: record.recipe == run.recipe):
        return run.target
    record = read_record(run.lossy)
    if record is None or record.verdict is None or record.recipe != run.recipe:
        return None
    verdict = record.verdict.verdict(run.request.max_loss)
    if not verdict.passed:
        raise lossy_error(run, verdict)
    with os_errors_explained(run.target):
        write_record(run.lossy, msgspec.structs.replace(record, verdict=VerdictRecord.of(verdict)))
        run.lossy.replace(run.target)
    return run.target


def check_writable(run: Run) -> None:
    """Check before a long training, not after it, that the folder can be written and has room for the model.

    Raises:
        IsoglotError: It cannot be written, has no room, or it or the place for a model that the guard fails is taken.
    """
    if run.request.force:
        check_replaceable(run.target, RECORD)
        check_replaceable(run.lossy, RECORD)
    parent = next(folder for folder in run.target.absolute().parents if folder.exists())
    with os_errors_explained(run.target), tempfile.TemporaryFile(dir=parent):
        free = shutil.disk_usage(parent).free
    size = sum(weights.numel() * weights.element_size() for weights in run.encoder.model.state_dict().values())
    if free < size:
        raise IsoglotError(
            f"{run.target}: cannot write: the model takes {size >> 20} MiB and the disk has {free >> 20} MiB left"
        )
    if not run.request.force and run.lossy.exists() and read_record(run.lossy) is None:
        raise IsoglotError(f"{run.lossy}: is needed if the guard fails; move it away or pass --force")


def check_seeds_folder(output: Path) -> None:
    """Check that seeds are added to a folder of seeds or a new one.

    Raises:
        IsoglotError: It is a file, or holds something else than seeds.
    """
    if output.exists() and not output.is_dir():
        raise IsoglotError(f"{output}: cannot write: it is a file")
    others = [path.name for path in output.glob("*") if not path.name.lstrip(".").startswith("seed")]
    if others:
        raise IsoglotError(f"{output}: {_held(output)}; choose another folder ({sorted(others)[0]} is no seed's)")


def lossy_error(run: Run, verdict: Verdict) -> LossyError:
    """The error for a model that the guard failed and that is kept as ``OUTPUT.lossy``."""
    development = "" if run.development is None else f" on {run.development.name}"
    return LossyError(
        f"{verdict}{development}, and a loss of {verdict.max_loss:g} is allowed; the model is kept as {run.lossy}; "
        "try --method distill, --lora 16, a lower --learning-rate or a higher --max-loss",
        run.lossy,
        verdict,
    )
