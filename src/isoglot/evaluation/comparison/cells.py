"""Cells of a comparison: what several audits say of one pool asked in one language, and of the mean over a scenario."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from isoglot.evaluation.measures import LOWER_IS_BETTER, parse_measure
from isoglot.evaluation.results import Cell, ScenarioResult
from isoglot.evaluation.statistics.intervals import (
    Interval,
    bootstrap_means,
    intervals_of,
    resampled_ratios,
    sum_by_unit,
)
from isoglot.evaluation.statistics.significance import LEVEL, holm, randomization_test
from isoglot.platform.arrays import Floats, Ints

HEADLINES = {
    "multi": ("complete@10", "max_r", "ndcg@1", "rank_distance", "lpr"),
    "mono-same": ("ndcg@1", "ndcg@10", "rr"),
    "mono-cross": ("ndcg@1", "ndcg@10", "rr"),
    "control": ("ndcg@1", "ndcg@10", "rr"),
}
"""The measures that the tables of each scenario show and comparisons test, where they were computed."""
ASKED_FOR = {"multi": ("own_first", "lang_ndcg", "tlr", "mrc")}
"""Those that are shown with any K too; no audit computes them unasked."""

_EQUAL = 1e-9  # means over seeds that are equal on paper may differ in their last bits


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """An audit against the first one, by one measure.

    Queries for which the value of either audit is unknown are not counted.

    Attributes:
        better: Number of queries on which the audit is better; higher, for a measure that is good neither high nor low.
        same: Number of queries on which both are equal.
        worse: Number of queries on which the audit is worse; lower, for a measure that is good neither high nor low.
        p: p-value of the paired randomization test; NaN where the measure does not apply.
        p_holm: p-value corrected by Holm over all tests of the scenario: measures, pools, languages,
            audits and the means.
    """

    better: int
    same: int
    worse: int
    p: float
    p_holm: float

    @property
    def significant(self) -> bool:
        """Whether the corrected p is below 0.05."""
        return self.p_holm < LEVEL


@dataclass(frozen=True, kw_only=True)
class ComparedCell:
    """One pool asked in one language, by every audit; or the mean over all cells of a scenario.

    Attributes:
        scenario: ``multi``, ``mono-same``, ``mono-cross`` or ``control``.
        pool_languages: Languages of the pool, as the audits spell them; empty for the mean.
        query_language: Language of the questions, as the audits spell it; empty for the mean.
        measures: Measure -> mean of each audit, with its interval.
        differences: Measure -> mean of each audit minus that of the first, with its paired 95% bootstrap interval
            (the same contents are drawn for both).
        outcomes: Measure that is tested -> outcome of each audit against the first.
        deviations: Measure -> standard deviation (n - 1) of each audit's mean over its seeds; NaN with one seed.
    """

    scenario: str
    pool_languages: tuple[str, ...]
    query_language: str
    measures: Mapping[str, tuple[Interval, ...]]
    differences: Mapping[str, tuple[Interval, ...]]
    outcomes: Mapping[str, tuple[Outcome, ...]]
    deviations: Mapping[str, tuple[float, ...]]

    @property
    def cell(self) -> Cell:
        """The name of the cell within the audits."""
        return Cell(self.scenario, self.pool_languages, self.query_language)


def headlines(scenario: str, measures: Iterable[str]) -> list[str]:
    """Those of `measures` that the tables of a scenario show; all of them, if it would be none."""
    computed = list(measures)
    usual = [name for name in HEADLINES[scenario] if name in computed]
    asked_for = [name for name in computed if name.partition("@")[0] in ASKED_FOR.get(scenario, ())]
    return [*usual, *asked_for] or computed


def compare_scenario(
    cells: Sequence[Sequence[Sequence[ScenarioResult]]], contents: Mapping[str, str], seed: int
) -> list[ComparedCell]:
    """Compare the audits in all cells of one scenario.

    Args:
        cells: For each cell the results of each audit, one for each of its seeds; the first audit is the baseline.
        contents: Query id -> its content, which is drawn and flipped whole, in all languages; a query without one is
            a unit by itself.
        seed: Random seed for resamples and permutations.

    Returns:
        A compared cell for each of `cells`, and at the end the mean over them.
    """
    first = cells[0][0][0]
    measures = list(first.measures)
    by_seed = [[_values(seeds, measures) for seeds in audits] for audits in cells]
    columns = [with_differences(np.stack([seeds.mean(axis=0) for seeds in audits])) for audits in by_seed]
    units = [[contents.get(query, query) for query in audits[0][0].query_ids] for audits in cells]
    sums, counts = unit_sums(columns, units)
    intervals = [
        bootstrap_means(values.reshape(len(values), -1), seed, units=cell_units)
        for values, cell_units in zip(columns, units, strict=True)
    ]
    intervals.append(mean_over_cells(sums, counts, seed))
    deviations = _deviations([[_mean(seeds, axis=1) for seeds in audits] for audits in by_seed])
    tested = headlines(first.scenario, measures)
    positions = [measures.index(name) for name in tested]
    p, p_holm = _p_values(sums, counts, positions, seed)
    wins = _wins([values[..., positions] for values in columns], tested)
    names = [*(audits[0][0].cell for audits in cells), Cell(first.scenario, (), "")]
    compared = []
    for number, cell in enumerate(names):
        parts = np.array(intervals[number], dtype=object).reshape(2, len(cells[0]), len(measures))
        compared.append(
            ComparedCell(
                scenario=cell.scenario,
                pool_languages=cell.pool_languages,
                query_language=cell.query_language,
                measures={name: tuple(parts[0, :, column]) for column, name in enumerate(measures)},
                differences={name: tuple(parts[1, :, column]) for column, name in enumerate(measures)},
                outcomes=_outcomes(tested, wins[number], p[number], p_holm[number]),
                deviations={
                    name: tuple(deviations[number][:, column].tolist()) for column, name in enumerate(measures)
                },
            )
        )
    return compared


def _values(seeds: Sequence[ScenarioResult], measures: Sequence[str]) -> Floats:
    """(seeds, queries, measures) values of the results of one audit's seeds."""
    judged = [result.judged for result in seeds if result.judged is not None]
    return np.stack([np.stack([parse_measure(name)(ranks) for name in measures], axis=1) for ranks in judged])


