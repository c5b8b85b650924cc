"""Chart of single questions: the rank of the relevant document, against that of its twin in another language."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isoglot.evaluation.measures import Judged, best_in_language
from isoglot.platform.arrays import Floats
from isoglot.report.html.charts import Marks, Mixed, judged_of
from isoglot.report.html.drawing import Chart, Panel, classes, classes_legend, draw, in_order
from isoglot.report.tables import language_name, number

DENSITY_BOUNDS = (0.5, 1, 3, 10)
"""Bounds between the classes of a square's share of the questions, in percent."""


def twin_scatter(names: Sequence[str], pool: Mixed) -> Chart | None:
    """Draw the gold's rank in the query language against that of its worst-placed version in another language.

    The first and the last audit are drawn.

    Args:
        names: Names of the audits.
        pool: A mixed pool.

    Returns:
        The chart; None where no question has both ranks, or one is beyond the end of a run.
    """
    data: Marks = []
    panels = []
    preferred = []
    size = pool[0].documents
    other = "its twin" if len(pool[0].pool_languages) == 2 else "the worst-placed other version"
    for audit in sorted({0, len(names) - 1}):
        same, twin = _same_and_twin(judged_of(pool[audit]))
        if not len(same) or np.isinf([same, twin]).any():
            return None
        preferred.append(100 * float(np.mean(same < twin)))
        squares, counts = np.unique(np.floor(2 * np.log2(np.stack([same, twin]))), axis=1, return_counts=True)
        marks: Marks = [
            {
                "audit": audit,
                "own": round(2 ** (x / 2), 3),
                "twin": round(2 ** (y / 2), 3),
                "share": round(100 * int(count) / len(same), 3),
            }
            for (x, y), count in zip(squares.T.tolist(), counts, strict=True)
        ]
        panels.append(Panel(names[audit], _scatter(marks, size, other)))
        data += marks
    summary = (
        f"For {in_order(number(share, 1) for share in preferred)}\u00a0% of the questions the "
        f"{language_name(pool[0].query_language)} version ranks above {other} (above the diagonal). "
        "Colour: the share of the questions in a square."
    )
    return Chart(
        title="The relevant document and its twin",
        summary=summary,
        panels=tuple(panels),
        data=data,
        legend=classes_legend(DENSITY_BOUNDS, "density", "\u00a0%"),
    )


def _same_and_twin(judged: Judged) -> tuple[Floats, Floats]:
    """Return the ranks of the golds in the query language and of the twins, for the questions that have both.

    In each language the best gold counts; the twin is the worst of these among the other languages.
    """
    if judged.query_language is None:
        return np.empty(0), np.empty(0)
    numbers = range(int(judged.languages.max()) + 1)
    same = best_in_language(judged, judged.query_language)
    others = [best_in_language(judged, number) for number in numbers if number != judged.query_language]
    twin = np.fmax.reduce(others) if others else np.full(len(same), np.nan)
    both = ~np.isnan(same) & ~np.isnan(twin)
    return same[both], twin[both]


def _scatter(marks: Marks, size: int, other: str) -> str:
    axis = {"values": [rank for rank in (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000) if rank <= size], "format": "d"}
    scale = {"type": "log", "domain": [1, 1.5 * size], "nice": False}
    square = {"as": ["own2", "twin2"], "width": 2**0.5}
    ends = [{"calculate": f"datum.{name[:-1]} * {square['width']}", "as": name} for name in ("own2", "twin2")]
    diagonal = [{"a": 1, "b": 1}, {"a": size, "b": size}]
    line = {"x": {"field": "a", "type": "quantitative"}, "y": {"field": "b", "type": "quantitative"}}
    return draw(
        {
            "width": 230,
            "height": 230,
            "layer": [
                {
                    "data": {"values": marks},
                    "transform": ends,
                    "mark": {"type": "rect"},
                    "encoding": {
                        "x": {
                            "field": "own",
                            "type": "quantitative",
                            "scale": scale,
                            "axis": axis,
                            "title": "rank in the question's language",
                        },
                        "x2": {"field": "own2"},
                        "y": {
                            "field": "twin",
                            "type": "quantitative",
                            "scale": scale,
                            "axis": axis,
                            "title": f"rank of {other}",
                        },
                        "y2": {"field": "twin2"},
                        "color": classes("share", DENSITY_BOUNDS, "density"),
                    },
                },
                {
                    "data": {"values": diagonal},
                    "mark": {"type": "line", "strokeDash": [3, 3], "color": "currentColor"},
                    "encoding": line,
                },
            ],
        }
    )
