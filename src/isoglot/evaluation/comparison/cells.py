"""Cells of a comparison: what is said of one pool asked in one language by several audits, and of a scenario's mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from isoglot.evaluation.measures import LOWER_IS_BETTER, parse_measure
from isoglot.evaluation.results import ScenarioResult
from isoglot.evaluation.statistics.intervals import (
    Interval,
    bootstrap_means,
    intervals_of,
    resampled_ratios,
    sum_by_unit,
)
from isoglot.evaluation.statistics.significance import LEVEL, holm, randomization_test
from isoglot.platform.arrays import Floats

HEADLINES = {
    "multi": ("complete@10", "max_r", "ndcg@1", "rank_distance", "lpr"),
    "mono-same": ("ndcg@1", "ndcg@10", "rr"),
    "mono-cross": ("ndcg@1", "ndcg@10", "rr"),
    "control": ("ndcg@1", "ndcg@10", "rr"),
}
"""The measures that the tables of each scenario show and comparisons test, where they were computed."""

_EQUAL = 1e-9  # means over seeds that are equal on paper may differ in their last bits


@dataclass(frozen=True)
class Outcome:
    """An audit against the first one, by one measure.

    Attributes:
        better: On how many queries it is better; of a measure that is better neither high nor low: higher. Queries
            where either cannot be told are in none of the three.
        same: On how many it is equal.
        worse: On how many it is worse, or lower.
        p: Of the paired randomization test; NaN where the measure says nothing.
        p_holm: Corrected by Holm over all tests of the scenario: measures, pools, languages, audits and the means.
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


@dataclass(frozen=True)
class ComparedCell:
    """One pool asked in one language, by every audit; or the mean over all of a scenario's cells.

    Attributes:
        scenario: A name out of ``isoglot.ranking.pools.SCENARIOS``.
        pool_languages: As in the audits; empty for the mean.
        query_language: Likewise.
        measures: Measure -> a mean with its interval for each audit.
        differences: Measure -> each audit's mean less the first's, with its paired 95% bootstrap interval (the same
            contents are drawn for both).
        outcomes: Measure out of `HEADLINES` -> each audit against the first.
        deviations: Measure -> the standard deviation (n - 1) of each audit's mean over its seeds; NaN with one.
    """

    scenario: str
    pool_languages: tuple[str, ...]
    query_language: str
    measures: Mapping[str, tuple[Interval, ...]]
    differences: Mapping[str, tuple[Interval, ...]]
    outcomes: Mapping[str, tuple[Outcome, ...]]
    deviations: Mapping[str, tuple[float, ...]]

    @property
    def cell(self) -> tuple[str, tuple[str, ...], str]:
        """As `ScenarioResult.cell`."""
        return self.scenario, self.pool_languages, self.query_language

    def to_json(self) -> dict[str, Any]:
        """The cell as plain data."""
        lists: dict[str, Mapping[str, Sequence[Any]]] = {
            "measures": self.measures,
            "differences": self.differences,
            "outcomes": self.outcomes,
        }
        return {
            "scenario": self.scenario,
            "pool_languages": list(self.pool_languages),
            "query_language": self.query_language,
            **{part: {name: [asdict(f) for f in found] for name, found in lists[part].items()} for part in lists},
            "deviations": {name: list(found) for name, found in self.deviations.items()},
        }


def headlines(scenario: str, measures: Iterable[str]) -> list[str]:
    """Those of `measures` that the tables of a scenario show; all, where it would be none."""
    computed = list(measures)
    return [name for name in HEADLINES[scenario] if name in computed] or computed


def compare_scenario(
    cells: Sequence[Sequence[Sequence[ScenarioResult]]], contents: Mapping[str, str], seed: int
) -> list[ComparedCell]:
    """The compared cells of one scenario, and at the end the mean over them.

    Args:
        cells: For each cell the results of each audit, one for each of its seeds; the first audit is the baseline.
        contents: Query id -> its content, which is drawn and flipped whole, in all languages; a query without one is
            a unit by itself.
        seed: Of resamples and permutations.
    """
    first = cells[0][0][0]
    measures = list(first.measures)
    by_seed = [[_values(seeds, measures) for seeds in audits] for audits in cells]
    columns = [_with_differences(np.stack([seeds.mean(axis=0) for seeds in audits])) for audits in by_seed]
    units = [[contents.get(query, query) for query in audits[0][0].query_ids] for audits in cells]
    sums, counts = unit_sums(columns, units)
    intervals = [
        bootstrap_means(found.reshape(len(found), -1), seed, units=own)
        for found, own in zip(columns, units, strict=True)
    ]
    intervals.append(mean_over_cells(sums, counts, seed))
    seed_means = [[_mean(seeds, axis=1) for seeds in audits] for audits in by_seed]
    seed_means.append([_mean(np.stack(found), axis=0) for found in zip(*seed_means, strict=True)])
    tested = [measures.index(name) for name in headlines(first.scenario, measures)]
    outcomes = _outcomes(columns, sums, counts, measures, tested, seed)
    places = [*(audits[0][0].cell for audits in cells), (first.scenario, (), "")]
    compared = []
    for (scenario, pool, language), flat, outcome, means in zip(places, intervals, outcomes, seed_means, strict=True):
        values, differences = np.array(flat, dtype=object).reshape(2, len(cells[0]), len(measures))
        deviations = np.stack([_deviation(seeds) for seeds in means])
        by_measure = [
            {name: tuple(found[:, at].tolist()) for at, name in enumerate(measures)}
            for found in (values, differences, deviations)
        ]
        compared.append(ComparedCell(scenario, pool, language, by_measure[0], by_measure[1], outcome, by_measure[2]))
    return compared


