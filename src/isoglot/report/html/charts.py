"""Charts of mixed pools, drawn from the gold ranks of audits.

A `Mixed` is one mixed pool with one query language: its results in every audit, in the audits' order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from isoglot.evaluation.measures import Judged, complete, max_r
from isoglot.evaluation.results import ScenarioResult
from isoglot.platform.arrays import Floats
from isoglot.report.html.drawing import (
    WIDTH,
    Chart,
    Panel,
    Spec,
    audit_legend,
    by_audit,
    classes,
    classes_legend,
    draw,
    in_order,
)
from isoglot.report.tables import language_name, number

Mixed = Sequence[ScenarioResult]
Marks = list[dict[str, Any]]
"""Values that a Vega-Lite specification draws, one mapping a mark."""

MOST_K = 100
"""Largest K of the curves of complete@K."""
RANK_BOUNDS = (2, 4, 8, 16, 32, 64, 128)
"""Bounds between the classes of ranks in the heat map."""
CUTOFFS = (10, 30, 100)
"""Values of K of which one is chosen to say how many questions are complete, see `cutoff`."""


def judged_of(result: ScenarioResult) -> Judged:
    """Return the gold ranks of a result.

    Raises:
        ValueError: The result was read without its ranks.
    """
    if result.judged is None:
        raise ValueError("the result has no ranks")
    return result.judged


def cutoff(pools: Sequence[Mixed]) -> int:
    """Return the first of `CUTOFFS` that can hold all golds of a question, which are 12 in a pool of 12 languages."""
    most = max(int(judged_of(pool[0]).counts.max()) for pool in pools)
    return next((k for k in CUTOFFS if k >= most), most)


def by_size(pools: Sequence[Mixed]) -> dict[int, list[Mixed]]:
    """Group pools by their number of languages, the smallest first; ranks are comparable within a group only."""
    sizes = sorted({len(pool[0].pool_languages) for pool in pools})
    return {size: [pool for pool in pools if len(pool[0].pool_languages) == size] for size in sizes}


def _size_label(size: int) -> str:
    return f"pools of {size} languages"


def heat_maps(names: Sequence[str], pools: Sequence[Mixed], languages: Sequence[str]) -> Chart | None:
    """Draw for each audit the median rank of the gold, by query language (down) and document language (across).

    Where several pools have a pair of languages, the median over them is shown.

    Args:
        names: Names of the audits.
        pools: Mixed pools with the same number of languages.
        languages: Languages in the order of the axes.

    Returns:
        The chart; None where no median of the first audit is known.
    """
    data: Marks = []
    for audit in range(len(names)):
        medians: dict[tuple[str, str], list[float]] = defaultdict(list)
        for pool in pools:
            result = pool[audit]
            for tag, language in result.by_language.items():
                if language.median_rank is not None:
                    medians[result.query_language, tag].append(language.median_rank)
        data += [
            {"audit": audit, "query": query, "document": document, "rank": median(ranks)}
            for (query, document), ranks in medians.items()
        ]
    if not any(mark["audit"] == 0 for mark in data):
        return None
    drawn = {mark[axis] for mark in data for axis in ("query", "document")}
    order = [tag for tag in languages if tag in drawn]
    panels = [
        Panel(name, _heat_map([mark for mark in data if mark["audit"] == audit], order))
        for audit, name in enumerate(names)
    ]
    return Chart(
        title=f"Median rank of the relevant document, {_size_label(len(pools[0][0].pool_languages))}",
        summary=_heat_map_summary(data, pools, complete=len(data) == len(names) * len(order) ** 2),
        panels=tuple(panels),
        data=data,
        legend=classes_legend(RANK_BOUNDS, "rank"),
    )


def _heat_map_summary(data: Marks, pools: Sequence[Mixed], *, complete: bool) -> str:
    """Name the pair of languages with the worst median rank, and say what a blank means unless all are `complete`."""
    beyond = any(r.median_rank(tag) == np.inf for pool in pools for r in pool for tag in r.by_language)
    worst = max((mark for mark in data if mark["audit"] == 0), key=lambda mark: mark["rank"])
    pair = worst["query"], worst["document"]
    ranks = [mark["rank"] for mark in data if (mark["query"], mark["document"]) == pair]
    summary = (
        f"The most buried{' of known rank' if beyond else ''}: the {language_name(worst['document'])} version for "
        f"{language_name(worst['query'])} questions, at a median rank of {in_order(f'{rank:g}' for rank in ranks)}."
    )
    if not complete:
        summary += " Blank: no such pool was audited" + (", or the rank is beyond the end of a run." if beyond else ".")
    return summary


def _heat_map(marks: Marks, order: Sequence[str]) -> str:
    step = max(12, min(44, 290 // len(order)))
    axis = {"orient": "top", "domain": False, "ticks": False, "labelAngle": 0 if max(map(len, order)) < 4 else -50}
    rank = "format(datum.rank, datum.rank < 100 ? '.1~f' : '.0f')"
    dark = {"test": f"datum.rank >= {RANK_BOUNDS[4]}", "value": "var(--on-dark)"}
    text: Spec = {
        "mark": {"type": "text"},
        "encoding": {"text": {"field": "shown"}, "color": {"condition": dark, "value": "var(--on-light)"}},
    }
    rects: Spec = {"mark": {"type": "rect"}, "encoding": {"color": classes("rank", RANK_BOUNDS, "rank")}}
    return draw(
        {
            "width": {"step": step},
            "height": {"step": step},
            "data": {"values": marks},
            "transform": [{"calculate": rank, "as": "shown"}],
            "encoding": {
                "x": {
                    "field": "document",
                    "sort": order,
                    "scale": {"domain": order},
                    "title": "documents in",
                    "axis": axis,
                },
                "y": {
                    "field": "query",
                    "sort": order,
                    "scale": {"domain": order},
                    "title": "asked in",
                    "axis": {"domain": False, "ticks": False},
                },
            },
            "layer": [rects, text] if step >= 20 else [rects],
        }
    )


def complete_curves(names: Sequence[str], pools: Sequence[Mixed]) -> Chart:
    """Draw Complete@K for every K up to 100 or the pool's size: the mean over pools of a size, one line an audit."""
    data: Marks = []
    panels, shares = [], []
    for size, same_size in by_size(pools).items():
        depths = (result.cut.depth for pool in same_size for result in pool if result.cut)
        most = min(MOST_K, max(pool[0].documents for pool in same_size), *depths)
        ks = np.arange(1, most + 1)
        curves = [
            np.array([_complete_at(int(k), [judged_of(pool[audit]) for pool in same_size]) for k in ks])
            for audit in range(len(names))
        ]
        marks = [
            {"languages": size, "audit": audit, "k": int(k), "complete": round(float(share), 2)}
            for audit, curve in enumerate(curves)
            for k, share in zip(ks, curve, strict=True)
            if not math.isnan(share)
        ]
        panels.append((_size_label(size), _curves(marks, len(names))))
        k = min(cutoff(same_size), most)
        shares.append(f"{in_order(number(float(curve[k - 1]), 1) for curve in curves)}\u00a0% in the top {k}")
        data += marks
    return Chart(
        title="Complete@K",
        summary=f"Questions with every version of the relevant document: {', '.join(shares)}.",
        panels=_labelled(panels),
        data=data,
        legend=audit_legend(names),
    )


