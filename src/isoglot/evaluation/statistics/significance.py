"""Significance of paired differences: a randomization test, Holm's correction, and non-inferiority."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isoglot.evaluation.statistics.intervals import Interval
from isoglot.platform.arrays import Floats

LEVEL = 0.05
"""A difference is called significant where p is below this level after Holm's correction."""

PERMUTATIONS = 50_000
"""How many sign patterns are drawn: p is then at least 2e-5, so that a table of 2,500 tests can show significance."""

ANSWERS = {True: "yes", False: "no", None: "not certain"}
"""The three answers of `non_inferior`, as people read them."""

_CELLS = 4_000_000  # the most signs held at once


def randomization_test(sums: Floats, seed: int = 0, permutations: int = PERMUTATIONS) -> Floats:
    """Return two-sided p-values of the paired randomization test (Fisher 1935; in retrieval: Smucker et al. 2007).

    If two systems were alike, each unit's differences might as well have the other sign. p is the share of sign
    patterns under which the absolute sum is at least the observed one. Where there are no more than `permutations`
    patterns, all are tried. Otherwise so many are drawn, and the observed one counts as one of them, so that p is never
    0 (Phipson and Smyth 2010). The same patterns serve all columns.

    Args:
        sums: (u, m) sums of m differences over each of u units, such as all questions about one content.
        seed: Random seed for the patterns.
        permutations: The most patterns to try.

    Returns:
        (m,) p-values in (0, 1].
    """
    count = len(sums)
    # Sums that are equal on paper may differ in their last bits.
    least = np.abs(sums.sum(axis=0)) - 1e-9 * np.abs(sums).sum(axis=0)
    if 2**count <= permutations:
        patterns = np.arange(2**count)[:, None] >> np.arange(count) & 1
        return np.asarray(_hits(patterns, sums, least) / 2**count)
    generator = np.random.default_rng(seed)
    size = max(1, _CELLS // count)
    hits = np.ones(sums.shape[1])
    for start in range(0, permutations, size):
        patterns = generator.integers(0, 2, (min(size, permutations - start), count), dtype=np.int8)
        hits += _hits(patterns, sums, least)
    return np.asarray(hits / (permutations + 1))


def _hits(patterns: NDArray[np.integer], sums: Floats, least: Floats) -> Floats:
    """(m,) number of the (n, u) `patterns` of 0 (minus) and 1 (plus) whose absolute sum reaches `least`."""
    signed = (2.0 * patterns - 1) @ sums
    return np.asarray(np.count_nonzero(np.abs(signed) >= least, axis=0), dtype=np.float64)


def holm(p: Floats) -> Floats:
    """Correct the p-values of one family by Holm's step-down method (1979); NaN is no test and stays NaN.

    Calling corrected p-values below 0.05 significant errs anywhere in the family in at most 5% of cases.

    Args:
        p: P-values, in an array of any shape.

    Returns:
        Corrected p-values in [0, 1], in the same shape.
    """
    corrected = np.full(p.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p.flat[tests], kind="stable")]
    stepped = p.flat[order] * np.arange(len(order), 0, -1)
    corrected.flat[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected


def non_inferior(difference: Interval, margin: float) -> bool | None:
    """Whether a measure of which more is better fell by less than `margin`, by the 95% interval of the difference.

    The lower bound of the interval alone is a one-sided test at 2.5% (ICH E9).

    Args:
        difference: After less before, with its interval.
        margin: The most that may be lost, in the unit of the measure, above 0.

    Returns:
        True: the interval lies above -margin. False: it lies below. None: it contains -margin, or the difference is
        NaN.
        `ANSWERS` has the words for them.
    """
    if difference.low > -margin:
        return True
    return False if difference.high < -margin else None
