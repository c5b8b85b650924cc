"""Torch devices: which one is used, whether it computes in bfloat16, and how large its batches are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isoglot.platform.errors import IsoglotError

if TYPE_CHECKING:
    import torch


def choose_device(device: str) -> str:
    """Return `device`, or for ``auto`` the best device of this machine.

    Raises:
        IsoglotError: The device cannot be used here.
    """
    import torch

    if device == "auto":
        from sentence_transformers.util import get_device_name

        return str(get_device_name())
    try:
        torch.empty(1, device=device).cpu()  # the meta device holds no data
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise IsoglotError(f"device {device!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a device computes products in bfloat16; most CPUs only emulate it, slowly."""
    import torch

    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def batch_tokens(device: torch.device) -> int:
    """Return the number of tokens, padding included, of a batch; on a CPU a layer's output fits into its cache."""
    return 2048 if device.type == "cpu" else 32_768
