"""95% bootstrap intervals over queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 1000
_CELLS = 8_000_000  # how many resampled queries are held at once


@dataclass(frozen=True)
class Interval:
    """A mean and its 95% interval; all NaN where no query has a value."""

    mean: float
    low: float
    high: float


def bootstrap_ratios(values: Floats, weights: Floats, seed: int = 0, resamples: int = RESAMPLES) -> list[Interval]:
    """The ratio sum(values) / sum(weights) of each column with its percentile bootstrap interval (Efron 1979).

    With the weights 1 for a valid value and 0 for none it is the mean. The same seed and number of queries give the
    same resamples, so columns and audits are resampled alike.

    Args:
        values: (q, m) float64, no NaN.
        weights: (q, m) float64.
        seed: Of the resampling.
        resamples: How many.

    Returns:
        m intervals.
    """
    count = len(values)
    totals = weights.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = values.sum(axis=0) / totals
        generator = np.random.default_rng(seed)
        ratios = []
        for size in _chunks(resamples, max(1, _CELLS // max(count, 1))):
            chosen = generator.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
            times = np.bincount(chosen.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)
            ratios.append((times @ values) / (times @ weights))
    drawn = np.concatenate(ratios)
    bounds = np.full((2, values.shape[1]), np.nan)
    for column in np.flatnonzero(totals > 0):
        finite = drawn[np.isfinite(drawn[:, column]), column]
        bounds[:, column] = np.percentile(finite, [2.5, 97.5])
    return [Interval(float(m), float(low), float(high)) for m, low, high in zip(means, *bounds, strict=True)]


def bootstrap_means(values: Floats, seed: int = 0, resamples: int = RESAMPLES) -> list[Interval]:
    """The mean of each column of (q, m) `values` with its interval; NaN values are left out."""
    valid = ~np.isnan(values)
    return bootstrap_ratios(np.where(valid, values, 0.0), valid.astype(np.float64), seed, resamples)


def _chunks(total: int, size: int) -> list[int]:
    return [min(size, total - start) for start in range(0, total, size)]