def _labelled(panels: Sequence[tuple[str, str]]) -> tuple[Panel, ...]:
    """Turn (label, SVG) into panels; a single one gets no label."""
    return tuple(Panel(label if len(panels) > 1 else "", svg) for label, svg in panels)


def _curves(marks: Marks, audits: int) -> str:
    colour, shape = by_audit(audits)
    dash = {
        "field": "audit",
        "type": "nominal",
        "scale": {"range": [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]]},
        "legend": None,
    }
    point = {"type": "point", "filled": True, "size": 40, "opacity": 1}
    spec: Spec = {
        "width": WIDTH,
        "height": 200,
        "data": {"values": marks},
        "encoding": {
            "x": {
                "field": "k",
                "type": "quantitative",
                "scale": {"type": "log"},
                "title": "K",
                "axis": {"values": [1, 2, 5, 10, 20, 50, 100]},
            },
            "y": {
                "field": "complete",
                "type": "quantitative",
                "scale": {"domain": [0, 100]},
                "title": "questions complete, %",
            },
            "color": colour,
        },
        "layer": [
            {"mark": {"type": "line"}, "encoding": {"strokeDash": dash}},
            {
                "mark": point,
                "transform": [{"filter": "indexof([1, 3, 10, 30, 100], datum.k) >= 0"}],
                "encoding": {"shape": shape},
            },
        ],
    }
    return draw(spec)


