"""The pictures of mixed pools, drawn from the gold ranks that audits hold.

A `Mixed` is one mixed pool asked in one language, by every audit: its results in the audits' order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from isoglot.evaluation.measures import Judged, max_r
from isoglot.evaluation.results import ScenarioResult
from isoglot.platform.arrays import Floats, Ints
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
Rows = list[dict[str, Any]]

MOST_K = 100
RANK_BOUNDS = (2, 4, 8, 16, 32, 64, 128)
"""Classes of ranks in the heat map."""
CUTOFFS = (10, 30, 100)
"""Top K in which a question's right documents are looked for."""


def judged_of(result: ScenarioResult) -> Judged:
    """The gold ranks of a result that was read with them."""
    if result.judged is None:
        raise ValueError("the result has no ranks")
    return result.judged


def cutoff(pools: Sequence[Mixed]) -> int:
    """The first of `CUTOFFS` that can hold all right documents of a question: a pool of 12 languages has 12 of them."""
    most = max(int(judged_of(pool[0]).counts.max()) for pool in pools)
    return next((k for k in CUTOFFS if k >= most), most)


def by_size(pools: Sequence[Mixed]) -> dict[int, list[Mixed]]:
    """Number of languages -> the pools that have so many, the smallest first: ranks in others are not comparable."""
    sizes = sorted({len(pool[0].pool_languages) for pool in pools})
    return {size: [pool for pool in pools if len(pool[0].pool_languages) == size] for size in sizes}


def _size_label(size: int) -> str:
    return f"pools of {size} languages"


def heat_maps(names: Sequence[str], pools: Sequence[Mixed], languages: Sequence[str]) -> Chart | None:
    """For each audit: the median rank of the gold by query language (row) and document language (column).

    Where several pools have the pair, the median over them is shown. None where no median of the first is known.

    Args:
        names: Of the audits.
        pools: Mixed pools of one number of languages.
        languages: In the order of the axes.
    """
    data: Rows = []
    for audit in range(len(names)):
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        for pool in pools:
            result = pool[audit]
            for tag, language in result.by_language.items():
                if language.median_rank is not None:
                    found[result.query_language, tag].append(language.median_rank)
        data += [
            {"audit": audit, "query": query, "document": document, "rank": median(ranks)}
            for (query, document), ranks in found.items()
        ]
    if not any(row["audit"] == 0 for row in data):
        return None
    beyond = sum(r.median_rank(tag) == np.inf for pool in pools for r in pool for tag in r.by_language)
    shown = {row[axis] for row in data for axis in ("query", "document")}
    order = [tag for tag in languages if tag in shown]
    panels = [Panel(name, _heat_map([r for r in data if r["audit"] == at], order)) for at, name in enumerate(names)]
    worst = max((row for row in data if row["audit"] == 0), key=lambda row: row["rank"])
    now = [row["rank"] for row in data if (row["query"], row["document"]) == (worst["query"], worst["document"])]
    summary = (
        f"The most buried{' of known rank' if beyond else ''}: the {language_name(worst['document'])} version for "
        f"{language_name(worst['query'])} questions, at a median rank of {in_order(f'{rank:g}' for rank in now)}."
    )
    if len(data) < len(names) * len(order) ** 2:
        summary += " Blank: no such pool was audited" + (", or it is beyond the end of a run." if beyond else ".")
    title = f"Median rank of the right document, {_size_label(len(pools[0][0].pool_languages))}"
    return Chart(title, summary, tuple(panels), data, classes_legend(RANK_BOUNDS, "rank"))


