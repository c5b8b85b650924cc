"""Sentence-transformers models by name: bundled, in a folder, or on the hub."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from isoglot.encoders.checkpoints import check_kind, complete_weights
from isoglot.encoders.devices import choose_device, has_bfloat16
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.models import KIND, looks_local, model_path
from isoglot.platform.errors import BY_CHANCE, IsoglotError, raised_by_isoglot, reason
from isoglot.platform.hub import hub_errors, reachable

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


Model = TypeVar("Model", bound="Any")
PRECISIONS = ("auto", "float32", "bfloat16", "int8")


def load_encoder(
    name: str,
    *,
    device: str = "auto",
    precision: str = "auto",
    trust_remote_code: bool = False,
    prompts: Mapping[str, str] | None = None,
) -> Encoder:
    """Load a model, ready to encode.

    Args:
        name: A bundled model (``isoglot models``), a sentence-transformers folder, or a hub id.
        device: ``auto`` (a GPU if there is one), or a torch device such as ``cpu``, ``cuda:1`` or ``mps``.
        precision: ``auto`` (bfloat16 on a CUDA device that computes in it, else float32), ``float32``, ``bfloat16``, or
            ``int8`` (on a CPU, see `isoglot.encoders.int8`).
        trust_remote_code: Whether code inside the model's repository may run.
        prompts: ``query`` or ``document`` -> the prompt before such texts: its text, or the name of one of the model's
            prompts; None: the model's own.

    Raises:
        IsoglotError: There is no such model, device, precision or prompt, or the model needs code that is not trusted.
    """
    if precision not in PRECISIONS:
        raise IsoglotError(f"unknown precision {precision!r}; choose one of {', '.join(PRECISIONS)}")
    model = load_model(name, device=device, trust_remote_code=trust_remote_code)
    if precision == "auto":
        precision = "bfloat16" if model.device.type == "cuda" and has_bfloat16(model.device) else "float32"
    if precision == "bfloat16" and not has_bfloat16(model.device):
        raise IsoglotError(f"{model.device} does not compute in bfloat16, and would only be slower; choose float32")
    encoder = Encoder(model.bfloat16() if precision == "bfloat16" else model.float(), name, prompts)
    if precision == "int8":
        from isoglot.corpora.sources import load_collection
        from isoglot.encoders.int8 import to_int8

        prompt = encoder.prompts["document"].text
        documents = load_collection("mini@demo-train").documents
        to_int8(model, [prompt + document.text for document in documents[:: len(documents) // 16]])
        encoder.precision = precision
    return encoder


def load_model(name: str, *, device: str = "auto", trust_remote_code: bool = False) -> SentenceTransformer:
    """Load a model as `load_encoder` does, but return the bare sentence-transformers model, in float32 on a CPU.

    Raises:
        IsoglotError: There is no such model or device, the model needs code that is not trusted, gives no dense
            vectors, or lacks weights.
    """
    from sentence_transformers import SentenceTransformer

    from isoglot.encoders.language_modules import LANGUAGE_MODULES

    # isoglot's own modules are loaded without trusting whatever else a model folder may name
    load = partial(SentenceTransformer._load_with_module_classes, module_classes=LANGUAGE_MODULES)
    return load_kind("SentenceTransformer", load, name, device=device, trust_remote_code=trust_remote_code)


def load_kind(
    kind: str, load: Callable[..., Model], name: str, *, device: str = "auto", trust_remote_code: bool = False
) -> Model:
    """Load a model of one of the kinds that sentence-transformers knows, in float32 on a CPU.

    Args:
        kind: The name of the kind's class in sentence-transformers, e.g. ``CrossEncoder``.
        load: Loads it: the class, or what takes the same arguments.
        name: A bundled model, a folder, or a hub id.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside the model's repository may run.

    Raises:
        IsoglotError: There is no such model or device, the model is of another kind, needs code that is not trusted, or
            lacks weights.
    """
    path = model_path(name)
    if KIND.match(name) and not Path(path).exists():
        raise IsoglotError(
            f"{name}: is no model of this machine, which this needs; `isoglot audit`, `align` and `index` take what "
            "`isoglot models` lists with a colon"
        )
    is_local = Path(path).exists() or looks_local(name)
    if is_local and not Path(path).is_dir():
        raise IsoglotError(f"{name}: no such model folder")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch

    chosen = choose_device(device)
    local_files_only = is_local or not reachable()
    _hide_bars()
    try:
        check_kind(path, name, kind, local_files_only=local_files_only)
        with complete_weights(name), torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)  # draws a pooler that a checkpoint lacks
            model = load(path, device=chosen, trust_remote_code=trust_remote_code, local_files_only=local_files_only)
    except _loading_errors() as error:
        if raised_by_isoglot(error):
            raise
        raise IsoglotError(_why_not_loaded(name, error)) from error
    if torch.device(chosen).type == "cpu":
        model.float()
    return model


@cache
def _loading_errors() -> tuple[type[Exception], ...]:
    """Return what the libraries raise for a model that is missing, out of reach, damaged or of an unknown kind."""
    from safetensors import SafetensorError

    return (ImportError, EOFError, pickle.UnpicklingError, SafetensorError, *hub_errors(), *BY_CHANCE)


def _hide_bars() -> None:
    """Keep other libraries from drawing progress bars between isoglot's own."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def _why_not_loaded(name: str, error: Exception) -> str:
    if "trust_remote_code" in str(error):
        return f"{name}: needs code of its own to run ({reason(error)[:160]}); read it, then pass --trust-remote-code"
    if Path(name).is_dir():
        return f"{name}: is not a model folder that sentence-transformers can load: {reason(error)}"
    if not reachable():
        return (
            f"model {name!r} is neither bundled, a folder here, nor in the hub's cache, and the hub cannot be reached"
        )
    return f"model {name!r} is neither bundled nor a folder here, and the hub says: {reason(error)}"
