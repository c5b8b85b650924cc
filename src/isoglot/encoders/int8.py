"""Linear maps in 8-bit integers on a CPU, by torch's own kernels, which use the processor's AVX2 or VNNI."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from isoglot.encoders.modules import transformers_of
from isoglot.encoders.prompts import ROLES
from isoglot.platform.errors import IsoglotError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LEVELS = 63
"""Steps of a weight on either side of 0. AVX2 adds two products in 16 bits, which 127 steps would overflow."""
MOST_ERROR = 0.07
"""The largest error of a map's output on the sample texts, relative to its norm; maps with more stay in float32."""


class Int8Linear(nn.Module):
    """A linear map with int8 weights, one scale for each output, and inputs that are quantised in each call.

    The inputs of a call share one scale, so a vector depends a little on the texts that are encoded with it.

    Args:
        linear: The float32 map that this one replaces.
    """

    weight: Tensor
    scales: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        scales = weight.abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / LEVELS
        self.register_buffer("weight", torch.round(weight / scales[:, None]).to(torch.int8))
        self.register_buffer("scales", scales)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().clone())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch deprecates quantised tensors, but packs no others
            zeros = torch.zeros(len(scales), dtype=torch.long)
            quantised = torch._make_per_channel_quantized_tensor(self.weight, scales, zeros, 0)
            self._packed = torch.ops.quantized.linear_prepack(quantised, self.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (..., in) in float32 to (..., out) in float32."""
        outputs: Tensor = torch.ops.quantized.linear_dynamic(inputs, self._packed)
        return outputs


def to_int8(model: SentenceTransformer, texts: list[str]) -> dict[str, float]:
    """Turn the linear maps of the model's transformers into `Int8Linear`, except those that 8 bits distort too much.

    Args:
        model: A model in float32 on a CPU, which is changed in place.
        texts: A sample in many languages, on which the error of each map is measured.

    Returns:
        The relative error of each map on the sample by its name; maps above `MOST_ERROR` are unchanged.

    Raises:
        IsoglotError: The model is not on a CPU or has no transformer.
    """
    transformers = transformers_of(model)
    if not transformers:
        raise IsoglotError("precision int8 is for transformers; this model has none")
    if model.device.type != "cpu":
        raise IsoglotError(f"precision int8 is for a CPU; this model is on {model.device}")
    inside = {module for transformer in transformers for module in transformer.modules()}
    names = {module: name for name, module in model.named_modules() if type(module) is nn.Linear and module in inside}
    candidates: dict[str, Int8Linear] = {}
    errors: dict[str, float] = {}

    def compare(linear: nn.Linear, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        name = names[linear]
        if name not in candidates:
            candidates[name] = Int8Linear(linear)
        errors[name] = float((candidates[name](inputs[0]) - outputs).norm() / outputs.norm())

    hooks = [linear.register_forward_hook(compare) for linear in names]
    try:
        for task in ROLES if len(transformers) > 1 else ROLES[-1:]:  # each of which may have a transformer of its own
            model.encode(texts, batch_size=len(texts), task=task, show_progress_bar=False)
    finally:
        for hook in hooks:
            hook.remove()
    for name, error in errors.items():
        if error <= MOST_ERROR:
            model.set_submodule(name, candidates[name])
    return errors
