"""Charts of the languages' shares of the first results and of the worst-placed versions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from statistics import fmean

from isoglot.evaluation.results import LanguageResult
from isoglot.report.html.charts import Marks, Mixed
from isoglot.report.html.drawing import WIDTH, Chart, Panel, Spec, audit_legend, by_audit, draw, in_order, short_pool
from isoglot.report.tables import pool_name


def top_shares(names: Sequence[str], pools: Sequence[Mixed]) -> Chart:
    """Draw for each pool the language with the largest excess of the top 10 in the first audit.

    The excess is its share of the top 10 less its share of the pool.
    """
    title = "Share of the top 10, against the pool's"
    return _dots(title, "share of the top 10", names, pools, lambda language: language.top_share.mean)


def worst_shares(names: Sequence[str], pools: Sequence[Mixed]) -> Chart | None:
    """Draw for each pool the language that most often held the worst-placed gold in the first audit.

    Pools where golds are beyond the end of a run may be left out.

    Returns:
        The chart; None where no question has several golds.
    """
    known = [
        pool
        for pool in pools
        if all(isfinite(language.worst_share.mean) for result in pool for language in result.by_language.values())
    ]
    if not known:
        return None
    title = "Whose version is placed worst"
    return _dots(title, "share of the worst-placed versions", names, known, lambda language: language.worst_share.mean)


def _dots(
    title: str, axis_title: str, names: Sequence[str], pools: Sequence[Mixed], share: Callable[[LanguageResult], float]
) -> Chart:
    """Draw the share of each pool's language with the largest excess in the first audit over its share of the pool."""
    data: Marks = []
    for pool in pools:
        excess = {tag: share(language) - language.pool_share for tag, language in pool[0].by_language.items()}
        tag = max(excess, key=lambda tag: (excess[tag], tag))
        data += [
            {
                "audit": audit,
                "row": f"{pool[0].query_language} in {short_pool(pool[0].pool_languages)}: {tag}",
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
                "encoding": {"x": {"field": "of_pool", **x, "title": f"{axis_title}, %"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
                "encoding": {"x": {"field": "share", **x}, "color": colour, "shape": shape},
            },
        ],
    }
    means = [
        fmean(mark["share"] - mark["of_pool"] for mark in data if mark["audit"] == audit) for audit in range(len(names))
    ]
    summary = (
        f"On average {in_order(f'{mean:+.1f}' for mean in means)} points from the language's share of the pool "
        "(the line). A label names query language, pool and language."
    )
    return Chart(title=title, summary=summary, panels=(Panel("", draw(spec)),), data=data, legend=audit_legend(names))
