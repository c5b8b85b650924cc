"""Bootstrap intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from isoglot.evaluation.statistics import intervals
from isoglot.evaluation.statistics.intervals import bootstrap_means, bootstrap_ratios


def test_a_constant_has_an_interval_without_width() -> None:
    (found,) = bootstrap_means(np.full((20, 1), 7.0))
    assert (found.mean, found.low, found.high) == (7.0, 7.0, 7.0)


def test_values_that_say_nothing_are_left_out_and_a_column_of_them_is_nan() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    one, nothing = bootstrap_means(values)
    assert one.mean == 2.0
    assert 1.0 <= one.low <= one.high <= 3.0
    assert all(map(math.isnan, (nothing.mean, nothing.low, nothing.high)))


def test_a_ratio_of_sums_is_not_a_mean_of_ratios() -> None:
    """Drawn are one row twice (0.1 or 0, a quarter of the time each) or both (0.09): the bounds are 0 and 0.1."""
    (found,) = bootstrap_ratios(np.array([[9.0], [0.0]]), np.array([[90.0], [10.0]]))
    assert (found.mean, found.low, found.high) == pytest.approx((0.09, 0.0, 0.1))


def test_two_queries_worked_by_hand() -> None:
    """The resampled mean is 0, 50 or 100, a quarter, a half and a quarter of the time."""
    (found,) = bootstrap_means(np.array([[0.0], [100.0]]))
    assert (found.mean, found.low, found.high) == (50.0, 0.0, 100.0)


def test_queries_of_one_content_are_drawn_together() -> None:
    """Two contents of two and three queries: the resampled mean is 0, 60 or 100."""
    values = np.array([[0.0], [100.0], [0.0], [100.0], [100.0]])
    (found,) = bootstrap_means(values, units=["a", "b", "a", "b", "b"])
    assert (found.mean, found.low, found.high) == (60.0, 0.0, 100.0)
    (alone,) = bootstrap_means(values, units=["a"] * 5)
    assert (alone.mean, alone.low, alone.high) == (60.0, 60.0, 60.0)


def test_columns_are_resampled_alike_whatever_stands_beside_them() -> None:
    values = np.random.default_rng(2).integers(0, 100, (40, 3)).astype(np.float64)
    together = bootstrap_means(values)
    assert [bootstrap_means(values[:, [column]])[0] for column in range(3)] == together


def test_the_seed_decides_and_chunks_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 1000, (50, 2)).astype(np.float64)  # whole: sums are exact
    whole = bootstrap_means(values, seed=3)
    assert bootstrap_means(values, seed=3) == whole
    assert bootstrap_means(values, seed=4) != whole
    monkeypatch.setattr(intervals, "_CELLS", 50 * 7)
    assert bootstrap_means(values, seed=3) == whole


def test_about_95_of_100_intervals_cover_the_true_mean() -> None:
    generator = np.random.default_rng(1)
    values = generator.exponential(size=(200, 400))
    found = bootstrap_means(values)
    covered = np.mean([interval.low <= 1.0 <= interval.high for interval in found])
    assert 0.91 <= covered <= 0.98
