"""Micro-batches give the gradients of the whole batch; which tokens a token-level term sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from isoglot.alignment.training.embedding_loss import EmbeddingLoss, TokenTerm
from isoglot.alignment.training.objectives import info_nce
from isoglot.encoders.sentence_transformer import load_encoder

QUERIES = ["bread", "the train leaves at nine", "snow", "she tunes the old piano", "tomatoes"]
DOCUMENTS = ["salt and water", "nine", "the road", "an old piano stands there", "they grow"]


@pytest.fixture
def model(tiny_model: Path) -> Any:
    return load_encoder(str(tiny_model), device="cpu").model.double()


def batch(model: Any) -> list[dict[str, Any]]:
    return [model.preprocess(QUERIES, prompt="q: "), model.preprocess(DOCUMENTS, prompt="d: ")]


def squares(query: Tensor, document: Tensor, target: Tensor) -> Tensor:
    return info_nce(query, document) + ((query[:, :1] - target) ** 2).mean()


TARGETS = torch.arange(5, dtype=torch.float64)[:, None]


def loss_and_gradients(model: Any, **options: Any) -> tuple[float, dict[str, Tensor]]:
    torch.manual_seed(5)
    model.zero_grad()
    loss = EmbeddingLoss(model, squares, **options)(batch(model), TARGETS)
    loss.backward()
    return float(loss.detach()), {name: w.grad.clone() for name, w in model.named_parameters() if w.grad is not None}


@pytest.mark.parametrize("budget", [1, 12, 10_000])
def test_texts_sorted_by_length_give_loss_and_gradients_of_their_columns(
    model: Any, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isoglot.alignment.training.embedding_loss.batch_tokens", lambda device: budget)
    found, gradients = loss_and_gradients(model)
    model.zero_grad()
    query, document = (model(column)["sentence_embedding"] for column in batch(model))
    loss = squares(query, document, TARGETS)
    loss.backward()
    assert found == pytest.approx(float(loss.detach()), abs=1e-12)
    for name, weight in model.named_parameters():
        assert weight.grad is None or torch.allclose(gradients[name], weight.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("micro_batch", [1, 2, 3, 5, 9])
def test_micro_batches_give_loss_and_gradients_of_the_whole_batch(model: Any, micro_batch: int) -> None:
    loss, gradients = loss_and_gradients(model)
    found, cached = loss_and_gradients(model, micro_batch=micro_batch)
    assert found == pytest.approx(loss, abs=1e-12)
    assert cached.keys() == gradients.keys()
    assert all(torch.allclose(cached[name], gradients[name], rtol=1e-9, atol=1e-12) for name in gradients)


def test_micro_batches_repeat_their_dropout_in_the_second_pass(model: Any) -> None:
    loss, gradients = loss_and_gradients(model, dropout=True)
    found, cached = loss_and_gradients(model, dropout=True, micro_batch=5)  # the same draws as the whole batch
    assert found == pytest.approx(loss, abs=1e-12) != loss_and_gradients(model)[0]
    assert all(torch.allclose(cached[name], gradients[name], rtol=1e-9, atol=1e-12) for name in gradients)


def test_cached_gradients_are_finite_differences_of_the_loss(model: Any) -> None:
    for options in ({"micro_batch": 2}, {"micro_batch": 2, "dropout": True}):
        _, gradients = loss_and_gradients(model, **options)
        weights = {name: weight for name, weight in model.named_parameters() if name in gradients}
        generator = torch.Generator().manual_seed(0)
        step = {name: torch.randn(w.shape, generator=generator, dtype=w.dtype) for name, w in weights.items()}
        losses = []
        for sign in (1, -2):  # to + and then from there to -
            with torch.no_grad():
                for name, weight in weights.items():
                    weight += sign * 1e-6 * step[name]
            losses.append(loss_and_gradients(model, **options)[0])
        with torch.no_grad():
            for name, weight in weights.items():
                weight += 1e-6 * step[name]
        slope = sum(float((gradients[name] * step[name]).sum()) for name in weights)
        assert (losses[0] - losses[1]) / 2e-6 == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("include_prompt", [True, False])
def test_a_token_level_term_sees_the_pooled_tokens_of_its_columns(model: Any, include_prompt: bool) -> None:
    model[1].include_prompt = include_prompt
    seen: list[Tensor] = []

    def term(*parts: Tensor) -> Tensor:
        seen.extend(parts)
        return parts[0].sum() * 0 + 7

    token_term = TokenTerm(term, ("document", "query"))
    loss = EmbeddingLoss(model, squares, token_term=token_term, names=["query", "document"])
    total = loss(batch(model), TARGETS)
    assert float(total.detach() - loss_and_gradients(model)[0]) == pytest.approx(7)
    states, mask, other_states, other_mask = seen
    assert mask.dtype == torch.bool
    prompt = 1 + len("q: ")  # <s>, then a token for each character
    left = 0 if include_prompt else prompt
    assert mask.sum(1).tolist() == [prompt + len(text) + 1 - left for text in DOCUMENTS]
    assert other_mask.sum(1).tolist() == [prompt + len(text) + 1 - left for text in QUERIES]
    pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    expected = model(batch(model)[1])["sentence_embedding"]
    assert torch.allclose(torch.nn.functional.normalize(pooled, dim=1), expected)
    assert other_states.shape[:2] == other_mask.shape


def test_a_cpu_never_trains_in_bfloat16(model: Any) -> None:
    kinds: list[torch.dtype] = []

    def loss(query: Tensor, document: Tensor) -> Tensor:
        kinds.extend([query.dtype, document.dtype])
        return info_nce(query, document)

    EmbeddingLoss(model.float(), loss)(batch(model))
    assert kinds == [torch.float32] * 2
