"""Low-rank training (LoRA, Hu et al. 2021, arXiv 2106.09685)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from sentence_transformers import SentenceTransformer

from isoglot.encoders.adapters import linear_layers


@contextmanager
def low_rank(model: SentenceTransformer, rank: int, layers: int, seed: int) -> Iterator[None]:
    """Inside, train only low-rank factors of every linear layer of the top `layers`; at the end merge them.

    alpha is 2 r, there is no dropout, and the start is peft's: A random by `seed`, B zero.

    Raises:
        IsoglotError: The model has no stack of layers, or fewer than `layers`.
    """
    from peft import LoraConfig, LoraModel

    names = linear_layers(model, layers)
    model.requires_grad_(False)
    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names)
    factors = LoraModel(model.transformers_model, config, "default")
    try:
        yield
    finally:
        factors.merge_and_unload()
