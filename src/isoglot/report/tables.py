"""What reports show: verdicts in words and tables of text, which the terminal, Markdown and LaTeX render."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from isoglot.evaluation.comparison.cells import ComparedCell, Outcome, headlines
from isoglot.evaluation.comparison.comparison import Comparison
from isoglot.evaluation.goals import Goal, find_goal
from isoglot.evaluation.results import Audit, ScenarioResult
from isoglot.evaluation.statistics.intervals import Interval
from isoglot.evaluation.statistics.significance import ANSWERS, LEVEL
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import canonical, english_name
from isoglot.ranking.balance import parse_balance
from isoglot.retrievers.base import RetrieverRecord

MEANINGS = {
    "multi": "every document in all languages of the pool: are all versions of the right one found?",
    "mono-same": "one language, asked in it: what a fix must not lower",
    "mono-cross": "documents of one language, asked in another",
    "control": "each content in one language only: no pool of translations",
}


@dataclass(frozen=True)
class Table:
    """A titled table of text.

    Attributes:
        title: What stands above it.
        columns: The heads of its columns.
        rows: The cells of each row, as many as there are columns.
        labels: How many of the first columns name the row; the others hold numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 2


def number(value: float | None, digits: int = 2) -> str:
    """Format `value` with `digits` decimals; a dash for None, NaN and infinity."""
    return "-" if value is None or not math.isfinite(value) else f"{round(value, digits) + 0.0:.{digits}f}"  # no -0.00


def with_interval(interval: Interval, signed: bool = False) -> str:
    """Format a mean as ``29.75 [27.23, 32.35]``, a difference as ``+1.20 [-0.30, +2.70]``; a dash where it is NaN."""
    if not math.isfinite(interval.mean):
        return "-"
    sign = "+" if signed else ""
    return f"{interval.mean:{sign}.2f} [{interval.low:{sign}.2f}, {interval.high:{sign}.2f}]"


def pool_name(languages: Sequence[str]) -> str:
    """Name a pool by its languages: ``en+zh``."""
    return "+".join(languages)


def median_rank(result: ScenarioResult, language: str, form: str = "g") -> str:
    """Format a median rank as ``24.5``; ``>100`` where it is beyond the end of a run; a dash where there is none."""
    rank = result.median_rank(language)
    if rank is None:
        return "-"
    return f">{result.cut.depth}" if result.cut and math.isinf(rank) else format(rank, form)


def language_name(tag: str) -> str:
    """The English name of a language in any spelling; the tag itself where isoglot does not know it."""
    try:
        return english_name(canonical(tag))
    except IsoglotError:
        return tag


def described(model: RetrieverRecord) -> str:
    """Describe a retriever in one line: ``384 dimensions, at most 512 tokens``."""
    sizes = f"{model.dimension} dimensions" if model.dimension else ""
    if model.how is None:
        return f"{sizes}, at most {model.max_length} tokens"
    return "; ".join(filter(None, (model.how, sizes)))


def balance_note(balance: str) -> str:
    """Say in a phrase what a balance did to the results."""
    parsed = parse_balance(balance)
    preferred = f"; {parsed.prefer:g} more for documents in the query's language" if parsed.prefer else ""
    return {
        "equal": "equal balance: the languages take turns, by the ranks in their own lists",
        "proportional": "proportional balance: each language has its share of the pool, by the ranks in its own list",
        "scaled": f"{balance} balance: by score, less what is usual for the document's language and the query"
        + preferred,
    }[parsed.name]


def audit_notes(audit: Audit) -> list[str]:
    """Say what distorts an audit's numbers, and what it could not know of runs, which end before the last document."""
    cuts = [result.cut for result in audit.scenarios if result.cut is not None]
    if not cuts:
        return list(audit.notes)
    beyond, golds = sum(sum(cut.beyond.values()) for cut in cuts), sum(cut.golds for cut in cuts)
    depths = sorted({cut.depth for cut in cuts})
    notes = [
        *audit.notes,
        f"Only the first documents of each query are known (N = {', '.join(map(str, depths))}). {beyond} of {golds} "
        "golds are beyond N: they have no rank, and a measure that needs it is not known and shown as -.",
    ]
    if missing := sum(cut.missing for cut in cuts):
        notes.append(f"Queries that are not in the run, with all golds beyond N: {missing}.")
    if short := sum(cut.short for cut in cuts):
        notes.append(f"Queries with fewer than N documents, where the system is taken to have found no more: {short}.")
    return notes


