"""What reports show: verdicts in words and tables of text, which the terminal and Markdown both render."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from isoglot.comparison import ComparedCell, Comparison
from isoglot.errors import IsoglotError
from isoglot.intervals import Interval
from isoglot.languages import canonical, english_name
from isoglot.results import Audit, ScenarioResult

HEADLINES = {
    "multi": ("complete@10", "max_r", "ndcg@1", "rank_distance", "lpr"),
    "mono-same": ("ndcg@1", "ndcg@10", "rr"),
    "mono-cross": ("ndcg@1", "ndcg@10", "rr"),
    "control": ("ndcg@1", "ndcg@10", "rr"),
}
"""The measures that the tables of each scenario show, where they were computed; audit.json has all."""

MEANINGS = {
    "multi": "every document in all languages of the pool: are all versions of the right one found?",
    "mono-same": "one language, asked in it: what a fix must not lower",
    "mono-cross": "documents of one language, asked in another",
    "control": "each content in one language only: no pool of translations",
}


@dataclass(frozen=True)
class Table:
    """A titled table of text; the first `labels` columns name the row, the others hold numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 2


def number(value: float | None, digits: int = 2) -> str:
    """`value` with `digits` decimals; a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def with_interval(found: Interval) -> str:
    """``29.75 [27.23, 32.35]``."""
    return f"{number(found.mean)} [{number(found.low)}, {number(found.high)}]" if math.isfinite(found.mean) else "-"


def pool_name(languages: Sequence[str]) -> str:
    """``en+zh``."""
    return "+".join(languages)


def language_name(tag: str) -> str:
    """The English name of a language in any spelling; the tag itself where it is not known."""
    try:
        return english_name(canonical(tag))
    except IsoglotError:
        return tag


def verdicts(audit: Audit) -> list[str]:
    """One sentence for each mixed pool and query language: where the versions of the right document are."""
    return [_verdict(result) for result in audit.scenarios if result.scenario == "multi"]


def _verdict(result: ScenarioResult) -> str:
    places = sorted(
        ((found.median_rank, tag) for tag, found in result.by_language.items() if found.median_rank is not None),
    )
    text = ", ".join(f"{language_name(tag)} version at {rank:g}" for rank, tag in places)
    complete = result.measures.get("complete@10")
    share = f"; all in the top 10 for {number(complete.mean, 1)}%" if complete else ""
    return (
        f"{language_name(result.query_language)} questions among {result.documents} documents in "
        f"{pool_name(result.pool_languages)}: median rank of the {text}{share}."
    )


def audit_tables(audit: Audit) -> list[Table]:
    """A table of measures for each scenario, and for mixed pools one of languages."""
    tables = []
    for scenario, headlines in HEADLINES.items():
        results = [result for result in audit.scenarios if result.scenario == scenario]
        if results:
            measures = [name for name in headlines if name in results[0].measures] or list(results[0].measures)
            rows = tuple(
                (
                    pool_name(result.pool_languages),
                    result.query_language,
                    str(result.documents),
                    str(result.queries),
                    *(with_interval(result.measures[name]) for name in measures),
                )
                for result in results
            )
            columns = ("pool", "asked in", "documents", "queries", *measures)
            tables.append(Table(f"{scenario}: {MEANINGS[scenario]}", columns, rows))
    mixed = [result for result in audit.scenarios if result.scenario == "multi"]
    if mixed:
        tables.append(_language_table(mixed))
    return tables


def _language_table(results: Sequence[ScenarioResult]) -> Table:
    rows = tuple(
        (
            pool_name(result.pool_languages),
            result.query_language,
            tag,
            number(found.median_rank, 1),
            with_interval(found.mean_rank),
            number(found.worst_share.mean, 1),
            f"{number(found.top_share.mean, 1)} of {number(found.pool_share, 1)}",
            number(found.above_share.mean, 1),
        )
        for result in results
        for tag, found in result.by_language.items()
    )
    columns = (
        "pool",
        "asked in",
        "documents in",
        "median gold rank",
        "mean gold rank",
        "worst gold %",
        "share of top 10 %",
        "share above worst gold %",
    )
    return Table("multi, by the documents' language: which one is buried, and by what", columns, rows, labels=3)


def summary_table(comparison: Comparison) -> Table:
    """One row for each mixed pool and query language: what was gained in it, and what was kept in one language."""
    found = {(cell.scenario, cell.pool_languages, cell.query_language): cell for cell in comparison.cells}
    mixed = [cell for cell in comparison.cells if cell.scenario == "multi"]
    groups: list[tuple[str, str, Callable[[ComparedCell], ComparedCell | None]]] = [
        ("multi", "complete@10", lambda cell: cell),
        ("multi", "max_r", lambda cell: cell),
        (
            "mono-same",
            "ndcg@10",
            lambda cell: found.get(("mono-same", (cell.query_language,), cell.query_language)),
        ),
    ]
    groups = [group for group in groups if any((at := group[2](cell)) and group[1] in at.measures for cell in mixed)]
    rows, values = [], []
    for cell in mixed:
        means: list[float] = []
        for _, measure, place in groups:
            source = place(cell)
            shown = source.measures.get(measure) if source else None
            means += [interval.mean for interval in shown] if shown else [math.nan] * len(comparison.names)
        values.append(means)
        rows.append((pool_name(cell.pool_languages), cell.query_language, *(number(mean, 1) for mean in means)))
    if len(rows) > 1:
        rows.append(("mean", "", *(number(float(np.nanmean(c)), 1) for c in zip(*values, strict=True))))
    columns = (f"{scenario}\n{measure}\n{name}" for scenario, measure, _ in groups for name in comparison.names)
    return Table(f"{comparison.collection['name']}: before and after", ("pool", "asked in", *columns), tuple(rows))


def comparison_tables(comparison: Comparison) -> list[Table]:
    """A table for each scenario: every measure of its headline with the paired differences from the first."""
    tables = []
    for scenario, headlines in HEADLINES.items():
        cells = [cell for cell in comparison.cells if cell.scenario == scenario]
        if not cells:
            continue
        measures = [name for name in headlines if name in cells[0].measures] or list(cells[0].measures)
        rows = tuple(
            (
                pool_name(cell.pool_languages),
                cell.query_language,
                name,
                with_interval(cell.measures[name][0]),
                *(
                    f"{number(after.mean)} ({_signed(difference)})"
                    for after, difference in zip(cell.measures[name][1:], cell.differences[name][1:], strict=True)
                ),
            )
            for cell in cells
            for name in measures
        )
        columns = ("pool", "asked in", "measure", *comparison.names)
        tables.append(Table(f"{scenario}: {MEANINGS[scenario]}", columns, rows, labels=3))
    return tables


def _signed(difference: Interval) -> str:
    if not math.isfinite(difference.mean):
        return "-"
    return f"{difference.mean:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]"
