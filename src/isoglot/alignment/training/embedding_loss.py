"""From a batch of texts to a loss: embeddings of all processes, with gradients, in memory that micro-batches bound."""

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
"""What a tokenizer of texts gives a transformer, each (b, s)."""


@dataclass(frozen=True)
class TokenTerm:
    """A term of the loss that sees tokens.

    Attributes:
        function: From the (b, s, d) states and (b, s) mask of one column and the (b, t, d) states and (b, t) mask of
            another to a scalar, which is added to the loss. A mask is True where a token is pooled: padding is not,
            nor is the prompt where the model's pooling leaves it out.
        columns: The names of the two columns.
    """

    function: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    columns: tuple[str, str]


class EmbeddingLoss(CachedLossMixin, torch.nn.Module):  # type: ignore[misc]
    """Embeds each column of a batch and gives the embeddings, and the targets if there are any, to a pure function.

    With several processes the function sees the embeddings of all, so each computes the loss of the joint batch.

    Args:
        model: The model being trained.
        function: From the columns' (b, d) embeddings to a scalar.
        dropout: Whether the model's dropout is on.
        micro_batch: Texts in memory at a time, by GradCache (Gao et al. 2021, arXiv 2101.06983); 0: all at once.
        token_term: A term of the loss that sees tokens; not with `micro_batch`.
        names: Of the columns, in their order; `token_term` names two of them.
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
        self._pooling = next((module for module in model if isinstance(module, Pooling)), None)
        self._token_term = token_term
        self._token_columns = [] if token_term is None else [names.index(name) for name in token_term.columns]
        self._bfloat16 = model.device.type == "cuda" and has_bfloat16(model.device)

    def forward(self, columns: Sequence[dict[str, Any]], labels: Tensor | None = None) -> Tensor:
        """The loss of one batch."""
        self.model.train(self._dropout)
        if self.mini_batch_size:
            cached: Tensor = super().forward_cached(columns, labels)
            return cached
        with self._autocast(columns[0]["input_ids"]):
            if self._may_mix_columns(columns):
                return self.calculate_loss([[column] for column in self._embed_by_length(columns)], labels)
            outputs = [self.model(column) for column in columns]
        loss = self.calculate_loss([[output["sentence_embedding"]] for output in outputs], labels)
        if self._token_term is not None:
            parts = [part for at in self._token_columns for part in self._tokens(outputs[at])]
            loss = loss + self._token_term.function(*parts)
        return loss

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """The function of each column's embeddings, given in parts; `CachedLossMixin` asks for its gradient as well."""
        embeddings = [_full(torch.cat(parts)) for parts in reps]
        if get_world_size() > 1:
            embeddings = [all_gather_with_grad(embedding) for embedding in embeddings]
            labels = None if labels is None else all_gather(labels)
        loss = self._function(*embeddings) if labels is None else self._function(*embeddings, labels)
        if with_backward:
            torch.autograd.backward(loss)
        return loss

    def _may_mix_columns(self, columns: Sequence[dict[str, Any]]) -> bool:
        """Not where columns are seen apart, and each process must run the model equally often."""
        plain = all(set(column) <= {*TOKEN_TENSORS, "modality"} for column in columns)
        right = getattr(self.model, "tokenizer", None) is not None and self.model.tokenizer.padding_side == "right"
        return plain and right and self._token_term is None and not self._dropout and get_world_size() == 1

    def _embed_by_length(self, columns: Sequence[dict[str, Any]]) -> list[Tensor]:
        """The columns' (b, d) embeddings, from batches of texts of similar length: hardly any padding is computed."""
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
        embeddings = torch.cat(parts)[torch.argsort(order)]
        return list(torch.split(embeddings, [len(column["input_ids"]) for column in columns]))

    def embed_minibatch(self, sentence_feature: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As in `CachedLossMixin`, in bfloat16 where the device has it."""
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
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