def audit_tables(audit: Audit) -> list[Table]:
    """Make a table of measures for each scenario, and for mixed pools one by the documents' language."""
    tables = []
    for scenario, meaning in MEANINGS.items():
        results = [result for result in audit.scenarios if result.scenario == scenario]
        if results:
            measures = headlines(scenario, results[0].measures)
            cut = any(result.cut for result in results)
            rows = tuple(
                (
                    pool_name(result.pool_languages),
                    result.query_language,
                    str(result.documents),
                    str(result.queries),
                    *([_beyond(result)] if cut else []),
                    *(with_interval(result.measures[name]) for name in measures),
                )
                for result in results
            )
            columns = ("pool", "asked in", "documents", "queries", *(["golds beyond N"] if cut else []), *measures)
            tables.append(Table(f"{scenario}: {meaning}", columns, rows))
    mixed = [result for result in audit.scenarios if result.scenario == "multi"]
    if mixed:
        tables.append(_language_table(mixed))
    if audit.balance != "none":
        return [replace(table, title=f"{table.title} ({audit.balance} balance)") for table in tables]
    return tables


def _beyond(result: ScenarioResult) -> str:
    """How many golds are beyond the end of a run: ``12 of 80 (N = 100)``."""
    cut = result.cut
    return f"{sum(cut.beyond.values())} of {cut.golds} (N = {cut.depth})" if cut else "0"


