"""What reports show: verdicts in words and tables of text, which the terminal and Markdown both render."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    return [_verdict(result, audit.balanced) for result in audit.scenarios if result.scenario == "multi"]


def _verdict(result: ScenarioResult, balanced: bool) -> str:
    places = sorted(
        ((found.median_rank, tag) for tag, found in result.by_language.items() if found.median_rank is not None),
    )
    text = ", ".join(f"{language_name(tag)} version at {rank:g}" for rank, tag in places)
    complete = result.measures.get("complete@10")
    share = f"; all in the top 10 for {number(complete.mean, 1)}%" if complete else ""
    return (
        f"{language_name(result.query_language)} questions among {result.documents} documents in "
        f"{pool_name(result.pool_languages)}{', balanced' if balanced else ''}: median rank of the {text}{share}."
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
    if audit.balanced:
        return [replace(table, title=f"{table.title} (balanced retrieval)") for table in tables]
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


SUMMARY = (("multi", "complete@10"), ("multi", "max_r"), ("mono-same", "ndcg@10"))
"""What the summary of a comparison shows of each mixed pool: what was gained in it, what was kept in one language."""

_SIDE_BY_SIDE = 3  # more audits than that are put below each other


def summary_table(comparison: Comparison) -> Table:
    """Each mixed pool and query language, for every audit, and the mean over them."""
    rows = []
    values = []
    for cell in comparison.cells:
        if cell.scenario == "multi":
            values.append([_summary_values(comparison, cell, *shown) for shown in SUMMARY])
            rows.append((pool_name(cell.pool_languages), cell.query_language))
    if len(rows) > 1:
        rows.append(("mean", ""))
        values.append(np.nanmean(np.array(values), axis=0).tolist())
    kept = [at for at in range(len(SUMMARY)) if not np.isnan([row[at] for row in values]).all()]
    names = [f"{SUMMARY[at][0]}\n{SUMMARY[at][1]}" for at in kept]
    title = f"{comparison.collection['name']}: before and after"
    if len(comparison.names) <= _SIDE_BY_SIDE:
        columns = ("pool", "asked in", *(f"{name}\n{audit}" for name in names for audit in comparison.names))
        body = (
            (*row, *(number(value, 1) for at in kept for value in found[at]))
            for row, found in zip(rows, values, strict=True)
        )
        return Table(title, columns, tuple(body))
    body = (
        (*row, audit, *(number(found[at][place], 1) for at in kept))
        for row, found in zip(rows, values, strict=True)
        for place, audit in enumerate(comparison.names)
    )
    return Table(title, ("pool", "asked in", "model", *names), tuple(body), labels=3)


def _summary_values(comparison: Comparison, mixed: ComparedCell, scenario: str, measure: str) -> list[float]:
    """The means of every audit; NaN where there is none."""
    own = (scenario, (mixed.query_language,), mixed.query_language)
    alone = (cell for cell in comparison.cells if (cell.scenario, cell.pool_languages, cell.query_language) == own)
    source = mixed if scenario == "multi" else next(alone, None)
    shown = source.measures.get(measure) if source else None
    return [interval.mean for interval in shown] if shown else [math.nan] * len(comparison.names)


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
