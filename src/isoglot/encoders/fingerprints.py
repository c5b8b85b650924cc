"""Fingerprints of models: equal ones mean equal vectors, whatever folder a model lies in and whatever it did before."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from isoglot.encoders.modules import input_modules

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_SILENT = ("transformers_version", "dtype", "torch_dtype", "architectures")
"""Settings of transformers that say nothing about the vectors."""


def part_fingerprints(model: SentenceTransformer) -> list[str]:
    """Return the SHA-256, in hex, of each library tokenizer that the model reads texts with, and of each module."""
    return [*_tokenizer_fingerprints(model), *map(module_fingerprint, model)]


def module_fingerprint(module: Any) -> str:
    """Return the SHA-256 of a module's class, configuration and weights, in hex."""
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
    return digest.hexdigest()


def _tokenizer_fingerprints(model: SentenceTransformer) -> list[str]:
    from tokenizers import Tokenizer

    found = (getattr(module, "tokenizer", None) for module in input_modules(model))
    fast = (tokenizer if isinstance(tokenizer, Tokenizer) else _backend(tokenizer) for tokenizer in found)
    return [hashlib.sha256(_settled(tokenizer)).hexdigest() for tokenizer in fast if tokenizer is not None]


def _backend(tokenizer: Any) -> Any:
    return getattr(tokenizer, "backend_tokenizer", None)


def _architecture(config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a transformers configuration that decide vectors."""
    return {key: value for key, value in config.items() if key not in _SILENT and not key.startswith("_")}


def _settled(tokenizer: Any) -> bytes:
    """Return a tokenizer as JSON, without the truncation and padding that each call sets."""
    truncation, padding = tokenizer.truncation, tokenizer.padding
    tokenizer.no_truncation()
    tokenizer.no_padding()
    try:
        return bytes(tokenizer.to_str().encode())
    finally:  # a copy would take seconds to parse
        if truncation is not None:
            tokenizer.enable_truncation(**truncation)
        if padding is not None:
            tokenizer.enable_padding(**padding)
