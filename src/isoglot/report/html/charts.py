"""The pictures of mixed pools, drawn from the gold ranks that audits hold.

A `Mixed` is one mixed pool asked in one language, by every audit: its results in the audits' order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoglot.measures import Judged, max_r
from isoglot.report.html.drawing import WIDTH, Chart, Panel, Spec, audit_legend, by_audit, classes, draw, in_order
from isoglot.report.tables import language_name, number, pool_name
from isoglot.results import LanguageResult, ScenarioResult

Mixed = Sequence[ScenarioResult]
Rows = list[dict[str, Any]]

MOST_K = 100
RANK_BOUNDS = (2, 4, 8, 16, 32, 64, 128)
"""Classes of ranks in the heat map."""


def judged_of(result: ScenarioResult) -> Judged:
    """The gold ranks of a result that was read with them."""
    if result.judged is None:
        raise ValueError("the result has no ranks")
    return result.judged


def heat_maps(names: Sequence[str], pools: Sequence[Mixed], languages: Sequence[str]) -> Chart:
    """For each audit: the median rank of the gold by query language (row) and document language (column).

    Where several pools have the pair, the median over them is shown.

    Args:
        names: Of the audits.
        pools: Mixed pools.
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
    shown = {row[axis] for row in data for axis in ("query", "document")}
    order = [tag for tag in languages if tag in shown]
    panels = [Panel(name, _heat_map([r for r in data if r["audit"] == at], order)) for at, name in enumerate(names)]
    worst = max((row for row in data if row["audit"] == 0), key=lambda row: row["rank"])
    now = [row["rank"] for row in data if (row["query"], row["document"]) == (worst["query"], worst["document"])]
    summary = (
        f"The most buried: the {language_name(worst['document'])} version for {language_name(worst['query'])} "
        f"questions, at a median rank of {in_order(f'{rank:g}' for rank in now)}. Blank: no such pool was audited."
    )
    return Chart("Median rank of the right document, by language", summary, tuple(panels), data)