def with_differences(values: Floats) -> Floats:
    """(queries, 2, audits, measures): (audits, queries, measures) `values`, and each audit's less the first's.

    A difference is infinite where a value of either audit is, which means that it is not known.
    """
    known = np.isfinite(values) | np.isnan(values)
    with np.errstate(invalid="ignore"):
        differences = np.where(known & known[0], values - values[0], np.inf)
    return np.moveaxis(np.stack([values, differences]), 2, 0)


def _deviations(seed_means: Sequence[Sequence[Floats]]) -> list[Floats]:
    """For each cell, and for the mean over them at the end, (audits, measures) standard deviations over seeds.

    Args:
        seed_means: For each cell and audit (seeds, measures) means over the queries.
    """
    over_cells = [_mean(np.stack(audits), axis=0) for audits in zip(*seed_means, strict=True)]
    return [np.stack([_deviation(means) for means in audits]) for audits in (*seed_means, over_cells)]


def unit_sums(columns: Sequence[Floats], units: Sequence[Sequence[str]]) -> tuple[Floats, Floats]:
    """Sum the values of the queries of each unit.

    Args:
        columns: For each cell (q, ...) values of its queries; NaN where there is none.
        units: For each cell the unit that each of its q queries belongs to.

    Returns:
        (units, cells, ...) sums, and the number of queries that have a value, in the same shape.
    """
    names, numbers = np.unique(np.concatenate(units), return_inverse=True)
    by_cell = np.split(numbers, np.cumsum([len(cell_units) for cell_units in units])[:-1])
    shape = (len(names), *columns[0].shape[1:])
    filled = [np.where(np.isnan(values), 0.0, values).reshape(len(values), -1) for values in columns]
    valid = [~np.isnan(values).reshape(len(values), -1) for values in columns]
    sums, counts = (
        np.stack(
            [
                sum_by_unit(values, cell_numbers, len(names)).reshape(shape)
                for values, cell_numbers in zip(summands, by_cell, strict=True)
            ],
            axis=1,
        )
        for summands in (filled, valid)
    )
    return sums, counts