def _language_table(results: Sequence[ScenarioResult]) -> Table:
    rows = tuple(
        (
            pool_name(result.pool_languages),
            result.query_language,
            tag,
            median_rank(result, tag, ".1f"),
            with_interval(language.mean_rank),
            number(language.worst_share.mean, 1),
            f"{number(language.top_share.mean, 1)} of {number(language.pool_share, 1)}",
            number(language.above_share.mean, 1),
        )
        for result in results
        for tag, language in result.by_language.items()
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


def summarised(goal: Goal) -> tuple[tuple[str, str], ...]:
    """What the summary of a comparison shows of each mixed pool: what was gained in it, what was kept in one language.

    Args:
        goal: What was judged.
    """
    return (("multi", goal.headline), ("multi", "max_r"), ("mono-same", "ndcg@10"))


_SIDE_BY_SIDE = 3
"""The most audits that stand side by side in the summary; more are put below each other."""


def summary_table(comparison: Comparison) -> Table:
    """Make a table of each mixed pool and query language, by every audit, and of the mean over them.

    A star marks what differs significantly from the first audit. Pools of several sizes have a mean for each size,
    without a star: what is possible in them differs too much for one mean.
    """
    rows = list(_summary_rows(comparison))
    empty = ["-"] * len(comparison.names)
    heads = ["\n".join(entry) for entry in summarised(find_goal(comparison.goal))]
    shown = [column for column in range(len(heads)) if any(values[column] != empty for _, values in rows)]
    heads = [heads[column] for column in shown]
    title = f"{comparison.collection.name}: before and after"
    if len(comparison.names) <= _SIDE_BY_SIDE:
        columns = ("pool", "asked in", *(f"{head}\n{audit}" for head in heads for audit in comparison.names))
        body = ((*labels, *(text for column in shown for text in values[column])) for labels, values in rows)
        return Table(title, columns, tuple(body))
    body = (
        (*labels, audit, *(values[column][position] for column in shown))
        for labels, values in rows
        for position, audit in enumerate(comparison.names)
    )
    return Table(title, ("pool", "asked in", "model", *heads), tuple(body), labels=3)


def _summary_rows(comparison: Comparison) -> Iterator[tuple[tuple[str, str], list[list[str]]]]:
    """Pool and query language of each row of the summary, and for each of `summarised` what it shows of every audit."""
    summary = summarised(find_goal(comparison.goal))
    empty = ["-"] * len(comparison.names)
    alone = {cell.query_language: cell for cell in comparison.cells if cell.scenario == "mono-same"}
    mixed = [cell for cell in comparison.cells if cell.scenario == "multi"]

    def marked(sources: Mapping[str, ComparedCell | None]) -> list[list[str]]:
        cells = ((sources.get(scenario), measure) for scenario, measure in summary)
        return [empty if cell is None else _marked(cell, measure) for cell, measure in cells]

    for cell in mixed:
        sources = {"multi": cell, "mono-same": alone.get(cell.query_language)}
        yield (pool_name(cell.pool_languages), cell.query_language), marked(sources)
    sizes = sorted({len(cell.pool_languages) for cell in mixed})
    if len(mixed) > 1 and len(sizes) == 1:
        yield ("mean", ""), marked({mean.scenario: mean for mean in comparison.means})
    for size in sizes if len(sizes) > 1 else ():
        same = [cell for cell in mixed if len(cell.pool_languages) == size]
        means = [_unmarked_means(same, measure) if scenario == "multi" else empty for scenario, measure in summary]
        yield (f"mean, {size} languages", ""), means


def _unmarked_means(cells: Sequence[ComparedCell], measure: str) -> list[str]:
    """The mean over cells by every audit; dashes where the measure was not computed."""
    if measure not in cells[0].measures:
        return ["-"] * len(next(iter(cells[0].measures.values())))
    audits = zip(*(cell.measures[measure] for cell in cells), strict=True)
    return [number(fmean(interval.mean for interval in audit), 1) for audit in audits]


def _marked(cell: ComparedCell, measure: str) -> list[str]:
    """The mean by every audit, starred where it differs significantly from the first; dashes where there is none."""
    if measure not in cell.measures:
        return ["-"] * len(next(iter(cell.measures.values())))
    outcomes = cell.outcomes.get(measure, ())
    stars = [_star(outcome) for outcome in outcomes] or [""] * len(cell.measures[measure])
    return [f"{number(interval.mean, 1)}{star}" for interval, star in zip(cell.measures[measure], stars, strict=True)]


def kept_table(comparison: Comparison) -> Table:
    """Make a table of whether each audit kept what it must not lose: by the mean, and in how many pools."""
    rows = []
    for measure, mean in comparison.guarded:
        cells = [cell for cell in comparison.cells if cell.scenario == mean.scenario]
        for position in range(1, len(comparison.names)):
            answers = [comparison.kept(cell, measure, position) for cell in cells]
            rows.append(
                (
                    f"{mean.scenario} {measure}",
                    comparison.names[position],
                    with_interval(mean.differences[measure][position], signed=True),
                    ANSWERS[comparison.kept(mean, measure, position)],
                    *(f"{answers.count(answer)} of {len(answers)}" for answer in ANSWERS),
                )
            )
    columns = ("mean over pools and languages", "model", "change", "kept", "each: yes", "no", "not certain")
    return Table(f"kept, within a margin of {comparison.margin:g} (points)", columns, tuple(rows))


def comparison_tables(comparison: Comparison) -> list[Table]:
    """Make a table for each scenario: its headline measures with the paired differences from the first audit."""
    tables = []
    for mean in comparison.means:
        cells = [cell for cell in comparison.cells if cell.scenario == mean.scenario]
        rows = tuple(
            _difference_row(comparison, cell, measure, position)
            for cell in (*cells, *([mean] if len(cells) > 1 else []))
            for measure in mean.outcomes
            for position in range(1, len(comparison.names))
        )
        columns = (
            "pool",
            "asked in",
            "measure",
            "model",
            comparison.names[0],
            "its mean",
            "difference",
            "better/same/worse",
            "p (Holm)",
        )
        tables.append(Table(f"{mean.scenario}: {MEANINGS[mean.scenario]}", columns, rows, labels=4))
    return tables


def _difference_row(comparison: Comparison, cell: ComparedCell, measure: str, position: int) -> tuple[str, ...]:
    outcome = cell.outcomes[measure][position]
    return (
        pool_name(cell.pool_languages) or "mean",
        cell.query_language,
        measure,
        comparison.names[position],
        _with_deviation(cell, measure, 0),
        _with_deviation(cell, measure, position),
        f"{with_interval(cell.differences[measure][position], signed=True)}{_star(outcome)}",
        f"{outcome.better}/{outcome.same}/{outcome.worse}",
        "<0.001" if outcome.p_holm < 0.001 else number(outcome.p_holm, 3),
    )


def _with_deviation(cell: ComparedCell, measure: str, position: int) -> str:
    deviation = cell.deviations[measure][position]
    spread = f" ±{deviation:.2f}" if math.isfinite(deviation) else ""
    return f"{number(cell.measures[measure][position].mean)}{spread}"


def comparison_notes(comparison: Comparison) -> list[str]:
    """Say what a reader of the tables must know: marks, intervals, seeds, and what is not in them."""
    first = comparison.names[0]
    seeds = [f"{model.label} ({model.seeds})" for model in comparison.models if model.seeds > 1]
    notes = [
        f"Star: differs from {first}, p < {LEVEL:g} in a paired randomization test, after Holm's correction over all "
        "tests of the scenario.",
        "In brackets: 95% bootstrap intervals, paired. "
        + (
            "All questions about a content, in all languages, are drawn together."
            if comparison.unit == "content"
            else "The audits are older and do not say which content a question is about, so each question is drawn by "
            "itself: intervals and p are too small where a content has several. Make the audits anew."
        ),
        f"Kept: the whole interval is above -{comparison.margin:g}; not certain: it contains -{comparison.margin:g}.",
    ]
    if seeds:
        notes.append(
            f"Means over seeds: {', '.join(seeds)}. ± is the standard deviation over them, not in intervals and p."
        )
    notes += [
        f"Of {model.label} only the first documents of each query are known: {model.golds_beyond} golds are beyond "
        "them. What needs their rank is not known and shown as -."
        for model in comparison.models
        if model.golds_beyond
    ]
    notes += _audits_notes(comparison)
    if comparison.left_out:
        notes.append(f"Left out: {comparison.left_out} results of scenarios that only some of the audits have.")
    return notes


def _audits_notes(comparison: Comparison) -> list[str]:
    """The notes of the compared audits, each with the models that it is about unless it is about all."""
    about: dict[str, list[str]] = {}
    for model in comparison.models:
        for note in model.notes:
            about.setdefault(note, []).append(model.label)
    return [
        note if len(labels) == len(comparison.models) else f"{', '.join(labels)}: {note}"
        for note, labels in about.items()
    ]


def _star(outcome: Outcome) -> str:
    return "*" if outcome.significant else ""