def _heat_map(rows: Rows, order: Sequence[str]) -> str:
    step = max(12, min(44, 290 // len(order)))
    axis = {"orient": "top", "domain": False, "ticks": False, "labelAngle": 0 if max(map(len, order)) < 4 else -50}
    rank = "format(datum.rank, datum.rank < 100 ? '~g' : '.0f')"
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
    """Complete@K for every K up to 100 (or the pool's size), the mean over pools, a line an audit."""
    most = min(MOST_K, max(pool[0].documents for pool in pools))
    ks = np.arange(1, most + 1)
    curves = [
        np.mean([_shares_up_to(max_r(judged_of(pool[audit])), ks) for pool in pools], axis=0)
        for audit in range(len(names))
    ]
    data = [
        {"audit": audit, "k": int(k), "complete": round(float(share), 2)}
        for audit, curve in enumerate(curves)
        for k, share in zip(ks, curve, strict=True)
    ]
    ten = min(10, most)
    colour, shape = by_audit(len(names))
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
        "data": {"values": data},
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
    reached = in_order(number(float(curve[ten - 1]), 1) for curve in curves)
    summary = f"Questions with every version in the top {ten}: {reached} %."
    return Chart("Complete@K", summary, (Panel("", draw(spec)),), data, audit_legend(names))


def _shares_up_to(ranks: NDArray[np.float64], ks: NDArray[np.int64]) -> NDArray[np.float64]:
    """The percentage of `ranks` that are at most k, for each k."""
    return np.asarray(100 * np.searchsorted(np.sort(ranks), ks, side="right") / len(ranks))


def worst_ranks(names: Sequence[str], pools: Sequence[Mixed]) -> Chart:
    """How Max@R is distributed over the questions, in classes that double: 1, 2, 3-4, 5-8 ..."""
    data: Rows = []
    medians = []
    labels: list[str] = []
    for audit in range(len(names)):
        ranks = np.concatenate([max_r(judged_of(pool[audit])) for pool in pools])
        medians.append(float(np.median(ranks)))
        counts = np.bincount(np.ceil(np.log2(ranks)).astype(np.int64))
        for doubling, count in enumerate(counts):
            low, high = 2 ** (doubling - 1) + 1 if doubling else 1, 2**doubling
            label = str(high) if doubling < 2 else f"{low:.0f}–{high}"
            labels = [*labels, label] if label not in labels else labels
            data.append({"audit": audit, "ranks": label, "share": round(100 * float(count) / len(ranks), 2)})
    colour, _ = by_audit(len(names))
    spec: Spec = {
        "width": WIDTH,
        "height": 200,
        "data": {"values": data},
        "mark": {"type": "bar"},
        "encoding": {
            "x": {
                "field": "ranks",
                "type": "ordinal",
                "scale": {"domain": labels},
                "title": "Max@R: rank of the worst-placed version",
                "axis": {"labelAngle": -50},
            },
            "xOffset": {"field": "audit", "type": "nominal"},
            "y": {"field": "share", "type": "quantitative", "title": "questions, %"},
            "color": colour,
        },
    }
    summary = f"Median over the questions: {in_order(f'{found:g}' for found in medians)}. Each class is twice as wide."
    return Chart("Where the worst-placed version stands", summary, (Panel("", draw(spec)),), data, audit_legend(names))


def top_shares(names: Sequence[str], pools: Sequence[Mixed]) -> Chart:
    """Of each pool the language that took most of the top 10 in the first audit, against its share of the pool."""
    title = "Share of the top 10, against the pool's"
    return _dots(title, "share of the top 10", names, pools, lambda found: found.top_share.mean)


def worst_shares(names: Sequence[str], pools: Sequence[Mixed]) -> Chart | None:
    """Of each pool the language that most often held the worst-placed gold in the first audit.

    None where no question has several golds.
    """
    several = [pool for pool in pools if (judged_of(pool[0]).counts > 1).any()]
    if not several:
        return None
    title = "Whose version is placed worst"
    return _dots(title, "share of the worst-placed versions", names, several, lambda found: found.worst_share.mean)


def _dots(
    title: str, what: str, names: Sequence[str], pools: Sequence[Mixed], share: Callable[[LanguageResult], float]
) -> Chart:
    data: Rows = []
    for pool in pools:
        found = pool[0].by_language
        excess = {tag: share(language) - language.pool_share for tag, language in found.items()}
        tag = max(excess, key=lambda tag: (excess[tag], tag))
        languages = pool_name(pool[0].pool_languages) if len(found) <= 3 else f"{len(found)} languages"
        data += [
            {
                "audit": audit,
                "row": f"{pool[0].query_language} in {languages}: {tag}",
                "asked_in": pool[0].query_language,
                "pool": pool_name(pool[0].pool_languages),
                "language": tag,
                "share": round(share(result.by_language[tag]), 2),
                "of_pool": round(result.by_language[tag].pool_share, 2),
            }
            for audit, result in enumerate(pool)
        ]
    colour, shape = by_audit(len(names))
    x = {"type": "quantitative", "scale": {"domain": [0, 100]}}
    spec: Spec = {
        "width": WIDTH - 60,
        "height": {"step": 18},
        "data": {"values": data},
        "encoding": {"y": {"field": "row", "sort": None, "title": None}},
        "layer": [
            {
                "mark": {"type": "tick", "thickness": 2, "color": "currentColor", "opacity": 1},
                "encoding": {"x": {"field": "of_pool", **x, "title": f"{what}, %"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
                "encoding": {"x": {"field": "share", **x}, "color": colour, "shape": shape},
            },
        ],
    }
    means = [fmean(row["share"] - row["of_pool"] for row in data if row["audit"] == at) for at in range(len(names))]
    summary = (
        f"On average {in_order(f'{found:+.1f}' for found in means)} points from the language's share of the pool "
        "(the line). A row reads: asked in, pool, language."
    )
    return Chart(title, summary, (Panel("", draw(spec)),), data, audit_legend(names))
