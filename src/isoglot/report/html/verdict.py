"""What the page says first: what happens in mixed pools, what was kept, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from isoglot.comparison import Comparison
from isoglot.measures import complete
from isoglot.report.html.charts import Mixed, judged_of
from isoglot.report.tables import language_name, number, pool_name
from isoglot.results import Audit

BURIED = 10
"""A version is called buried if its median rank is beyond that: most who ask never see it."""
WORST = 5

_KEPT = {True: "kept", False: "lost", None: "not certain to be kept"}


def headline(names: Sequence[str], pools: Sequence[Mixed], comparison: Comparison | None) -> list[str]:
    """The verdict in sentences with numbers.

    Args:
        names: Of the audits; the first is before, the last is after.
        pools: Their mixed pools.
        comparison: Of the audits; None if there is one.
    """
    lines = []
    if pools:
        shares = [_complete(pools, at) for at in range(len(names))]
        named = ", ".join(f"{number(share, 1)} % ({name})" for name, share in zip(names, shares, strict=True))
        lines.append(
            f"Every version of the right document is in the top 10 for {named} of the questions, on average over "
            f"{_counted(len(pools), 'mixed pool and query language', 'mixed pools and query languages')}."
        )
        lines += _buried_lines(names, pools)
    return lines + (_kept_lines(comparison) if comparison else [])


def _buried_lines(names: Sequence[str], pools: Sequence[Mixed]) -> list[str]:
    """One sentence for each of the worst (pool, language), and how many more there are."""
    buried = sorted(
        (
            (found.median_rank, pool, tag)
            for pool in pools
            for tag, found in pool[0].by_language.items()
            if found.median_rank is not None and found.median_rank > BURIED
        ),
        key=lambda entry: -entry[0],
    )
    if not buried:
        return [f"No language's version is buried: in every mixed pool its median rank is {BURIED} or better."]
    lines = []
    for rank, pool, tag in buried[:WORST]:
        first = pool[0]
        then = pool[-1].by_language[tag].median_rank
        later = f"; {names[-1]}: {then:g}" if len(pool) > 1 else ""
        lines.append(
            f"{language_name(first.query_language)} questions in {pool_name(first.pool_languages)}: the "
            f"{language_name(tag)} version is buried, median rank {rank:g} of {first.documents}{later}."
        )
    if len(buried) > WORST:
        lines.append(
            f"{_counted(len(buried) - WORST, 'more version is', 'more versions are')} buried; see the heat map."
        )
    return lines


def _kept_lines(comparison: Comparison) -> list[str]:
    lines = []
    for measure, mean in comparison.guarded:
        before, after, change = mean.measures[measure][0], mean.measures[measure][-1], mean.differences[measure][-1]
        lines.append(
            f"Quality in {mean.scenario} pools is {_KEPT[comparison.kept(mean, measure, -1)]}: {measure} "
            f"{number(before.mean, 1)} → {number(after.mean, 1)}, a change of {change.mean:+.1f} points "
            f"[{change.low:+.1f}, {change.high:+.1f}]."
        )
    return lines


def next_steps(audits: Sequence[Audit], pools: Sequence[Mixed], comparison: Comparison | None) -> list[str]:
    """What to do next, from what the last audit shows. The rules are isoglot's own."""
    last = audits[-1]
    if not pools:
        return ["Audit a mixed pool (scenario multi): only there does one see whether language decides the rank."]
    steps = []
    left = sorted(
        {
            language_name(pool[-1].query_language)
            for pool in pools
            if any((found.median_rank or 0) > BURIED for found in pool[-1].by_language.values())
        }
    )
    if left and len(audits) == 1:
        steps.append(
            "Align the model: `isoglot align MODEL --method distill --data ROWS -o DIR` (trains, asks for "
            "no language tag) or `--method center` (seconds, needs tags); then audit DIR and report both."
        )
    elif left:
        steps.append(
            f"Versions are still buried for questions in {', '.join(left)}: add training rows in these languages."
        )
    else:
        steps.append("Mixed pools are fine by their medians; look at the worst-placed versions below for what is left.")
    if comparison and any(comparison.kept(mean, measure, -1) is not True for measure, mean in comparison.guarded):
        steps.append(
            "Before this is used: quality outside mixed pools is not certain to be kept within a margin of "
            f"{comparison.margin:g} (points). Try a lower learning rate, `--lora`, or `--method auto`, which looks for "
            "the best that keeps it."
        )
    if not any(result.scenario == "control" for result in last.scenarios):
        steps.append(
            "Audit the scenario control too: a pool of translations flatters a fix, and there each content exists once."
        )
    return steps


def _complete(pools: Sequence[Mixed], at: int) -> float:
    return fmean(float(np.mean(complete(judged_of(pool[at]), 10))) for pool in pools)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
