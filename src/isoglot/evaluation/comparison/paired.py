"""Paired means over cells of which the same queries were asked before and after a change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from isoglot.evaluation.changes import MEASURES, Change
from isoglot.evaluation.comparison.cells import mean_over_cells, unit_sums, with_differences
from isoglot.evaluation.measures import Judged, parse_measure
from isoglot.evaluation.results import ScenarioResult
from isoglot.platform.arrays import Floats, Ints


class Pair(NamedTuple):
    """A cell before and after a change.

    Attributes:
        before: The cell's result, with its ranks.
        after: The ranks of r of its queries after the change.
        rows: (r,) which of its queries they are.
    """

    before: ScenarioResult
    after: Judged
    rows: Ints


def mean_changes(pairs: Sequence[Pair], seed: int) -> dict[str, Change]:
    """Return the change of each of `MEASURES`, mean over the cells of its scenario.

    Args:
        pairs: One for each cell.
        seed: Random seed for the resamples; a content's queries are drawn together, before and after alike.
    """
    changes = {}
    for scenario, names in MEASURES.items():
        cells = [pair for pair in pairs if pair.before.scenario == scenario]
        if cells:
            columns = [with_differences(np.stack([_before(pair, names), _values(pair.after, names)])) for pair in cells]
            units = [[pair.before.contents[row] for row in pair.rows] for pair in cells]
            intervals = mean_over_cells(*unit_sums(columns, units), seed)  # (means, differences) x (before, after)
            for number, name in enumerate(names):
                before, after, _, difference = intervals[number :: len(names)]
                changes[f"{scenario} {name}"] = Change(before=before, after=after, difference=difference)
    return changes


def _before(pair: Pair, names: Sequence[str]) -> Floats:
    assert pair.before.judged is not None
    return _values(pair.before.judged, names)[pair.rows]


def _values(judged: Judged, names: Sequence[str]) -> Floats:
    """(queries, measures) values."""
    return np.stack([parse_measure(name)(judged) for name in names], axis=1)
