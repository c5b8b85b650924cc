"""Statistics of comparisons: checked in simulation and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from isoglot.evaluation.statistics.intervals import Floats, Interval, bootstrap_means, sum_by_unit
from isoglot.evaluation.statistics.significance import holm, non_inferior, randomization_test

CONTENTS, SIMULATIONS = 80, 2000


def clustered(generator: np.random.Generator, mean: float) -> tuple[Floats, np.ndarray]:
    """(queries, simulations) per-query differences and (queries,) contents: 1 to 8 queries of a content, much alike."""
    numbers = np.repeat(np.arange(CONTENTS), generator.integers(1, 9, CONTENTS))
    shared = generator.normal(size=(CONTENTS, SIMULATIONS))[numbers]
    return mean + shared + generator.normal(size=(len(numbers), SIMULATIONS)), numbers


def coverage(found: list[Interval], mean: float) -> float:
    return float(np.mean([interval.low <= mean <= interval.high for interval in found]))


def test_95_of_100_intervals_over_contents_cover_the_true_mean_and_those_over_queries_do_not() -> None:
    values, numbers = clustered(np.random.default_rng(0), 0.7)
    assert 0.93 <= coverage(bootstrap_means(values, units=[str(n) for n in numbers]), 0.7) <= 0.97
    assert coverage(bootstrap_means(values), 0.7) < 0.8


def test_without_a_difference_the_test_finds_one_in_5_of_100_and_flipping_queries_far_more() -> None:
    """Bounds: three standard errors of 2000 draws at 5%."""
    values, numbers = clustered(np.random.default_rng(1), 0.0)
    by_content = randomization_test(sum_by_unit(values, numbers, CONTENTS), permutations=10_000)
    assert abs(np.mean(by_content < 0.05) - 0.05) < 0.015
    assert abs(np.mean(by_content < 0.5) - 0.5) < 0.034
    assert np.mean(randomization_test(values[:, :500], permutations=2000) < 0.05) > 0.15


def test_after_holm_a_family_without_a_difference_shows_one_in_at_most_5_of_100() -> None:
    sums = np.random.default_rng(2).normal(size=(40, 20 * 300))
    p = randomization_test(sums, permutations=10_000).reshape(300, 20)
    assert np.mean(p.min(axis=1) < 0.05) > 0.5
    assert np.mean([holm(family).min() < 0.05 for family in p]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_a_real_difference_is_found() -> None:
    values, numbers = clustered(np.random.default_rng(3), 0.5)
    assert np.mean(randomization_test(sum_by_unit(values[:, :200], numbers, CONTENTS)) < 0.05) > 0.9


@pytest.mark.parametrize("values", [[1, 2, 3, -1, 5, 2, 0, 4], [0, 0, 0, 0, 0], [100, -100, 100, 0, 100, 100], [1, 2]])
def test_exact_p_values_are_those_of_scipy(values: list[float]) -> None:
    differences = np.array(values, dtype=np.float64)
    expected = permutation_test(differences, np.inf)
    assert randomization_test(differences[:, None]) == pytest.approx([expected], abs=1e-12)


def test_drawn_p_values_are_those_of_scipy_within_noise() -> None:
    sums = np.random.default_rng(4).normal(0.2, 1, (30, 5))
    found = randomization_test(sums, seed=1, permutations=20_000)
    expected = [permutation_test(column, 20_000) for column in sums.T]
    assert found == pytest.approx(expected, abs=0.02)
    assert (found == randomization_test(sums, seed=1, permutations=20_000)).all()


def permutation_test(differences: Floats, resamples: float) -> float:
    pairs = (differences, np.zeros_like(differences))
    found = stats.permutation_test(
        pairs, lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", n_resamples=resamples,
        vectorized=True, rng=np.random.default_rng(5),
    )  # fmt: skip
    return float(found.pvalue)


def test_drawn_p_values_approach_the_exact_ones() -> None:
    sums = np.random.default_rng(6).integers(-3, 6, (14, 8)).astype(np.float64)
    assert randomization_test(sums, permutations=16_000) == pytest.approx(
        randomization_test(sums, permutations=2**14), abs=0.015
    )


def test_p_is_never_0_in_one_block_or_in_many(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.random.default_rng(7).integers(1, 9, (40, 2)).astype(np.float64)
    assert randomization_test(sums, permutations=999).tolist() == [0.001, 0.001]
    monkeypatch.setattr("isoglot.evaluation.statistics.significance._CELLS", 40 * 16)
    assert randomization_test(sums, permutations=999).tolist() == [0.001, 0.001]


def test_holm_worked_by_hand() -> None:
    """Sorted .01, .03, .04: times 3, 2, 1, never falling; what is no test is not counted."""
    assert holm(np.array([0.04, 0.01, np.nan, 0.03])) == pytest.approx([0.06, 0.03, np.nan, 0.06], nan_ok=True)
    assert holm(np.array([[0.6, 0.9], [0.01, 0.5]])) == pytest.approx(np.array([[1, 1], [0.04, 1]]))
    assert np.isnan(holm(np.array([np.nan]))).all()


@pytest.mark.parametrize(
    ("low", "high", "kept"),
    [(-0.9, 0.2, True), (0.5, 2, True), (-1.5, -1.1, False), (-1.2, -0.4, None), (np.nan, np.nan, None)],
)
def test_kept_is_decided_by_the_interval_and_the_margin(low: float, high: float, kept: bool | None) -> None:
    assert non_inferior(Interval((low + high) / 2, low, high), 1.0) is kept


def test_a_loss_of_the_margin_itself_is_called_kept_in_at_most_5_of_100() -> None:
    values, numbers = clustered(np.random.default_rng(9), -1.0)
    found = bootstrap_means(values, units=[str(n) for n in numbers])
    assert np.mean([non_inferior(interval, 1.0) is True for interval in found]) < 0.05
