"""95% bootstrap intervals over queries, or over the contents that they ask about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoglot.platform.arrays import Floats

RESAMPLES = 1000
"""How many resamples an interval is made from."""

_CELLS = 8_000_000  # the most resampled queries held at once


@dataclass(frozen=True)
class Interval:
    """A mean and its 95% interval.

    All three are NaN, in JSON null, where no query has a value or a query's value is unknown.

    Attributes:
        mean: Mean.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    mean: float
    low: float
    high: float


def bootstrap_ratios(
    values: Floats, weights: Floats, seed: int = 0, resamples: int = RESAMPLES, units: Sequence[str] = ()
) -> list[Interval]:
    """Return sum(values) / sum(weights) of each column with its percentile bootstrap interval (Efron 1979).

    With the weights 1 for a valid value and 0 for none, the ratio is the mean. The same seed and units lead to the same
    resamples, so columns and audits are resampled alike.

    Args:
        values: (q, m) float64, no NaN; infinite where a value is not known.
        weights: (q, m) float64.
        seed: Random seed for the resampling.
        resamples: Number of resamples.
        units: (q,) the unit that each query is drawn with, such as its content, since the queries of one content are
            easy or hard together (Field and Welsh 2007, the cluster bootstrap); empty: each query is drawn by itself.

    Returns:
        m intervals.
    """
    if units:
        names, numbers = np.unique(np.array(units), return_inverse=True)
        values, weights = (sum_by_unit(summands, numbers, len(names)) for summands in (values, weights))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = values.sum(axis=0) / weights.sum(axis=0)
    return intervals_of(means, resampled_ratios(values, weights, seed, resamples))


def bootstrap_means(
    values: Floats, seed: int = 0, resamples: int = RESAMPLES, units: Sequence[str] = ()
) -> list[Interval]:
    """Return the mean of each column of (q, m) `values` with its interval; NaN values are left out."""
    valid = ~np.isnan(values)
    return bootstrap_ratios(np.where(valid, values, 0.0), valid.astype(np.float64), seed, resamples, units)


def sum_by_unit(values: Floats, numbers: NDArray[np.integer], units: int) -> Floats:
    """Sum the rows of (q, m) `values` that have the same of (q,) `numbers`, 0 to units - 1; returns (units, m)."""
    sums = np.zeros((units, values.shape[1]))
    np.add.at(sums, numbers, values)
    return sums


def resampled_ratios(values: Floats, weights: Floats, seed: int = 0, resamples: int = RESAMPLES) -> Floats:
    """Draw as many rows as there are, with replacement, and return sum(values) / sum(weights) of each resample.

    Returns:
        (resamples, m) ratios; NaN where the rows drawn have no weight.
    """
    count = len(values)
    generator = np.random.default_rng(seed)
    ratios = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for size in _chunks(resamples, max(1, _CELLS // max(count, 1))):
            chosen = generator.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
            times = np.bincount(chosen.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)
            ratios.append((times @ values) / (times @ weights))
    return np.concatenate(ratios)


def intervals_of(means: Floats, drawn: Floats) -> list[Interval]:
    """Return each of m `means` with the 2.5th and 97.5th percentile of the finite values in its column of `drawn`."""
    bounds = np.full((2, len(means)), np.nan)
    for column in np.flatnonzero(np.isfinite(means)):
        finite = drawn[np.isfinite(drawn[:, column]), column]
        bounds[:, column] = np.percentile(finite, [2.5, 97.5])
    known = np.where(np.isfinite(means), means, np.nan)
    return [Interval(float(mean), float(low), float(high)) for mean, low, high in zip(known, *bounds, strict=True)]


def _chunks(total: int, size: int) -> list[int]:
    return [min(size, total - start) for start in range(0, total, size)]
