"""The text at the top of the page: what happens in mixed pools, what was kept, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from isoglot.evaluation.comparison.cells import ComparedCell
from isoglot.evaluation.comparison.comparison import Comparison
from isoglot.evaluation.goals import OWN_FIRST, TOGETHER, Goal
from isoglot.evaluation.measures import mean_of_known, parse_measure
from isoglot.evaluation.results import Audit
from isoglot.report.html.charts import CUTOFFS, Mixed, cutoff, judged_of
from isoglot.report.html.drawing import short_pool
from isoglot.report.tables import language_name, median_rank, number

BURIED = 10
"""A version is called buried if its median rank is beyond this and beyond twice the number of the relevant document's
versions: in a pool of 12 languages rank 14 is no fault."""
MOST_BURIED = 5
"""Largest number of buried versions with a sentence of their own."""
MOST_OF_A_POOL = 2
"""Largest number of them from one pool, so that several pools are named."""

_MEANINGS = {"mono-same": "one language, asked in it", "control": "each content once, in one language"}

_KEPT = {True: "kept", False: "lost", None: "not certain to be kept"}


def headline(
    names: Sequence[str], pools: Sequence[Mixed], comparison: Comparison | None, goal: Goal = TOGETHER
) -> list[str]:
    """Return the verdict in sentences with numbers.

    Args:
        names: Names of the audits; the first is before, the last is after.
        pools: Mixed pools of the audits.
        comparison: Comparison of the audits; None for one audit.
        goal: What is judged.
    """
    lines = []
    reached = (
        "The version in the question's language is first of all, and every version of the relevant document"
        if goal == OWN_FIRST
        else "Every version of the relevant document"
    )
    for top in sorted({cutoff([pool]) for pool in pools}):
        same_cutoff = [pool for pool in pools if cutoff([pool]) == top]
        shares = ", ".join(
            f"{number(_reached(same_cutoff, audit, goal), 1)}\u00a0% ({name})" for audit, name in enumerate(names)
        )
        lines.append(
            f"{reached} is in the top {top} for {shares} of the questions, on average "
            f"over {_counted(len(same_cutoff), 'mixed pool and query language', 'mixed pools and query languages')}"
            f"{f' with more than {max(k for k in CUTOFFS if k < top)} versions' if top > CUTOFFS[0] else ''}."
        )
    if pools:
        lines += _buried_lines(names, pools)
    return lines + (_kept_lines(comparison, pools, goal) if comparison else [])


def _is_buried(pool: Mixed, median_rank: float | None) -> bool:
    limit = max(BURIED, 2 * int(judged_of(pool[0]).counts.max()))
    return median_rank is not None and median_rank > limit


def _buried_lines(names: Sequence[str], pools: Sequence[Mixed]) -> list[str]:
    """Return a sentence for each of the worst (pool, language), and one that counts the others."""
    buried = sorted(
        (
            (pool[0].median_rank(tag) or 0, pool, tag)
            for pool in pools
            for tag in pool[0].by_language
            if _is_buried(pool, pool[0].median_rank(tag))
        ),
        key=lambda entry: -entry[0],
    )
    if not buried:
        return ["No language's version is buried: in every mixed pool its median rank is near the top."]
    lines: list[str] = []
    counts: Counter[tuple[str, ...]] = Counter()
    for _, pool, tag in buried:
        first = pool[0]
        counts[first.pool_languages] += 1
        if counts[first.pool_languages] > MOST_OF_A_POOL or len(lines) == MOST_BURIED:
            continue
        later = f"; {names[-1]}:\u00a0{median_rank(pool[-1], tag)}" if len(pool) > 1 else ""
        lines.append(
            f"{language_name(first.query_language)} questions in {short_pool(first.pool_languages)}: the "
            f"{language_name(tag)} version is buried, median rank {median_rank(first, tag)} of "
            f"{first.documents}{later}."
        )
    if more := len(buried) - len(lines):
        lines.append(f"{_counted(more, 'more version is', 'more versions are')} buried; see the heat map.")
    return lines


def _kept_lines(comparison: Comparison, pools: Sequence[Mixed], goal: Goal) -> list[str]:
    """Return a sentence for each quality that must be kept, and one that names the best audit that keeps all."""
    lines = []
    others = range(1, len(comparison.names))
    for measure, mean in comparison.guarded:
        if not all(np.isfinite(change.mean) for change in mean.differences[measure]):
            continue  # beyond the end of a run
        parts = "; ".join(_kept_phrase(comparison, mean, measure, audit) for audit in others)
        lines.append(f"Quality in {mean.scenario} pools ({_MEANINGS[mean.scenario]}), {measure}, is {parts}.")
    known = bool(pools) and all(np.isfinite(_reached(pools, audit, goal)) for audit in others)
    most = "reaches the goal for most questions" if goal == OWN_FIRST else "completes most questions"
    if len(others) > 1 and comparison.guarded and known:
        safe = [a for a in others if all(comparison.kept(mean, measure, a) for measure, mean in comparison.guarded)]
        best = comparison.names[max(safe, key=lambda audit: _reached(pools, audit, goal))] if safe else ""
        lines.append(
            f"Of those that certainly keep it, {best} {most} in mixed pools."
            if best
            else "None of them certainly keeps it."
        )
    return lines


def _kept_phrase(comparison: Comparison, mean: ComparedCell, measure: str, audit: int) -> str:
    means, change = mean.measures[measure], mean.differences[measure][audit]
    by_audit = f" by {comparison.names[audit]}" if len(comparison.names) > 2 else ""
    return (
        f"{_KEPT[comparison.kept(mean, measure, audit)]}{by_audit} "
        f"({number(means[0].mean, 1)} → {number(means[audit].mean, 1)}, a change of {change.mean:+.1f} points "
        f"[{change.low:+.1f}, {change.high:+.1f}])"
    )


def next_steps(
    audits: Sequence[Audit], pools: Sequence[Mixed], comparison: Comparison | None, goal: Goal = TOGETHER
) -> list[str]:
    """Return what to do next, by isoglot's own rules, judged by the last audit.

    Args:
        audits: The audits; the first is before, the last is after.
        pools: Mixed pools of the audits.
        comparison: Comparison of the audits; None for one audit.
        goal: What is judged.
    """
    last = audits[-1]
    if not pools:
        return ["Audit a mixed pool (scenario multi): only it shows whether language decides the rank."]
    steps = []
    buried_for = sorted(
        {
            language_name(pool[-1].query_language)
            for pool in pools
            if any(_is_buried(pool, pool[-1].median_rank(tag)) for tag in pool[-1].by_language)
        }
    )
    if buried_for and len(audits) == 1:
        steps.append(
            "Calibrate the model on your own documents: `isoglot align MODEL --data corpus.jsonl -o DIR` (minutes, no "
            "labels; it needs each text's language afterwards), audit DIR, and report both."
        )
        prefer = " --prefer-query-language MARGIN" if goal == OWN_FIRST else ""
        steps.append(
            f"Or leave the model and scale the search: `isoglot audit MODEL --data ... --balance scaled{prefer}` shows "
            "what that does (it needs the documents' languages)."
        )
        steps.append("With training rows, `--method distill --data ROWS` makes a model that needs no language tags.")
    elif buried_for:
        steps.append(
            f"Versions are still buried for questions in {', '.join(buried_for)}: add training rows in these languages."
        )
    else:
        steps.append("The medians of mixed pools are fine; the worst-placed versions below show what is left to mend.")
    if comparison and any(comparison.kept(mean, measure, -1) is not True for measure, mean in comparison.guarded):
        steps.append(
            "Before this is used: quality outside mixed pools is not certain to be kept within a margin of "
            f"{comparison.margin:g} (points). Try a lower learning rate, `--lora`, or `--method auto`, which looks for "
            "the best method that keeps it."
        )
    if not any(result.scenario == "control" for result in last.scenarios):
        steps.append(
            "Audit the scenario control too: a pool of translations flatters a fix; in a control pool each content "
            "exists once."
        )
    return steps


def _reached(pools: Sequence[Mixed], audit: int, goal: Goal) -> float:
    """Return the mean over pools of the goal's measure, for the audit with that index and K as in `cutoff`."""
    values = [parse_measure(f"{goal.measure}@{cutoff([pool])}")(judged_of(pool[audit])) for pool in pools]
    return mean_of_known([mean_of_known(of_pool.tolist()) for of_pool in values])


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