def _complete_at(k: int, pools: Sequence[Judged]) -> float:
    """Return the mean over pools of Complete@K; NaN where every query has more than K golds."""
    values = [complete(judged, k) for judged in pools]
    means = [np.nanmean(shares) for shares in values if not np.isnan(shares).all()]
    return float(np.mean(means)) if means else math.nan


def worst_ranks(names: Sequence[str], pools: Sequence[Mixed]) -> Chart:
    """Draw the distribution of Max@R over the questions, in classes that double in width: 1, 2, 3-4, 5-8 ..."""
    data: Marks = []
    panels, medians = [], []
    for size, same_size in by_size(pools).items():
        ranks = [np.concatenate([max_r(judged_of(pool[audit])) for pool in same_size]) for audit in range(len(names))]
        marks = _rank_classes(size, ranks)
        panels.append((_size_label(size), _bars(marks, len(names))))
        medians.append(in_order(f"{m:g}" if np.isfinite(m) else "beyond" for m in map(np.median, ranks)))
        data += marks
    summary = f"Median over the questions: {', '.join(medians)}. Each class is twice as wide as the one before."
    if any(mark["ranks"] == "beyond" for mark in data):
        summary += " Beyond: not in the run, which ends before the last document."
    return Chart(
        title="Where the worst-placed version stands",
        summary=summary,
        panels=_labelled(panels),
        data=data,
        legend=audit_legend(names),
    )


def _rank_classes(size: int, ranks: Sequence[Floats]) -> Marks:
    """Return the share of questions in each class of ranks, given the ranks of every audit in pools of a size."""
    beyond = [float(np.mean(np.isinf(audit_ranks))) for audit_ranks in ranks]
    known = [audit_ranks[np.isfinite(audit_ranks)] for audit_ranks in ranks]
    classes_needed = 1 + int(np.ceil(np.log2(max(audit_ranks.max(initial=1) for audit_ranks in known))))
    marks: Marks = [
        {
            "languages": size,
            "audit": audit,
            "ranks": str(2**doubling) if doubling < 2 else f"{2 ** (doubling - 1) + 1}–{2**doubling}",
            "share": round(100 * int(count) / len(ranks[audit]), 2),
        }
        for audit, audit_ranks in enumerate(known)
        for doubling, count in enumerate(
            np.bincount(np.ceil(np.log2(audit_ranks)).astype(np.int64), minlength=classes_needed)
        )
    ]
    if any(beyond):
        marks += [
            {"languages": size, "audit": audit, "ranks": "beyond", "share": round(100 * share, 2)}
            for audit, share in enumerate(beyond)
        ]
    return marks


def _bars(marks: Marks, audits: int) -> str:
    colour, _ = by_audit(audits)
    spec: Spec = {
        "width": WIDTH,
        "height": 200,
        "data": {"values": marks},
        "mark": {"type": "bar"},
        "encoding": {
            "x": {
                "field": "ranks",
                "type": "ordinal",
                "sort": None,
                "title": "Max@R: rank of the worst-placed version",
                "axis": {"labelAngle": -50},
            },
            "xOffset": {"field": "audit", "type": "nominal"},
            "y": {"field": "share", "type": "quantitative", "title": "questions, %"},
            "color": colour,
        },
    }
    return draw(spec)
