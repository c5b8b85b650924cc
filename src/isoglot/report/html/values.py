"""Every measure of every audit: as the page's table shows it, and as its JSON and CSV hold it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from isoglot.evaluation.comparison.comparison import Comparison
from isoglot.evaluation.results import Audit
from isoglot.evaluation.statistics.intervals import Interval
from isoglot.report.tables import pool_name

CELL_COLUMNS = ("scenario", "pool", "asked in")
MEASURE_COLUMNS = (
    *("documents in", "measure", "audit", "mean", "low", "high"),
    *("difference", "difference low", "difference high", "p (Holm)"),
)


def measures_of(audits: Sequence[Audit], comparison: Comparison | None) -> Iterator[tuple[Any, ...]]:
    """The values of `CELL_COLUMNS` for every cell of every audit, and rows of `MEASURE_COLUMNS`.

    An audit is told by its number; differences are from the first. What is missing at a row's end has no value.
    """
    cells = {cell.cell: cell for cell in comparison.cells} if comparison else {}
    for at, audit in enumerate(audits):
        for result in audit.scenarios:
            cell = cells.get(result.cell) if at else None
            rows: list[tuple[Any, ...]] = []
            for measure, found in result.measures.items():
                row: tuple[Any, ...] = ("", measure, at, *_parts(found))
                if cell and measure in cell.differences:
                    row += _parts(cell.differences[measure][at])
                if cell and measure in cell.outcomes:
                    row += (round(cell.outcomes[measure][at].p_holm, 6),)
                rows.append(row)
            for tag, language in result.by_language.items() if len(result.by_language) > 1 else ():
                rows.append((tag, "median_rank", at, language.median_rank))
                for measure in ("mean_rank", "worst_share", "top_share", "above_share"):
                    rows.append((tag, measure, at, *_parts(getattr(language, measure))))
            yield (result.scenario, pool_name(result.pool_languages), result.query_language, rows)


def _parts(found: Interval) -> tuple[float, ...]:
    return tuple(round(part, 4) for part in (found.mean, found.low, found.high))


def measure_table(audits: Sequence[Audit], comparison: Comparison | None) -> Iterator[dict[str, Any]]:
    """What the page's table shows: a row for each measure of each cell that all audits have."""
    cells = {cell.cell: cell for cell in comparison.cells} if comparison else {}
    for result in audits[0].scenarios:
        cell = cells.get(result.cell)
        if comparison and cell is None:
            continue
        for measure, found in result.measures.items():
            if cell is None:
                yield {"result": result, "measure": measure, "values": [found], "differences": [], "stars": []}
            elif measure in cell.measures:
                yield {
                    "result": result,
                    "measure": measure,
                    "values": cell.measures[measure],
                    "differences": cell.differences[measure],
                    "stars": [outcome.significant for outcome in cell.outcomes.get(measure, ())],
                }
