"""Adapters: the change that low-rank training made in a model, as one small file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

from isoglot.encoders.encoder import Encoder
from isoglot.encoders.modules import transformers_of
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import os_errors_explained, write_bytes

FORMAT = "isoglot.adapter/1"
"""The format of an adapter file: for each changed layer ``NAME.lora_A`` (r, in) and ``NAME.lora_B`` (out, r), whose
product ``lora_B @ lora_A`` is added to the layer's weight. They include LoRA's factor alpha / r."""

_NEGLIGIBLE = 1e-2
"""Singular values below this share of the largest are rounding, not training."""


def top_layers(model: SentenceTransformer, count: int = 0) -> dict[str, nn.Module]:
    """Return the last `count` layers of the model's transformer by their names in it; 0: all layers.

    Raises:
        IsoglotError: The model has several transformers, no stack of layers, or fewer.
    """
    if len(transformers_of(model)) > 1:
        raise IsoglotError("the model has several transformers; train it without lora and layers")
    transformer = model.transformers_model
    depth = getattr(getattr(transformer, "config", None), "num_hidden_layers", 0)
    modules = [] if transformer is None else transformer.named_modules()
    for name, module in modules:
        if isinstance(module, nn.ModuleList) and 0 < len(module) == depth:
            if count > depth:
                raise IsoglotError(f"layers is {count}; the model has {depth}")
            return {f"{name}.{i}": module[i] for i in range(depth - count if count else 0, depth)}
    raise IsoglotError("the model's transformer has no list of its layers; train it without lora and layers")


def write_adapter(
    base: Encoder, aligned: Encoder, path: Path, *, rank: int, dtype: torch.dtype = torch.float16
) -> None:
    """Write what LoRA changed as an adapter file (see `FORMAT`), from the singular vectors of the differences.

    Args:
        base: The model that was aligned.
        aligned: The aligned model.
        path: The safetensors file to write.
        rank: The rank of the LoRA adapters in training.
        dtype: The dtype of the file; float16 halves its size and rounds the change, not the weights.

    Raises:
        IsoglotError: The models differ by more than an adapter of that rank, or the file cannot be written.
    """
    names = linear_layers(base.model)
    weights = {name: _weight(base, name) for name in names}
    factors: dict[str, Tensor] = {}
    for name, weight in weights.items():
        left, sizes, right = _singular(_weight(aligned, name) - weight, rank)
        if not sizes[0]:
            continue
        if (sizes[rank:] > _NEGLIGIBLE * sizes[0]).any():
            raise IsoglotError(f"{aligned.name}: {name} was changed by more than rank {rank}")
        roots = sizes[:rank].sqrt()
        factors[f"{name}.lora_A"] = (right[:, :rank] * roots).T.to(dtype).contiguous()
        factors[f"{name}.lora_B"] = (left[:, :rank] * roots).to(dtype).contiguous()
    adapted = {id(_layer(base, name).weight) for name in names}
    others = dict(aligned.model.named_parameters())
    for name, parameter in base.model.named_parameters():
        if id(parameter) not in adapted and not torch.equal(parameter, others[name]):
            raise IsoglotError(f"{aligned.name}: {name} was changed too; an adapter needs a model trained with lora")
    write_bytes(path, save(factors, {"format": FORMAT, "rank": str(rank), "base": _fingerprint(weights)}))


def apply_adapter(encoder: Encoder, path: Path) -> None:
    """Add an adapter file to the weights of the model that it was made for.

    Raises:
        IsoglotError: The file cannot be read, or is no adapter or one for another model.
    """
    try:
        with os_errors_explained(path, "read"), safe_open(path, "pt") as file:
            metadata, factors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise IsoglotError(f"{path}: not a safetensors file: {error}") from error
    if metadata.get("format") != FORMAT:
        raise IsoglotError(f"{path}: not an adapter of isoglot")
    try:
        weights = {name: _weight(encoder, name) for name in linear_layers(encoder.model)}
    except IsoglotError:
        weights = {}
    if metadata.get("base") != _fingerprint(weights):
        raise IsoglotError(f"{path}: an adapter for another model than {encoder.name}")
    for name, weight in weights.items():
        if f"{name}.lora_A" in factors:
            weight += factors[f"{name}.lora_B"].to(weight) @ factors[f"{name}.lora_A"].to(weight)
    encoder.model_changed()


def _singular(change: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the first `rank` singular vectors and a few more, by a randomised SVD: a full one takes seconds."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        factors: tuple[Tensor, Tensor, Tensor] = torch.svd_lowrank(
            change.double(), q=min(rank + 8, *change.shape), niter=4
        )
    return factors


def linear_layers(model: SentenceTransformer, count: int = 0) -> list[str]:
    """Return the names of the linear maps in the last `count` layers of the model's transformer; 0: in all layers.

    Raises:
        IsoglotError: The model has no stack of layers, or fewer.
    """
    return [
        f"{prefix}.{name}"
        for prefix, layer in top_layers(model, count).items()
        for name, module in layer.named_modules()
        if isinstance(module, nn.Linear)
    ]


def _layer(encoder: Encoder, name: str) -> nn.Linear:
    return encoder.model.transformers_model.get_submodule(name)  # type: ignore[no-any-return]


def _weight(encoder: Encoder, name: str) -> Tensor:
    return _layer(encoder, name).weight.detach()


def _fingerprint(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of weights only, which unlike `Encoder.fingerprint` outlives new versions of the libraries."""
    digest = hashlib.sha256()
    for name, weight in weights.items():
        digest.update(name.encode())
        digest.update(weight.cpu().float().contiguous().numpy().data)
    return digest.hexdigest()
