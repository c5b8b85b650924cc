"""Calibration of an index: vectors that rank by meaning, beside those that the index has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from isoglot.alignment.run import align
from isoglot.indexing.store import Index
from isoglot.indexing.tables import is_remote
from isoglot.indexing.update import add_model
from isoglot.platform.errors import IsoglotError
from isoglot.transforms.files import is_transform

SUFFIX = "+calibrated"
"""What the index calls a calibrated model, after the name of its base."""


def calibrate_index(
    folder: str | Path,
    models: Sequence[str] | None = None,
    *,
    queries: str | Path | None = None,
    device: str = "auto",
    trust_remote_code: bool = False,
    show_progress: bool = False,
) -> dict[str, Path]:
    """Fit `center` on an index's own passages, and store the centered vectors beside the plain ones.

    No passage is encoded: means and vectors are computed from those that the index has. The fitted models are kept in
    the folder ``models`` inside the index; called again, they are fitted anew.

    Args:
        folder: The index, in a folder of this machine.
        models: Models of the index; None: all that are not calibrated ones.
        queries: A file of questions that people asked; None: spans of passages stand in.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside a model's repository may run.
        show_progress: Whether to show progress on standard error.

    Returns:
        Name of a calibrated model, such as ``e5-small-q4+calibrated`` -> its folder.

    Raises:
        LossyError: A calibrated model certainly finds less in its own language; its vectors are not stored.
        IsoglotError: The index is on object storage, or has no such model.
    """
    if is_remote(str(folder)):
        raise IsoglotError(f"{folder}: is not on this machine; align the model with --data and add it with -m")
    snapshot = Index(folder).snapshot()
    names = models or [model.name for model in snapshot.models if not model.name.endswith(SUFFIX)]
    calibrated = {}
    for stored in map(snapshot.model, names):
        name = stored.name + SUFFIX
        target = Path(folder) / "models" / re.sub(r"[^\w.+-]+", "-", name)
        align(
            stored.path,
            None,
            f"index:{folder}",
            target,
            queries=queries,
            prompts=stored.prompts,
            device=device,
            force=True,
            trust_remote_code=trust_remote_code,
            show_progress=show_progress,
        )
        path = f"{stored.path}+{target}" if is_transform(target) else str(target)
        add_model(folder, name, path, device=device, trust_remote_code=trust_remote_code, show_progress=show_progress)
        calibrated[name] = target
    return calibrated
