"""The layers of BERT and (XLM-)RoBERTa in fewer passes over memory, on a CPU without gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from isoglot.encoders.modules import transformers_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

KINDS = ("bert", "camembert", "roberta", "xlm-roberta")
"""The model types of transformers whose layers are those of BERT."""


@contextmanager
def fused_layers(model: SentenceTransformer) -> Iterator[None]:
    """Run the layers of `model` fused within the block, if they are of a kind that fits; results differ by rounding.

    Sums go into the output of a product instead of passing over memory once more, and GELU works in place: up to 5%
    less processor time (docs/results/performance.md). This is for inference only, since it overwrites values that
    gradients need.
    """
    transformers: list[Any] = transformers_of(model) if model.device.type == "cpu" else []
    encoders = [transformer.encoder for transformer in transformers if _fits(transformer.config)]
    for encoder in encoders:
        encoder.forward = partial(_forward, encoder)  # of this module only; its class stays as it is
    try:
        yield
    finally:
        for encoder in encoders:
            del encoder.forward


def _fits(config: Any) -> bool:
    return (
        config.model_type in KINDS
        and config.hidden_act == "gelu"
        and config._attn_implementation == "sdpa"
        and not (config.is_decoder or config.add_cross_attention)
        and not (config.output_hidden_states or config.output_attentions)
    )


def _forward(encoder: Any, hidden_states: Tensor, attention_mask: Tensor | None = None, **unused: Any) -> Any:
    """Compute `BertEncoder.forward` of (b, s, d) states and a mask that broadcasts to (b, heads, s, s)."""
    b, s, d = hidden_states.shape
    states = hidden_states.reshape(b * s, d)
    for layer in encoder.layer:
        attention = layer.attention.self
        query, key, value = (
            linear(states).view(b, s, attention.num_attention_heads, -1).transpose(1, 2)
            for linear in (attention.query, attention.key, attention.value)
        )
        attended = scaled_dot_product_attention(query, key, value, attn_mask=attention_mask)
        states = _add_and_norm(states, attended.transpose(1, 2).reshape(b * s, d), layer.attention.output)
        wide = torch.ops.aten.gelu_(layer.intermediate.dense(states))
        states = _add_and_norm(states, wide, layer.output)
    return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=states.view(b, s, d))


def _add_and_norm(states: Tensor, update: Tensor, output: Any) -> Tensor:
    if isinstance(output.dense, nn.Linear):
        states.add_(output.dense.bias).addmm_(update, output.dense.weight.t())
    else:
        states.add_(output.dense(update))
    normalised: Tensor = output.LayerNorm(states)
    return normalised
