"""Fingerprints of models: equal ones mean equal vectors, whatever folder a model lies in and whatever it did before."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from isoglot.encoders.modules import input_modules

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_SILENT = ("transformers_version", "dtype", "torch_dtype", "architectures")
"""Settings of transformers that say nothing about the vectors."""
_TOKENIZER_DEFAULTS = {
    "truncation_side": "right",
    "padding_side": "right",
    "split_special_tokens": False,
    "chat_template": None,
}
"""What decides a transformers tokenizer's tokens beside tokenizer.json, as most tokenizers have it."""
_NOT_OF_TOKENS = ("model_max_length", "name_or_path", "is_local")
"""Settings in saved tokenizers that say nothing about the tokens, or change from call to call."""
_LIBRARIES = ("torch", "transformers", "sentence_transformers", "tokenizers", "isoglot")
"""The packages whose classes are known by their name and the package's version."""


def part_fingerprints(model: SentenceTransformer) -> list[str]:
    """Return the SHA-256, in hex, of each tokenizer that the model reads texts with, and of each module."""
    return [*_tokenizer_fingerprints(model), *map(module_fingerprint, model)]


def module_fingerprint(module: Any) -> str:
    """Return the SHA-256 of a module's class, configuration and weights, and of code of the model's own, in hex."""
    import torch

    config = module.get_config_dict() if hasattr(module, "get_config_dict") else {}
    if hasattr(module, "config"):
        config = {**config, "transformer": _architecture(module.config.to_dict())}
    if hasattr(module, "sub_modules"):  # of a Router, whose own configuration does not say what its routes do
        routes = module.sub_modules.items()
        config = {**config, "routes": {name: list(map(module_fingerprint, route)) for name, route in routes}}
    digest = hashlib.sha256(json.dumps([type(module).__name__, config], sort_keys=True, default=str).encode())
    for name, weights in sorted(module.state_dict().items()):
        digest.update(f"{name} {weights.dtype} {tuple(weights.shape)}".encode())
        digest.update(weights.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    digest.update(_foreign_code(module.modules()))
    return digest.hexdigest()


def _tokenizer_fingerprints(model: SentenceTransformer) -> list[str]:
    found = (getattr(module, "tokenizer", None) for module in input_modules(model))
    return [hashlib.sha256(_content(tokenizer)).hexdigest() for tokenizer in found if tokenizer is not None]


def _content(tokenizer: Any) -> bytes:
    """Return all that decides a tokenizer's tokens, but for the limit, which `Encoder` knows."""
    from tokenizers import Tokenizer

    if isinstance(tokenizer, Tokenizer):  # of a static model, which lets it truncate as its file says
        return _json(tokenizer, truncates=True)
    settings = {name: getattr(tokenizer, name, usual) for name, usual in _TOKENIZER_DEFAULTS.items()}
    unusual = json.dumps(settings).encode() if settings != _TOKENIZER_DEFAULTS else b""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content = _saved(tokenizer) if backend is None else _json(backend, truncates=False)
    return content + unusual + _foreign_code([tokenizer])


def _saved(tokenizer: Any) -> bytes:
    """Return the files that a tokenizer saves, a transformers tokenizer in Python or sentence-transformers' own."""
    save = getattr(tokenizer, "save_pretrained", None) or getattr(tokenizer, "save", None)
    if save is None:
        return type(tokenizer).__name__.encode()
    with TemporaryDirectory() as folder:
        save(folder)
        files = [(file.name, file.read_bytes()) for file in sorted(Path(folder).iterdir())]
    content = b""
    for name, saved in files:
        if name.endswith("_config.json"):
            settings = {key: value for key, value in json.loads(saved).items() if key not in _NOT_OF_TOKENS}
            if "stop_words" in settings:  # a set, in another order in each process
                settings["stop_words"] = sorted(settings["stop_words"])
            saved = json.dumps(settings, sort_keys=True).encode()
        content += name.encode() + saved
    return content


def _foreign_code(parts: Iterable[object]) -> bytes:
    """Return the source of the parts' classes that no library brings, and of what it imports from a model's folder."""
    from transformers.dynamic_module_utils import get_relative_import_files

    files: set[str] = set()
    for name in {type(part).__module__ for part in parts}:
        file = getattr(sys.modules.get(name), "__file__", None)
        if name.partition(".")[0] not in _LIBRARIES and file is not None:
            files.add(file)
            if name.startswith("transformers_modules."):
                files.update(get_relative_import_files(file))
    return b"".join(sorted(Path(file).read_bytes() for file in files))


def _architecture(config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a transformers configuration that decide vectors."""
    return {key: value for key, value in config.items() if key not in _SILENT and not key.startswith("_")}


def _json(tokenizer: Any, *, truncates: bool) -> bytes:
    """Return a tokenizer as JSON, without what each call sets: padding, and truncation unless it always `truncates`."""
    truncation, padding = tokenizer.truncation, tokenizer.padding
    if not truncates:
        tokenizer.no_truncation()
    tokenizer.no_padding()
    try:
        return bytes(tokenizer.to_str().encode())
    finally:  # a copy would take seconds to parse
        if truncation is not None:
            tokenizer.enable_truncation(**truncation)
        if padding is not None:
            tokenizer.enable_padding(**padding)
