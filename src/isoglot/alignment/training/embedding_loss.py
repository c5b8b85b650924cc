"""From a batch of texts to a loss: vectors of all processes, with gradients, in memory that micro-batches bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from sentence_transformers.sentence_transformer.modules import Pooling
from sentence_transformers.util.distributed import (
    all_gather,
    all_gather_padded,
    all_gather_with_grad,
    get_world_size,
)
from torch import Tensor
from torch.nn.functional import pad

from isoglot.encoders.devices import batch_tokens, has_bfloat16

TOKEN_TENSORS = ("input_ids", "attention_mask", "token_type_ids")
"""The tensors that a tokenizer of texts hands to a transformer, (b, s) each."""


@dataclass(frozen=True)
class TokenTerm:
    """A term of the loss that sees tokens.

    Attributes:
        function: A function of one column's states (b, s, d) and mask (b, s) and another's states (b, t, d) and mask
            (b, t), which returns a scalar that is added to the loss. A mask is True where a token is pooled: padding is
            not, nor is the prompt where the model's pooling leaves it out.
        columns: The names of the two columns.
    """

    function: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    columns: tuple[str, str]


class EmbeddingLoss(CachedLossMixin, torch.nn.Module):  # type: ignore[misc]
    """Encodes each column of a batch and hands the vectors, and the targets if there are any, to a pure function.

    Of a truncated model it sees the components that are kept. With several processes the function sees the vectors of
    all, so each computes the loss of the joint batch.

    Args:
        model: The model being trained.
        function: A function of the columns' (b, d) vectors, and of the targets, that returns a scalar.
        dropout: Whether the model's dropout is on.
        micro_batch: Texts in memory at once, by GradCache (Gao et al. 2021, arXiv 2101.06983); 0: all.
        token_term: A term of the loss that sees tokens; not with `micro_batch`.
        names: The columns' names, in their order; `token_term` names two of them.
    """

    model: Any  # the trainer puts a wrapper in the model's place when several processes train

    def __init__(
        self,
        model: SentenceTransformer,
        function: Callable[..., Tensor],
        *,
        dropout: bool = False,
        micro_batch: int = 0,
        token_term: TokenTerm | None = None,
        names: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.model, self._function, self._dropout = model, function, dropout
        self.mini_batch_size = micro_batch
        self._pooling = next((module for module in model.modules() if isinstance(module, Pooling)), None)
        self._token_term = token_term
        self._token_columns = [] if token_term is None else [names.index(name) for name in token_term.columns]
        self._dimension = model.truncate_dim  # what the trained model will be used with; None: all
        self._bfloat16 = model.device.type == "cuda" and has_bfloat16(model.device)

    def forward(self, columns: Sequence[dict[str, Any]], labels: Tensor | None = None) -> Tensor:
        """The loss of one batch."""
        self.model.train(self._dropout)
        if self.mini_batch_size:
            cached: Tensor = super().forward_cached(columns, labels)
            return cached
        with self._autocast(columns[0]["input_ids"]):
            if self._may_mix_columns(columns):
                return self.calculate_loss([[column] for column in self._encode_by_length(columns)], labels)
            outputs = [self.model(column) for column in columns]
        loss = self.calculate_loss([[output["sentence_embedding"]] for output in outputs], labels)
        if self._token_term is not None:
            parts = [part for position in self._token_columns for part in self._tokens(outputs[position])]
            loss = loss + self._token_term.function(*parts)
        return loss

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """The function of each column's vectors, handed over in parts; `CachedLossMixin` asks for its gradient too."""
        vectors = [_full(torch.cat(parts))[:, : self._dimension] for parts in reps]
        if get_world_size() > 1:
            vectors = [all_gather_with_grad(column) for column in vectors]
            labels = None if labels is None else all_gather(labels)
        loss = self._function(*vectors) if labels is None else self._function(*vectors, labels)
        if with_backward:
            torch.autograd.backward(loss)
        return loss

    def _may_mix_columns(self, columns: Sequence[dict[str, Any]]) -> bool:
        """Whether texts of different columns may share a forward pass.

        They may not where the loss sees columns apart, nor with several processes, which must all run the model equally
        often.
        """
        plain = all(set(column) <= {*TOKEN_TENSORS, "modality"} for column in columns)
        right = getattr(getattr(self.model, "tokenizer", None), "padding_side", None) == "right"
        return plain and right and self._token_term is None and not self._dropout and get_world_size() == 1

    def _encode_by_length(self, columns: Sequence[dict[str, Any]]) -> list[Tensor]:
        """The columns' vectors, (b, d), from batches of texts of similar length, so that little padding is computed."""
        names = [name for name in TOKEN_TENSORS if name in columns[0]]
        fill = {name: self.model.tokenizer.pad_token_id if name == "input_ids" else 0 for name in names}
        width = max(column["input_ids"].shape[1] for column in columns)
        tensors = {
            name: torch.cat([pad(c[name], (0, width - c[name].shape[1]), value=fill[name]) for c in columns])
            for name in names
        }
        lengths = tensors["attention_mask"].sum(1)
        order = torch.argsort(lengths, descending=True, stable=True)
        longest = lengths[order].tolist()
        parts, start = [], 0
        while start < len(order):
            count = max(1, batch_tokens(order.device) // longest[start])
            texts = order[start : start + count]
            part = {name: tensor[texts, : longest[start]] for name, tensor in tensors.items()}
            parts.append(self.model(part)["sentence_embedding"])
            start += count
        vectors = torch.cat(parts)[torch.argsort(order)]
        return list(torch.split(vectors, [len(column["input_ids"]) for column in columns]))

    def embed_minibatch(self, sentence_feature: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Encode a micro-batch as `CachedLossMixin` does, in bfloat16 where the device computes in it."""
        with self._autocast(sentence_feature["input_ids"]):
            return super().embed_minibatch(sentence_feature, *args, **kwargs)

    def _autocast(self, tokens: Tensor) -> torch.autocast:
        return torch.autocast(tokens.device.type, dtype=torch.bfloat16, enabled=self._bfloat16)

    def _tokens(self, output: dict[str, Any]) -> tuple[Tensor, Tensor]:
        states, mask = _full(output["token_embeddings"]), output["attention_mask"]
        if self._pooling is not None and not self._pooling.include_prompt and output.get("prompt_length"):
            mask = self._pooling._exclude_prompt_from_mask(mask, int(output["prompt_length"]))
        if get_world_size() > 1:
            states, mask = all_gather_padded(states, mask, with_grad=True)
        return states, mask.bool()


def _full(tensor: Tensor) -> Tensor:
    """In float32 at least: losses are not computed in bfloat16."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
