"""Token-level distances against float64 references, their gradients by finite differences, and what masks do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from torch import Tensor

from isoglot.alignment.training.tokens import max_similarity_distance, transport_distance
from isoglot.platform.errors import IsoglotError

Distance = Callable[..., Tensor]
DISTANCES = pytest.mark.parametrize("distance", [max_similarity_distance, transport_distance])


def padded(seed: int, longest: int, size: int = 16, count: int = 3) -> tuple[Tensor, Tensor]:
    """States of `count` texts of 1 to `longest` tokens, which lie anywhere among masked ones.

    They have a direction in common, as an encoder's states do; without it Sinkhorn's iterations converge slowly.
    """
    generator = np.random.default_rng(seed)
    masks = [generator.permutation(longest) < generator.integers(1, longest + 1) for _ in range(count)]
    return torch.tensor(0.5 + generator.normal(size=(count, longest, size))), torch.tensor(np.array(masks).astype(int))


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.array([[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in second] for a in first])


def reference_max_similarity(first: np.ndarray, second: np.ndarray) -> float:
    found = cosines(first, second)
    return float(1 - (np.mean([max(row) for row in found]) + np.mean([max(row) for row in found.T])) / 2)


def reference_transport(first: np.ndarray, second: np.ndarray, regularisation: float) -> float:
    cost = 1 - cosines(first, second)
    kernel = np.exp(-cost / regularisation)
    left, right = np.ones(len(first)), np.ones(len(second))
    for _ in range(500):
        left = 1 / len(first) / (kernel @ right)
        right = 1 / len(second) / (kernel.T @ left)
    plan = left[:, None] * kernel * right
    return float((plan * cost).sum() + regularisation * (plan * np.log(plan * cost.size)).sum())


def by_pair(reference: Callable[..., float], *padded_texts: Tensor, **options: float) -> float:
    first, first_mask, second, second_mask = (tensor.numpy() for tensor in padded_texts)
    pairs = zip(first, first_mask == 1, second, second_mask == 1, strict=True)
    return float(np.mean([reference(a[kept], b[other], **options) for a, kept, b, other in pairs]))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 500), st.integers(1, 6), st.integers(1, 6))
def test_max_similarity_agrees_with_plain_loops(seed: int, longest: int, other: int) -> None:
    texts = (*padded(seed, longest), *padded(seed + 1, other))
    found = float(max_similarity_distance(*texts))
    assert found == pytest.approx(by_pair(reference_max_similarity, *texts), abs=1e-12)
    assert -1e-12 <= found <= 2


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 500), st.integers(1, 6), st.integers(1, 6), st.sampled_from([0.1, 0.3, 1.0]))
def test_transport_agrees_with_sinkhorn_pair_by_pair(
    seed: int, longest: int, other: int, regularisation: float
) -> None:
    texts = (*padded(seed, longest), *padded(seed + 1, other))
    found = float(transport_distance(*texts, regularisation=regularisation))
    expected = by_pair(reference_transport, *texts, regularisation=regularisation)
    assert found == pytest.approx(expected, abs=1e-4)
    assert -1e-6 <= found <= 2 + 1e-6


def test_transport_lies_between_the_exact_optimum_and_the_mean_cost_and_nears_the_optimum() -> None:
    texts = (*padded(3, 8), *padded(4, 6))

    def exact(first: np.ndarray, second: np.ndarray) -> float:
        return float(ot.emd2([], [], 1 - cosines(first, second)))

    optimum = by_pair(exact, *texts)
    found = [float(transport_distance(*texts, regularisation=regularisation)) for regularisation in (0.01, 0.1, 1, 100)]
    assert optimum - 1e-6 < found[0] < optimum + 0.03
    assert found == sorted(found)
    assert found[-1] == pytest.approx(by_pair(lambda a, b: float(1 - cosines(a, b).mean()), *texts), abs=0.01)


@DISTANCES
def test_gradients_agree_with_finite_differences(distance: Distance) -> None:
    (first, first_mask), (second, second_mask) = padded(1, 4, count=2), padded(2, 3, count=2)
    assert torch.autograd.gradcheck(
        lambda a, b: distance(a, first_mask, b, second_mask), (first.requires_grad_(), second.requires_grad_())
    )


@DISTANCES
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 500))
def test_masked_states_change_neither_value_nor_gradient(distance: Distance, seed: int) -> None:
    (first, first_mask), (second, second_mask) = padded(seed, 5), padded(seed + 1, 4)
    results = []
    for noise in (0.0, 100.0):
        a, b = (
            (states + noise * torch.randn_like(states) * (mask == 0)[:, :, None]).requires_grad_()
            for states, mask in ((first, first_mask), (second, second_mask))
        )
        value = distance(a, first_mask, b, second_mask)
        value.backward()
        assert a.grad is not None
        assert b.grad is not None
        assert not a.grad[first_mask == 0].any()
        assert not b.grad[second_mask == 0].any()
        results.append(torch.cat([value.detach()[None], a.grad.flatten(), b.grad.flatten()]).numpy())
    assert results[0] == pytest.approx(results[1], abs=1e-9)


@DISTANCES
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 500))
def test_neither_the_order_of_tokens_nor_of_the_texts_nor_a_states_length_matters(
    distance: Distance, seed: int
) -> None:
    (first, first_mask), (second, second_mask) = padded(seed, 5), padded(seed + 1, 4)
    order = np.random.default_rng(seed).permutation(5)
    found = float(distance(first, first_mask, second, second_mask))
    assert float(distance(3 * first[:, order], first_mask[:, order], second, second_mask)) == pytest.approx(found)
    assert float(distance(second, second_mask, first, first_mask)) == pytest.approx(found, abs=1e-4)


@DISTANCES
def test_padding_a_batch_of_a_real_model_changes_no_distance(distance: Distance, tiny_model: Path) -> None:
    model = SentenceTransformer(str(tiny_model), device="cpu")

    def states(texts: list[str]) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            found = model(model.preprocess(texts))
        return found["token_embeddings"], found["attention_mask"]

    english, german = ["bread and salt", "the train leaves at nine"], ["brot und salz", "der zug fährt um neun ab"]
    together = float(distance(*states(english), *states(german)))
    alone = [float(distance(*states([one]), *states([other]))) for one, other in zip(english, german, strict=True)]
    assert together == pytest.approx(np.mean(alone), abs=1e-5)


def test_max_similarity_is_0_for_the_same_directions_however_often_and_transport_counts_them() -> None:
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    first, second, mask = torch.stack([a, a, b])[None], torch.stack([b, 2 * a, b])[None], torch.ones(1, 3)
    assert float(max_similarity_distance(first, mask, second, mask)) == pytest.approx(0)
    assert float(transport_distance(first, mask, second, mask, regularisation=0.02)) > 1 / 3
    only = torch.tensor([[1, 1, 0]])
    assert float(max_similarity_distance(first, only, second, mask)) == pytest.approx(1 / 3)
    for distance in (max_similarity_distance, transport_distance):
        assert float(distance(first, only, -first, only)) == pytest.approx(2, abs=1e-5)
        assert float(distance(first, only, first, only)) == pytest.approx(0, abs=1e-5)


@DISTANCES
def test_a_text_without_tokens_is_told(distance: Distance) -> None:
    states, mask = torch.ones(2, 3, 4), torch.tensor([[1, 1, 0], [0, 0, 0]])
    with pytest.raises(IsoglotError, match="a text has no token besides prompt and special tokens"):
        distance(states, torch.ones(2, 3), states, mask)


def test_transport_needs_regularisation() -> None:
    texts = (*padded(1, 2), *padded(2, 2))
    with pytest.raises(IsoglotError, match="the regularisation of optimal transport is nan; it must be above 0"):
        transport_distance(*texts, regularisation=float("nan"))
