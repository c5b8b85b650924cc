"""Every measure of every audit, as the page's table shows it and as the page's JSON and CSV hold it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from isoglot.evaluation.comparison.comparison import Comparison
from isoglot.evaluation.results import Audit, ScenarioResult
from isoglot.evaluation.statistics.intervals import Interval
from isoglot.report.tables import pool_name

CELL_COLUMNS = ("scenario", "pool", "asked in")
MEASURE_COLUMNS = (
    *("documents in", "measure", "audit", "mean", "low", "high"),
    *("difference", "difference low", "difference high", "p (Holm)"),
)


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """A row of the page's table: one measure in one cell.

    Attributes:
        result: Result of the first audit in the cell.
        measure: Name of the measure.
        values: Mean of each audit with its interval.
        differences: Paired difference of each audit from the first; empty for one audit alone.
        stars: Whether each difference is significant; empty where none was tested.
    """

    result: ScenarioResult
    measure: str
    values: Sequence[Interval]
    differences: Sequence[Interval] = ()
    stars: Sequence[bool] = ()


def measures_of(audits: Sequence[Audit], comparison: Comparison | None) -> Iterator[tuple[Any, ...]]:
    """Yield the values of `CELL_COLUMNS` for every cell of every audit, followed by a list of its `MEASURE_COLUMNS`.

    The column ``audit`` holds the index of an audit. Differences are from the first audit. An entry of the list ends
    with its last known value.
    """
    cells = {cell.cell: cell for cell in comparison.cells} if comparison else {}
    for index, audit in enumerate(audits):
        for result in audit.scenarios:
            cell = cells.get(result.cell) if index else None
            entries: list[tuple[Any, ...]] = []
            for measure, interval in result.measures.items():
                entry: tuple[Any, ...] = ("", measure, index, *_ends(interval))
                if cell and measure in cell.differences:
                    entry += _ends(cell.differences[measure][index])
                if cell and measure in cell.outcomes:
                    entry += (round(cell.outcomes[measure][index].p_holm, 6),)
                entries.append(entry)
            for tag, language in result.by_language.items() if len(result.by_language) > 1 else ():
                entries.append((tag, "median_rank", index, language.median_rank))
                for measure in ("mean_rank", "worst_share", "top_share", "above_share"):
                    entries.append((tag, measure, index, *_ends(getattr(language, measure))))
            yield (result.scenario, pool_name(result.pool_languages), result.query_language, entries)


def _ends(interval: Interval) -> tuple[float, ...]:
    return tuple(round(number, 4) for number in (interval.mean, interval.low, interval.high))


def table_rows(audits: Sequence[Audit], comparison: Comparison | None) -> Iterator[TableRow]:
    """Yield the rows of the page's table: each measure of each cell that all audits have."""
    cells = {cell.cell: cell for cell in comparison.cells} if comparison else {}
    for result in audits[0].scenarios:
        cell = cells.get(result.cell)
        if comparison and cell is None:
            continue
        for measure, interval in result.measures.items():
            if cell is None:
                yield TableRow(result=result, measure=measure, values=[interval])
            elif measure in cell.measures:
                yield TableRow(
                    result=result,
                    measure=measure,
                    values=cell.measures[measure],
                    differences=cell.differences[measure],
                    stars=[outcome.significant for outcome in cell.outcomes.get(measure, ())],
                )
