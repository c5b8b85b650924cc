"""Sentence-transformers models by name: bundled, in a folder, or on the hub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from isoglot.encoders.devices import choose_device, has_bfloat16
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.models import model_path
from isoglot.platform.errors import IsoglotError
from isoglot.platform.hub import reachable

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


PRECISIONS = ("auto", "float32", "bfloat16", "int8")


def load_encoder(
    name: str, *, device: str = "auto", precision: str = "auto", trust_remote_code: bool = False
) -> Encoder:
    """Load the model that `name` names, ready to encode.

    Args:
        name: An bundled model (``isoglot models``), a sentence-transformers folder, or a hub id.
        device: ``auto`` (a GPU if there is one), or a torch device such as ``cpu``, ``cuda:1`` or ``mps``.
        precision: ``auto`` (bfloat16 on a CUDA device that computes in it, else float32), ``float32``, ``bfloat16``, or
            ``int8`` (on a CPU, see `isoglot.encoders.int8`).
        trust_remote_code: Whether code inside the model's repository may run.

    Raises:
        IsoglotError: There is no such model, device or precision, or it needs code that is not trusted.
    """
    if precision not in PRECISIONS:
        raise IsoglotError(f"unknown precision {precision!r}; choose one of {', '.join(PRECISIONS)}")
    model = load_model(name, device=device, trust_remote_code=trust_remote_code)
    if precision == "auto":
        precision = "bfloat16" if model.device.type == "cuda" and has_bfloat16(model.device) else "float32"
    if precision == "bfloat16" and not has_bfloat16(model.device):
        raise IsoglotError(f"{model.device} does not compute in bfloat16, and would only be slower; choose float32")
    encoder = Encoder(model.bfloat16() if precision == "bfloat16" else model.float(), name)
    if precision == "int8":
        from isoglot.corpora.sources import load_collection
        from isoglot.encoders.int8 import to_int8

        prompt = encoder.prompts["document"].text
        documents = load_collection("mini@train").documents
        to_int8(model, [prompt + document.text for document in documents[:: len(documents) // 16]])
        encoder.precision = precision
    return encoder


def load_model(name: str, *, device: str = "auto", trust_remote_code: bool = False) -> SentenceTransformer:
    """As `load_encoder`, but the bare sentence-transformers model, in float32 on a CPU.

    Raises:
        IsoglotError: There is no such model or device, or it needs code that is not trusted.
    """
    path = model_path(name)
    looks_local = Path(path).exists() or name.startswith((".", "/", "~")) or name.count("/") > 1
    if looks_local and not Path(path).is_dir():
        raise IsoglotError(f"{name}: no such model folder")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    from sentence_transformers import SentenceTransformer

    from isoglot.encoders.language_modules import LANGUAGE_MODULES

    chosen = choose_device(device)
    _silence_bars()
    try:
        # isoglot's own modules are loaded without trusting whatever else a model folder may name
        model = SentenceTransformer._load_with_module_classes(
            path,
            LANGUAGE_MODULES,
            device=chosen,
            trust_remote_code=trust_remote_code,
            local_files_only=looks_local or not reachable(),
        )
    except Exception as error:  # many kinds, from several libraries
        raise IsoglotError(_why_not_loaded(name, error)) from error
    return model.float() if torch.device(chosen).type == "cpu" else model


def _silence_bars() -> None:
    """No bars of other libraries between isoglot's own."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def _why_not_loaded(name: str, error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if "trust_remote_code" in str(error):
        return f"{name}: needs code of its own to run ({lines[0][:160]}); read it, then pass --trust-remote-code"
    if Path(name).is_dir():
        return f"{name}: is not a model folder that sentence-transformers can load: {lines[0][:200]}"
    if not reachable():
        return (
            f"model {name!r} is neither embedded, a folder here, nor in the hub's cache, and the hub cannot be reached"
        )
    return f"model {name!r} is neither embedded nor a folder here, and the hub says: {lines[0][:200]}"
