"""Bootstrap intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from isoglot import intervals
from isoglot.intervals import bootstrap_means, bootstrap_ratios


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
    (found,) = bootstrap_ratios(np.array([[9.0], [0.0]]), np.array([[90.0], [10.0]]))
    assert found.mean == pytest.approx(0.09)


def test_the_seed_decides_and_chunks_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(50, 2))
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