def _heat_map(rows: Rows, order: Sequence[str]) -> str:
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
            "data": {"values": rows},
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
    """Complete@K for every K up to 100 (or the pool's size), the mean over pools of a size, a line an audit."""
    data: Rows = []
    panels, reached = [], []
    for size, own in by_size(pools).items():
        depths = (result.cut.depth for pool in own for result in pool if result.cut)
        most = min(MOST_K, max(pool[0].documents for pool in own), *depths)
        ks = np.arange(1, most + 1)
        curves = [
            np.mean([_shares_up_to(max_r(judged_of(pool[audit])), ks) for pool in own], axis=0)
            for audit in range(len(names))
        ]
        rows = [
            {"languages": size, "audit": audit, "k": int(k), "complete": round(float(share), 2)}
            for audit, curve in enumerate(curves)
            for k, share in zip(ks, curve, strict=True)
        ]
        panels.append((_size_label(size), _curves(rows, len(names))))
        k = min(cutoff(own), most)
        reached.append(f"{in_order(number(float(curve[k - 1]), 1) for curve in curves)}\u00a0% in the top {k}")
        data += rows
    summary = f"Questions with every version of the right document: {', '.join(reached)}."
    return Chart("Complete@K", summary, _labelled(panels), data, audit_legend(names))


def _labelled(panels: Sequence[tuple[str, str]]) -> tuple[Panel, ...]:
    """Panels of (label, SVG); one alone needs no label."""
    return tuple(Panel(label if len(panels) > 1 else "", svg) for label, svg in panels)


def _curves(rows: Rows, audits: int) -> str:
    colour, shape = by_audit(audits)
    dash = {
        "field": "audit",
        "type": "nominal",
        "scale": {"range": [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]]},
        "legend": None,
    }
    marked = {"type": "point", "filled": True, "size": 40, "opacity": 1}
    spec: Spec = {
        "width": WIDTH,
        "height": 200,
        "data": {"values": rows},
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
                "mark": marked,
                "transform": [{"filter": "indexof([1, 3, 10, 30, 100], datum.k) >= 0"}],
                "encoding": {"shape": shape},
            },
        ],
    }
    return draw(spec)


def _shares_up_to(ranks: Floats, ks: Ints) -> Floats:
    """The percentage of `ranks` that are at most k, for each k."""
    return np.asarray(100 * np.searchsorted(np.sort(ranks), ks, side="right") / len(ranks))


def worst_ranks(names: Sequence[str], pools: Sequence[Mixed]) -> Chart:
    """How Max@R is distributed over the questions, in classes that double: 1, 2, 3-4, 5-8 ..."""
    data: Rows = []
    panels, medians = [], []
    for size, own in by_size(pools).items():
        found = [np.concatenate([max_r(judged_of(pool[audit])) for pool in own]) for audit in range(len(names))]
        beyond = [float(np.mean(np.isinf(ranks))) for ranks in found]
        known = [ranks[np.isfinite(ranks)] for ranks in found]
        classes_needed = 1 + int(np.ceil(np.log2(max(ranks.max(initial=1) for ranks in known))))
        rows = [
            {
                "languages": size,
                "audit": audit,
                "ranks": str(2**doubling) if doubling < 2 else f"{2 ** (doubling - 1) + 1}–{2**doubling}",
                "share": round(100 * int(count) / len(found[audit]), 2),
            }
            for audit, ranks in enumerate(known)
            for doubling, count in enumerate(
                np.bincount(np.ceil(np.log2(ranks)).astype(np.int64), minlength=classes_needed)
            )
        ]
        if any(beyond):
            rows += [
                {"languages": size, "audit": audit, "ranks": "beyond", "share": round(100 * share, 2)}
                for audit, share in enumerate(beyond)
            ]
        panels.append((_size_label(size), _bars(rows, len(names))))
        medians.append(in_order(f"{m:g}" if np.isfinite(m) else "beyond" for m in map(np.median, found)))
        data += rows
    summary = f"Median over the questions: {', '.join(medians)}. Each class is twice as wide."
    if any(row["ranks"] == "beyond" for row in data):
        summary += " Beyond: not in the run, which ends before the last document."
    return Chart("Where the worst-placed version stands", summary, _labelled(panels), data, audit_legend(names))


def _bars(rows: Rows, audits: int) -> str:
    colour, _ = by_audit(audits)
    spec: Spec = {
        "width": WIDTH,
        "height": 200,
        "data": {"values": rows},
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