def mean_over_cells(sums: Floats, counts: Floats, seed: int) -> list[Interval]:
    """The mean over cells of each column, every cell resampled by the same units.

    Args:
        sums: (units, cells, ...), as `unit_sums` returns them.
        counts: (units, cells, ...), as `unit_sums` returns them.
        seed: Random seed for the resamples.
    """
    units, cells = sums.shape[:2]
    drawn = resampled_ratios(sums.reshape(units, -1), counts.reshape(units, -1), seed)
    with np.errstate(invalid="ignore"):
        means = sums.sum(axis=0) / counts.sum(axis=0)
    return intervals_of(_mean(means.reshape(cells, -1), axis=0), _mean(drawn.reshape(len(drawn), cells, -1), axis=1))


def _p_values(sums: Floats, counts: Floats, tested: Sequence[int], seed: int) -> tuple[Floats, Floats]:
    """(cells + 1, audits, tested) p-values of each audit against the first, as they are and corrected by Holm.

    The last cell is the mean. NaN where the difference is not known for every query.

    Args:
        sums: (units, cells, 2, audits, measures), as `unit_sums` returns them for `with_differences`.
        counts: (units, cells, 2, audits, measures), as `unit_sums` returns them for `with_differences`.
        tested: Positions of the measures that are tested.
        seed: Random seed for the permutations.
    """
    with np.errstate(invalid="ignore"):
        parts = (sums / counts.sum(axis=0))[:, :, 1, 1:][..., tested]  # (units, cells, audits but the first, tested)
    parts = np.concatenate([parts, _mean(parts, axis=1)[:, None]], axis=1)
    known = np.isfinite(parts)
    p = randomization_test(np.where(known, parts, 0.0).reshape(len(parts), -1), seed).reshape(parts[0].shape)
    p[~known.all(axis=0)] = np.nan
    itself = np.ones_like(p[:, :1])  # the first audit against itself is no test
    return np.concatenate([itself, p], axis=1), np.concatenate([itself, holm(p)], axis=1)


def _wins(columns: Sequence[Floats], measures: Sequence[str]) -> list[Ints]:
    """For each cell, and for their sum at the end, (3, audits, measures) queries that are better, the same and worse.

    Args:
        columns: For each cell (queries, 2, audits, measures), as `with_differences` returns them.
        measures: Their names.
    """
    sign = np.array([-1 if name in LOWER_IS_BETTER else 1 for name in measures])
    gains = [np.where(np.isinf(values), np.nan, values)[:, 1] * sign for values in columns]
    wins = [np.stack([(g > _EQUAL).sum(0), (abs(g) <= _EQUAL).sum(0), (g < -_EQUAL).sum(0)]) for g in gains]
    return [*wins, np.sum(wins, axis=0)]


def _outcomes(measures: Sequence[str], wins: Ints, p: Floats, p_holm: Floats) -> dict[str, tuple[Outcome, ...]]:
    """The outcomes of one cell, by measure: `wins` is (3, audits, measures), the p-values are (audits, measures)."""

    def outcome(audit: int, column: int) -> Outcome:
        better, same, worse = wins[:, audit, column].tolist()
        return Outcome(
            better=better,
            same=same,
            worse=worse,
            p=float(p[audit, column]),
            p_holm=float(p_holm[audit, column]),
        )

    return {name: tuple(outcome(audit, column) for audit in range(len(p))) for column, name in enumerate(measures)}


def _deviation(seeds: Floats) -> Floats:
    """(measures,) the standard deviation of (seeds, measures) over the seeds; NaN with one seed."""
    with np.errstate(invalid="ignore"):
        return np.asarray(seeds.std(axis=0, ddof=1)) if len(seeds) > 1 else np.full(seeds.shape[1], np.nan)


def _mean(values: Floats, axis: int) -> Floats:
    """The mean over an axis without NaN; NaN where there is nothing else."""
    valid = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(valid, values, 0.0).sum(axis=axis) / valid.sum(axis=axis))
