"""The parts of a chart, the colours of all charts, and the way from Vega-Lite to SVG."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from isoglot.platform.extras import needs
from isoglot.report.tables import pool_name

Spec = dict[str, Any]

WIDTH = 300
"""Width of a plot in pixels. With its axis it fits a phone without being shrunk, so its text stays readable."""

AUDIT_COLOURS = tuple(f"var(--audit{number})" for number in range(6))
AUDIT_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
AUDIT_GLYPHS = ("●", "■", "▲", "◆", "✚", "▼")
"""Audits differ by colour and by shape, so either is enough to distinguish them."""

_NEEDLESS = re.compile(
    r'<path class="(?:back|fore)ground"[^>]*/>'
    r'| (?:opacity="1"|stroke-width="1"|pointer-events="none"|font-family="sans-serif"|font-weight="normal")'
    r'| (?:xmlns(?::xlink)?|version|class|role|aria-[a-z]+)="[^"]*"'
)
"""Parts of Vega's output that change nothing, a third of it. The label of the whole image says what the parts mean."""
_ALIKE = re.compile(r'<path d="[^"]*"( (?:fill|opacity)[^>]*)/>(?:<path d="[^"]*"\1/>)+')
_OUTLINE = re.compile(r' d="([^"]*)"')
"""Neighbouring paths that differ in their outlines only; joined into one path they look the same."""
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")

# SVG attributes may hold CSS variables, and those of the page differ between light and dark.
_CONFIG: Spec = {
    "background": None,
    "padding": {"left": 16, "right": 10, "top": 4, "bottom": 4},  # the reader's font may be wider than Vega's
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "gridColor": "var(--rule)",
        "domainColor": "var(--rule)",
        "tickColor": "var(--rule)",
        "labelLimit": 150,
    },
    "text": {"color": "currentColor", "fontSize": 10, "aria": False},
    **{mark: {"aria": False} for mark in ("bar", "line", "point", "rect", "tick", "square")},
}


@dataclass(frozen=True)
class Panel:
    """One drawing within a chart.

    Attributes:
        label: Text above the drawing; empty where the chart's title is enough.
        svg: Markup written by Vega, which is safe inside a page.
    """

    label: str
    svg: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart, with a summary and its data for readers who do not see it.

    Attributes:
        title: What the chart shows.
        summary: What a reader sees in it, in a sentence with numbers.
        panels: The drawings, side by side where there is room.
        data: The drawn values, one mapping a mark, as JSON values.
        legend: (glyph, CSS colour, label) for each meaning of a colour; without a glyph a swatch is shown.
    """

    title: str
    summary: str
    panels: tuple[Panel, ...]
    data: Sequence[Mapping[str, Any]]
    legend: tuple[tuple[str, str, str], ...] = ()

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The data by column, which is half as long as by mark."""
        return {name: [mark[name] for mark in self.data] for name in self.data[0]} if self.data else {}


def audit_legend(names: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
    """Return the legend of a chart in which colours and shapes stand for audits."""
    return tuple((*audit_mark(index), name) for index, name in enumerate(names))


def audit_mark(index: int) -> tuple[str, str]:
    """Return the glyph and the CSS colour of an audit, given its index."""
    return AUDIT_GLYPHS[index % len(AUDIT_GLYPHS)], AUDIT_COLOURS[index % len(AUDIT_COLOURS)]


def by_audit(count: int) -> tuple[Spec, Spec]:
    """Return the colour and the shape encoding of the field ``audit``, the index of one of `count` audits."""
    domain = list(range(count))
    colour, shape = (
        {
            "field": "audit",
            "type": "nominal",
            "scale": {"domain": domain, "range": [values[index % len(values)] for index in domain]},
            "legend": None,
        }
        for values in (AUDIT_COLOURS, AUDIT_SHAPES)
    )
    return colour, shape


def classes(field: str, bounds: Sequence[float], colour: str) -> Spec:
    """Return the colour encoding of a number in classes.

    Args:
        field: Field with the number.
        bounds: Bounds between the classes, increasing.
        colour: Name of the CSS variables ``--COLOUR0``, ``--COLOUR1`` ..., one for each class.
    """
    names = [f"var(--{colour}{number})" for number in range(len(bounds) + 1)]
    scale = {"type": "threshold", "domain": list(bounds), "range": names}
    return {"field": field, "type": "quantitative", "scale": scale, "legend": None}


def classes_legend(bounds: Sequence[float], colour: str, unit: str = "") -> tuple[tuple[str, str, str], ...]:
    """Return the legend of `classes`."""
    inner = [f"{low:g}–{high:g}{unit}" for low, high in pairwise(bounds)]
    labels = [f"below {bounds[0]:g}{unit}", *inner, f"{bounds[-1]:g}{unit} and more"]
    return tuple(("", f"var(--{colour}{number})", label) for number, label in enumerate(labels))


def short_pool(languages: Sequence[str]) -> str:
    """Return the name of a pool, such as ``en+zh``; where that would be long, the number of its languages."""
    return pool_name(languages) if len(languages) <= 5 else f"{len(languages)} languages"


def in_order(values: Iterable[str]) -> str:
    """Join the audits' values in their order, which is that of the legend: ``2.2 → 88.0``."""
    return " → ".join(values)


def draw(spec: Spec) -> str:
    """Draw a Vega-Lite specification as SVG, offline."""
    with needs("drawing", "report"):
        import vl_convert

    schema = "https://vega.github.io/schema/vega-lite/v5.json"
    text = clean(json.dumps({"$schema": schema, **spec}, ensure_ascii=False))
    svg = _NEEDLESS.sub("", clean(str(vl_convert.vegalite_to_svg(text, config=_CONFIG))))
    svg = re.sub(r"(\.\d\d)\d+", r"\1", svg)  # a hundredth of a pixel is enough
    return _ALIKE.sub(lambda paths: f'<path d="{"".join(_OUTLINE.findall(paths[0]))}"{paths[1]}/>', svg)


def clean(text: str) -> str:
    """Replace by U+FFFD what HTML must not hold: control characters, lone surrogates and non-characters."""
    return _FORBIDDEN.sub("\ufffd", text)
