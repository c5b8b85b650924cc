"""What the page says first: what happens in mixed pools, what was kept, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

import numpy as np

from isoglot.evaluation.comparison.comparison import Comparison
from isoglot.evaluation.measures import complete
from isoglot.evaluation.results import Audit
from isoglot.report.html.charts import CUTOFFS, Mixed, cutoff, judged_of
from isoglot.report.html.drawing import short_pool
from isoglot.report.tables import language_name, median_rank, number

BURIED = 10
"""A version is called buried if its median rank is beyond that and beyond twice the right document's versions, so that
in a pool of 12 languages rank 14 is no fault."""
WORST = 5
OF_A_POOL = 2
"""How many of the worst are of one pool, so that several are told."""

_MEANINGS = {"mono-same": "one language, asked in it", "control": "each content once, in one language"}

_KEPT = {True: "kept", False: "lost", None: "not certain to be kept"}


def headline(names: Sequence[str], pools: Sequence[Mixed], comparison: Comparison | None) -> list[str]:
    """The verdict in sentences with numbers.

    Args:
        names: Of the audits; the first is before, the last is after.
        pools: Their mixed pools.
        comparison: Of the audits; None if there is one.
    """
    lines = []
    for top in sorted({cutoff([pool]) for pool in pools}):
        own = [pool for pool in pools if cutoff([pool]) == top]
        named = ", ".join(f"{number(_complete(own, at), 1)}\u00a0% ({name})" for at, name in enumerate(names))
        lines.append(
            f"Every version of the right document is in the top {top} for {named} of the questions, on average over "
            f"{_counted(len(own), 'mixed pool and query language', 'mixed pools and query languages')}"
            f"{f' with more than {max(k for k in CUTOFFS if k < top)} versions' if top > CUTOFFS[0] else ''}."
        )
    if pools:
        lines += _buried_lines(names, pools)
    return lines + (_kept_lines(comparison, pools) if comparison else [])


def _is_buried(pool: Mixed, median_rank: float | None) -> bool:
    limit = max(BURIED, 2 * int(judged_of(pool[0]).counts.max()))
    return median_rank is not None and median_rank > limit


def _buried_lines(names: Sequence[str], pools: Sequence[Mixed]) -> list[str]:
    """One sentence for each of the worst (pool, language), and how many more there are."""
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
    told: Counter[tuple[str, ...]] = Counter()
    for _, pool, tag in buried:
        first = pool[0]
        told[first.pool_languages] += 1
        if told[first.pool_languages] > OF_A_POOL or len(lines) == WORST:
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


def _kept_lines(comparison: Comparison, pools: Sequence[Mixed]) -> list[str]:
    lines = []
    others = range(1, len(comparison.names))
    for measure, mean in comparison.guarded:
        before, changes = number(mean.measures[measure][0].mean, 1), mean.differences[measure]
        if not all(np.isfinite(found.mean) for found in changes):
            continue  # beyond the end of a run
        told = [
            f"{_KEPT[comparison.kept(mean, measure, at)]}{f' by {comparison.names[at]}' if len(others) > 1 else ''} "
            f"({before} → {number(mean.measures[measure][at].mean, 1)}, a change of {changes[at].mean:+.1f} points "
            f"[{changes[at].low:+.1f}, {changes[at].high:+.1f}])"
            for at in others
        ]
        lines.append(f"Quality in {mean.scenario} pools ({_MEANINGS[mean.scenario]}), {measure}, is {'; '.join(told)}.")
    known = bool(pools) and all(np.isfinite(_complete(pools, at)) for at in others)
    if len(others) > 1 and comparison.guarded and known:
        safe = [at for at in others if all(comparison.kept(mean, name, at) for name, mean in comparison.guarded)]
        best = comparison.names[max(safe, key=lambda at: _complete(pools, at))] if safe else ""
        lines.append(
            f"Of those that certainly keep it, {best} completes most questions in mixed pools."
            if best
            else "None of them certainly keeps it."
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
            if any(_is_buried(pool, pool[-1].median_rank(tag)) for tag in pool[-1].by_language)
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
    """The mean over pools of complete@K in percent, K as `cutoff` gives it."""
    return fmean(float(np.mean(complete(judged_of(pool[at]), cutoff([pool])))) for pool in pools)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
