"""The pictures of languages' shares: of the first results, and of the worst-placed versions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from statistics import fmean

from isoglot.evaluation.results import LanguageResult
from isoglot.report.html.charts import Mixed, Rows
from isoglot.report.html.drawing import WIDTH, Chart, Panel, Spec, audit_legend, by_audit, draw, in_order, short_pool
from isoglot.report.tables import pool_name


def top_shares(names: Sequence[str], pools: Sequence[Mixed]) -> Chart:
    """Of each pool the language that took most of the top 10 in the first audit, against its share of the pool."""
    title = "Share of the top 10, against the pool's"
    return _dots(title, "share of the top 10", names, pools, lambda found: found.top_share.mean)


def worst_shares(names: Sequence[str], pools: Sequence[Mixed]) -> Chart | None:
    """Of each pool the language that most often held the worst-placed gold in the first audit.

    None where no question has several golds. Pools where golds are beyond the end of a run may be left out.
    """
    several = [
        pool
        for pool in pools
        if all(isfinite(found.worst_share.mean) for result in pool for found in result.by_language.values())
    ]
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
