"""Tables of an alignment: before and after, seeds, and what ``--method auto`` tried."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from isoglot.alignment.guard import shown
from isoglot.alignment.query_distance import QueryDistance
from isoglot.alignment.record import (
    AlignmentRecord,
    AutoRecord,
    MeasuresRecord,
    SeedsRecord,
    VerdictRecord,
    read_record,
)
from isoglot.evaluation.comparison.comparison import compare
from isoglot.evaluation.goals import GoalName
from isoglot.evaluation.results import Audit
from isoglot.report.similarities import similarity_tables
from isoglot.report.tables import Table, number, with_interval

DISTANCE_MEANING = (
    "Where the distance is as large as between languages, means fitted on these rows are not those of your questions: "
    "calibrate on your own (isoglot align --data CORPUS --queries FILE), or let a model turn the rows' headings into "
    "questions (isoglot data generate --ask ROWS)."
)
"""What the distances of `distance_table` mean."""

_ANSWERS = {True: "kept", False: "lost", None: "not certain"}


def before_after_table(measures: MeasuresRecord, development: str) -> Table:
    """The measures of base and aligned model on the development split of that name, by query language."""
    base, aligned = measures.base, measures.aligned
    names = list(base["mean"])
    return Table(
        f"{development}: before and after",
        ("asked in", *(f"{name}\n{when}" for name in names for when in ("before", "after"))),
        tuple(
            (language, *(number(model[language].get(name), 1) for name in names for model in (base, aligned)))
            for language in base
        ),
        labels=1,
    )


def change_table(audits: tuple[Audit, Audit], goal: GoalName) -> Table:
    """What base and aligned model reach on the development split, with intervals: means over pools.

    Args:
        audits: The audit of the base and that of the aligned model.
        goal: The goal that the development split was audited by.
    """
    compared = {mean.scenario: mean for mean in compare(*audits, names=("before", "after")).means}
    rows = [
        (f"{scenario} {measure}", *map(with_interval, mean.measures[measure]), with_interval(change, signed=True))
        for scenario, measure in shown(goal)
        if (mean := compared.get(scenario)) is not None and measure in mean.measures
        for change in mean.differences[measure][1:]
    ]
    columns = ("mean over pools and languages", "before", "after", "change")
    return Table("Before and after, with 95% intervals, paired for the change", columns, tuple(rows), labels=1)


def distance_table(distances: Mapping[str, QueryDistance]) -> Table:
    """How far the rows' queries lie from the user's questions, by language, beside what is near and what is far."""
    return Table(
        "Distance between the mean vectors of the rows' queries and of your questions",
        ("", "rows", "yours", "distance", "halves of yours", "two languages", "what it means"),
        tuple(
            (
                language,
                str(each.rows),
                str(each.questions),
                *(number(value, 3) for value in (each.distance, each.halves, each.languages)),
                each.meaning,
            )
            for language, each in distances.items()
        ),
        labels=1,
    )


def guard_tables(folder: Path) -> list[Table]:
    """The table before and after of a finished folder; none if nothing guarded it."""
    record = read_record(folder)
    if record is None or record.measures is None or record.development is None:
        return []
    return [before_after_table(record.measures, record.development.name)]


def cutoff_tables(record: AlignmentRecord) -> list[Table]:
    """The similarities of base and aligned model, and the new cut-off for an old one; none in older records."""
    found = record.similarities
    return [] if found is None else similarity_tables({"before": found.base, "after": found.aligned})


def seeds_table(summary: SeedsRecord) -> Table:
    """The development measures of every seed, their mean and standard deviation."""
    names, base = list(summary.mean), summary.base
    spread = (f"{number(summary.mean[name])} ± {number(summary.standard_deviation.get(name))}" for name in names)
    return Table(
        f"{len(summary.seeds)} seeds, means over languages",
        ("seed", *names, "guard"),
        (
            *([("base", *(number(base[name]) for name in names), "")] if base else []),
            *(
                (str(seed.seed), *(number(seed.measures[name]) for name in names), verdict_text(seed.verdict))
                for seed in summary.seeds
            ),
            ("mean", *spread, ""),
        ),
        labels=1,
    )


def tried_table(auto: AutoRecord) -> Table:
    """What ``--method auto`` tried, in its order."""
    names = list(auto.base)
    return Table(
        f"tried within {auto.budget:g} minutes, means over languages",
        ("method", "language tag", *names, "guard", "seconds"),
        (
            ("base", "", *(number(auto.base[name], 1) for name in names), "", ""),
            *(
                (
                    trial.method,
                    "needed" if trial.needs_language else "",
                    *(number(trial.measures.get(name), 1) for name in names),
                    trial.left_out or verdict_text(trial.verdict),
                    number(trial.seconds, 0),
                )
                for trial in auto.tried
            ),
        ),
    )


def verdict_text(verdict: VerdictRecord | None) -> str:
    """The guard's answer with the change in points, such as ``not certain (-3.00)``; ``none`` without a guard."""
    if verdict is None:
        return "none"
    return f"{_ANSWERS[verdict.verdict().kept]} ({number(verdict.mean)})"


def notes(verdicts: Iterable[VerdictRecord | None]) -> list[str]:
    """Why verdicts are not certain and what would help, each line once."""
    return list(dict.fromkeys(note for verdict in verdicts if verdict is not None and (note := verdict.verdict().note)))
