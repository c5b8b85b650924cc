"""Losses against float64 references, their gradients by finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isoglot.alignment.methods.jsd_nce import objective
from isoglot.alignment.options import JsdNceOptions
from isoglot.alignment.training.objectives import cosine_distance, info_nce, multi_positive_nce, root_jsd


def vectors(seed: int, count: int = 4, size: int = 6, scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).normal(size=(count, size))


def softmax(z: np.ndarray) -> np.ndarray:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def reference_root_jsd(a: np.ndarray, b: np.ndarray, temperature: float, eps: float) -> float:
    p, q = softmax(a / temperature), softmax(b / temperature)
    m = (p + q) / 2
    divergence = 0.5 * (p * np.log(p / m)).sum(axis=1) + 0.5 * (q * np.log(q / m)).sum(axis=1)
    return float(np.sqrt(divergence + eps).mean())


def reference_info_nce(a: np.ndarray, b: np.ndarray, temperature: float) -> float:
    unit_a, unit_b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    return float(-np.log(np.diag(softmax(unit_a @ unit_b.T / temperature))).mean())


@given(st.integers(0, 500), st.floats(0.3, 3.0), st.sampled_from([1e-12, 1e-8, 1e-3]))
def test_root_jsd_agrees_with_a_float64_reference(seed: int, temperature: float, eps: float) -> None:
    a, b = vectors(seed), vectors(seed + 1)
    found = root_jsd(torch.tensor(a), torch.tensor(b), temperature=temperature, eps=eps)
    assert float(found) == pytest.approx(reference_root_jsd(a, b, temperature, eps), rel=1e-9)
    assert float(root_jsd(torch.tensor(b), torch.tensor(a), temperature=temperature, eps=eps)) == pytest.approx(
        float(found), rel=1e-9
    )
    assert math.sqrt(eps) - 1e-12 <= float(found) <= math.sqrt(math.log(2) + eps) + 1e-12


@given(st.integers(0, 500), st.floats(0.02, 1.0))
def test_info_nce_agrees_with_a_float64_reference(seed: int, temperature: float) -> None:
    a, b = vectors(seed), vectors(seed + 1)
    found = info_nce(torch.tensor(a), torch.tensor(b), temperature=temperature)
    assert float(found) == pytest.approx(reference_info_nce(a, b, temperature), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_gradients_agree_with_finite_differences(temperature: float) -> None:
    a, b = (torch.tensor(vectors(seed, scale=0.2), requires_grad=True) for seed in (1, 2))
    assert torch.autograd.gradcheck(lambda x, y: root_jsd(x, y, temperature=temperature, eps=1e-6), (a, b))
    assert torch.autograd.gradcheck(lambda x, y: info_nce(x, y, temperature=0.5), (a, b))


def test_where_both_agree_the_root_is_sqrt_eps_and_its_gradient_finite() -> None:
    same = torch.tensor(vectors(3), requires_grad=True)
    found = root_jsd(same, same.detach().clone(), eps=1e-8)
    found.backward()
    assert float(found.detach()) == pytest.approx(1e-4, rel=1e-6)
    assert same.grad is not None
    assert torch.isfinite(same.grad).all()


def test_extreme_values_stay_finite_in_float32() -> None:
    a = torch.tensor([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]], requires_grad=True)
    b = torch.tensor([[-1e4, 0.0, 1e4], [0.0, 0.0, 0.0]])
    found = root_jsd(a, b)
    found.backward()
    assert float(found.detach()) == pytest.approx((math.sqrt(math.log(2)) + 1e-4) / 2, rel=1e-4)
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


def test_info_nce_with_a_sharp_temperature_or_a_zero_vector_stays_finite_in_float32() -> None:
    a = torch.tensor([[1e-30, 0.0], [0.0, 0.0], [1e15, 1e15]], requires_grad=True)
    b = torch.tensor([[-1e-3, 0.0], [0.0, 1e6], [0.0, 0.0]])
    found = info_nce(a, b, temperature=1e-3)
    found.backward()
    assert torch.isfinite(found)
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


def test_root_jsd_pulls_unit_vectors_together_in_float32() -> None:
    a, b = (torch.nn.functional.normalize(torch.tensor(vectors(seed, size=64)), dim=1).float() for seed in (1, 2))
    a.requires_grad_()
    before = root_jsd(a, b, temperature=0.05)
    before.backward()
    assert a.grad is not None
    assert float(root_jsd((a - 0.1 * a.grad).detach(), b, temperature=0.05)) < float(before.detach())


def test_info_nce_ignores_length_and_order_and_is_log_n_for_equal_rows() -> None:
    a, b = torch.tensor(vectors(4)), torch.tensor(vectors(5))
    base = float(info_nce(a, b))
    assert float(info_nce(7 * a, 0.1 * b)) == pytest.approx(base, rel=1e-9)
    order = torch.tensor([2, 0, 3, 1])
    assert float(info_nce(a[order], b[order])) == pytest.approx(base, rel=1e-9)
    assert float(info_nce(a[:1].repeat(4, 1), a[:1].repeat(4, 1))) == pytest.approx(math.log(4), rel=1e-9)


def test_on_unit_vectors_the_root_is_nearly_a_distance() -> None:
    generator = np.random.default_rng(0)
    a = generator.normal(size=(8, 768))
    b = a + 0.5 * generator.normal(size=a.shape)
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    difference = a - b
    near = np.linalg.norm(difference - difference.mean(axis=1, keepdims=True), axis=1) / math.sqrt(8 * 768)
    assert float(root_jsd(torch.tensor(a), torch.tensor(b), eps=1e-16)) == pytest.approx(near.mean(), rel=0.02)


def test_the_objective_is_the_weighted_sum_with_the_translation_as_anchor() -> None:
    query, document, translation = (torch.tensor(vectors(seed)) for seed in (6, 7, 8))
    options = JsdNceOptions(
        raw=True, jsd_weight=0.5, nce_weight=2.0, temperature=0.1, softmax_temperature=0.7, eps=1e-6
    )
    expected = 0.5 * reference_root_jsd(document.numpy(), translation.numpy(), 0.7, 1e-6)
    expected += 2.0 * reference_info_nce(translation.numpy(), query.numpy(), 0.1)
    assert float(objective(query, document, translation, options)) == pytest.approx(expected, rel=1e-9)


def reference_multi_positive_nce(queries: list[np.ndarray], documents: list[np.ndarray], temperature: float) -> float:
    unit = [[x / np.linalg.norm(x, axis=1, keepdims=True) for x in versions] for versions in (queries, documents)]
    losses = []
    for query in unit[0]:
        for row, anchor in enumerate(query):
            scores = [
                [float(anchor @ document[other]) / temperature for document in unit[1]] for other in range(len(query))
            ]
            negatives = sum(math.exp(s) for other, found in enumerate(scores) if other != row for s in found)
            losses += [-math.log(math.exp(s) / (math.exp(s) + negatives)) for s in scores[row]]
    return float(np.mean(losses))


@given(st.integers(0, 300), st.floats(0.1, 1.0))
def test_multi_positive_nce_agrees_with_a_plain_loop_and_takes_no_translation_for_a_negative(
    seed: int, temperature: float
) -> None:
    versions = [vectors(seed + number) for number in range(4)]
    found = multi_positive_nce(
        *[[torch.tensor(v) for v in part] for part in (versions[:2], versions[2:])], temperature=temperature
    )
    assert float(found) == pytest.approx(
        reference_multi_positive_nce(versions[:2], versions[2:], temperature), rel=1e-8
    )


def test_multi_positive_nce_with_one_version_is_info_nce_and_its_gradient_is_right() -> None:
    a, b = (torch.tensor(vectors(seed), requires_grad=True) for seed in (1, 2))
    assert float(multi_positive_nce([a], [b]).detach()) == pytest.approx(float(info_nce(a, b).detach()), rel=1e-9)
    assert torch.autograd.gradcheck(lambda x, y: multi_positive_nce([x, y], [y, x + y], temperature=0.5), (a, b))


def test_cosine_distance_is_0_for_parallel_1_for_orthogonal_2_for_opposite() -> None:
    students = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
    teachers = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert float(cosine_distance(students, teachers)) == pytest.approx(1.0)
    assert float(cosine_distance(students[:1], teachers[:1])) == pytest.approx(0.0)
