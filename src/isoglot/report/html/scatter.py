"""The picture of single questions: where the right document stands, and where its twin in another language does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isoglot.evaluation.measures import Judged, best_in_language
from isoglot.platform.arrays import Floats
from isoglot.report.html.charts import Mixed, Rows, judged_of
from isoglot.report.html.drawing import Chart, Panel, classes, classes_legend, draw, in_order
from isoglot.report.tables import language_name, number

DENSITY_BOUNDS = (0.5, 1, 3, 10)
"""Classes of the share of questions, in percent, in a square of the scatter plot."""


def twin_scatter(names: Sequence[str], pool: Mixed) -> Chart | None:
    """The gold's rank in the query's language against its worst-placed version in another, first and last audit.

    None where no question has both, or one is beyond the end of a run.
    """
    data: Rows = []
    panels = []
    nearer = []
    size = pool[0].documents
    other = "its twin" if len(pool[0].pool_languages) == 2 else "the worst-placed other version"
    for audit in sorted({0, len(names) - 1}):
        own, twin = _own_and_twin(judged_of(pool[audit]))
        if not len(own) or np.isinf([own, twin]).any():
            return None
        nearer.append(100 * float(np.mean(own < twin)))
        squares, counts = np.unique(np.floor(2 * np.log2(np.stack([own, twin]))), axis=1, return_counts=True)
        rows = [
            {
                "audit": audit,
                "own": round(2 ** (x / 2), 3),
                "twin": round(2 ** (y / 2), 3),
                "share": round(100 * int(count) / len(own), 3),
            }
            for (x, y), count in zip(squares.T.tolist(), counts, strict=True)
        ]
        panels.append(Panel(names[audit], _scatter(rows, size, other)))
        data += rows
    summary = (
        f"For {in_order(number(share, 1) for share in nearer)}\u00a0% of the questions the "
        f"{language_name(pool[0].query_language)} version stands before {other} (above the diagonal). "
        "Colour: the share of the questions in a square."
    )
    legend = classes_legend(DENSITY_BOUNDS, "density", "\u00a0%")
    return Chart("The right document and its twin", summary, tuple(panels), data, legend)


def _own_and_twin(judged: Judged) -> tuple[Floats, Floats]:
    """Ranks of the best gold in the query's language and of the best in the worst other, of questions with both."""
    if judged.query_language is None:
        return np.empty(0), np.empty(0)
    numbers = range(int(judged.languages.max()) + 1)
    own = best_in_language(judged, judged.query_language)
    others = [best_in_language(judged, number) for number in numbers if number != judged.query_language]
    twin = np.fmax.reduce(others) if others else np.full(len(own), np.nan)
    both = ~np.isnan(own) & ~np.isnan(twin)
    return own[both], twin[both]


def _scatter(rows: Rows, size: int, other: str) -> str:
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
                    "data": {"values": rows},
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