def _values(seeds: Sequence[ScenarioResult], measures: Sequence[str]) -> Floats:
    """(seeds, queries, measures)."""
    judged = [result.judged for result in seeds if result.judged is not None]
    return np.stack([np.stack([parse_measure(name)(found) for name in measures], axis=1) for found in judged])


def _with_differences(values: Floats) -> Floats:
    """(queries, 2, audits, measures): (audits, queries, measures) `values`, and what is left less the first audit's."""
    told = np.isfinite(values) | np.isnan(values)
    with np.errstate(invalid="ignore"):
        differences = np.where(told & told[0], values - values[0], np.inf)
    return np.moveaxis(np.stack([values, differences]), 2, 0)


def unit_sums(columns: Sequence[Floats], units: Sequence[Sequence[str]]) -> tuple[Floats, Floats]:
    """(units, cells, ...) sums over the queries of each unit, and how many queries have a value.

    Args:
        columns: For each cell (q, ...) values of its queries, NaN where there is none.
        units: For each cell what each of its q queries belongs to.
    """
    names, numbers = np.unique(np.concatenate(units), return_inverse=True)
    at = np.split(numbers, np.cumsum([len(own) for own in units])[:-1])
    shape = (len(names), *columns[0].shape[1:])
    filled = [np.where(np.isnan(found), 0.0, found).reshape(len(found), -1) for found in columns]
    valid = [~np.isnan(found).reshape(len(found), -1) for found in columns]
    sums, counts = (
        np.stack([sum_by_unit(v, n, len(names)).reshape(shape) for v, n in zip(found, at, strict=True)], axis=1)
        for found in (filled, valid)
    )
    return sums, counts


def mean_over_cells(sums: Floats, counts: Floats, seed: int) -> list[Interval]:
    """The mean over cells of each column, every cell resampled by the same units.

    Args:
        sums: (units, cells, ...), as `unit_sums` gives them.
        counts: Likewise.
        seed: Of the resamples.
    """
    units, cells = sums.shape[:2]
    drawn = resampled_ratios(sums.reshape(units, -1), counts.reshape(units, -1), seed)
    with np.errstate(invalid="ignore"):
        means = sums.sum(axis=0) / counts.sum(axis=0)
    return intervals_of(_mean(means.reshape(cells, -1), axis=0), _mean(drawn.reshape(len(drawn), cells, -1), axis=1))


def _outcomes(
    columns: Sequence[Floats], sums: Floats, counts: Floats, measures: Sequence[str], tested: Sequence[int], seed: int
) -> list[dict[str, tuple[Outcome, ...]]]:
    """For each cell, and for the mean at the end, the outcome of each audit by measure."""
    with np.errstate(invalid="ignore"):
        parts = (sums / counts.sum(axis=0))[:, :, 1, 1:][..., tested]  # (units, cells, audits but the first, measures)
    parts = np.concatenate([parts, _mean(parts, axis=1)[:, None]], axis=1)
    told = np.isfinite(parts)
    p = randomization_test(np.where(told, parts, 0.0).reshape(len(parts), -1), seed).reshape(parts[0].shape)
    p[~told.all(axis=0)] = np.nan
    itself = np.ones_like(p[:, :1])  # the first audit against itself is no test
    p, p_holm = (np.concatenate([itself, found], axis=1) for found in (p, holm(p)))
    sign = np.array([-1 if measures[at] in LOWER_IS_BETTER else 1 for at in tested])
    gains = [np.where(np.isinf(found), np.nan, found)[:, 1][..., tested] * sign for found in columns]
    counted = [np.stack([(g > _EQUAL).sum(0), (abs(g) <= _EQUAL).sum(0), (g < -_EQUAL).sum(0)]) for g in gains]
    counted.append(np.sum(counted, axis=0))

    def outcome(cell: int, audit: int, column: int) -> Outcome:
        better, same, worse = counted[cell][:, audit, column].tolist()
        return Outcome(better, same, worse, float(p[cell, audit, column]), float(p_holm[cell, audit, column]))

    return [
        {
            measures[at]: tuple(outcome(cell, audit, column) for audit in range(p.shape[1]))
            for column, at in enumerate(tested)
        }
        for cell in range(len(p))
    ]


def _deviation(seeds: Floats) -> Floats:
    """(measures,) the standard deviation over (seeds, measures); NaN with one seed."""
    with np.errstate(invalid="ignore"):
        return np.asarray(seeds.std(axis=0, ddof=1)) if len(seeds) > 1 else np.full(seeds.shape[1], np.nan)


def _mean(values: Floats, axis: int) -> Floats:
    """The mean over an axis without NaN; NaN where there is nothing else."""
    valid = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(valid, values, 0.0).sum(axis=axis) / valid.sum(axis=axis))
