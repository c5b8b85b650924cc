"""What every picture of the page shares: its parts, its colours, and the way from Vega-Lite to SVG."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from isoglot.report.tables import pool_name

Spec = dict[str, Any]

WIDTH = 300
"""Of a plot in pixels: with its axis it fits a phone without being shrunk, so that its text stays readable."""

AUDIT_COLOURS = tuple(f"var(--audit{number})" for number in range(6))
AUDIT_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
AUDIT_GLYPHS = ("●", "■", "▲", "◆", "✚", "▼")
"""Audits differ by colour and by shape: neither is needed to tell them apart."""

_NEEDLESS = re.compile(
    r'<path class="(?:back|fore)ground"[^>]*/>'
    r'| (?:opacity="1"|stroke-width="1"|pointer-events="none"|font-family="sans-serif"|font-weight="normal")'
    r'| (?:xmlns(?::xlink)?|version|class|role|aria-[a-z]+)="[^"]*"'
)
"""A third of what Vega writes changes nothing; what parts mean the image around them says."""
_ALIKE = re.compile(r'<path d="[^"]*"( (?:fill|opacity)[^>]*)/>(?:<path d="[^"]*"\1/>)+')
_OUTLINE = re.compile(r' d="([^"]*)"')
"""Neighbours that only their outlines tell apart: as one path they look the same."""
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")

# Colours are the page's CSS variables, which differ between light and dark; SVG attributes may hold them.
_CONFIG: Spec = {
    "background": None,
    "padding": {"left": 16, "right": 10, "top": 4, "bottom": 4},  # a reader's font may be wider than the measured one
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
        label: What stands above it; empty if the chart's title says it all.
        svg: Markup that Vega wrote; safe to stand in a page.
    """

    label: str
    svg: str


@dataclass(frozen=True)
class Chart:
    """A picture with what stands for it where it is not seen.

    Attributes:
        title: What it shows.
        summary: What one sees in it, in a sentence with numbers.
        panels: Its drawings, side by side where there is room.
        data: What is drawn, as JSON values.
        legend: (glyph, CSS colour, label) of what the colours mean; without a glyph a swatch is shown.
    """

    title: str
    summary: str
    panels: tuple[Panel, ...]
    data: Sequence[Mapping[str, Any]]
    legend: tuple[tuple[str, str, str], ...] = ()

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The data by column, which is half as long."""
        return {name: [row[name] for row in self.data] for name in self.data[0]} if self.data else {}


def audit_legend(names: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
    """The legend of a chart in which colours and shapes are audits."""
    return tuple(
        (AUDIT_GLYPHS[at % len(AUDIT_GLYPHS)], AUDIT_COLOURS[at % len(AUDIT_COLOURS)], name)
        for at, name in enumerate(names)
    )


def by_audit(count: int) -> tuple[Spec, Spec]:
    """The colour and the shape of the field ``audit``, which holds an audit's number."""
    domain = list(range(count))
    colour, shape = (
        {
            "field": "audit",
            "type": "nominal",
            "scale": {"domain": domain, "range": [values[at % len(values)] for at in domain]},
            "legend": None,
        }
        for values in (AUDIT_COLOURS, AUDIT_SHAPES)
    )
    return colour, shape


def classes(field: str, bounds: Sequence[float], colour: str) -> Spec:
    """A colour for each class of a number: the CSS variables ``--COLOUR0``, ``--COLOUR1`` ... between the bounds."""
    names = [f"var(--{colour}{number})" for number in range(len(bounds) + 1)]
    scale = {"type": "threshold", "domain": list(bounds), "range": names}
    return {"field": field, "type": "quantitative", "scale": scale, "legend": None}


def classes_legend(bounds: Sequence[float], colour: str, unit: str = "") -> tuple[tuple[str, str, str], ...]:
    """The legend of `classes`."""
    inner = [f"{low:g}–{high:g}{unit}" for low, high in pairwise(bounds)]
    labels = [f"below {bounds[0]:g}{unit}", *inner, f"{bounds[-1]:g}{unit} and more"]
    return tuple(("", f"var(--{colour}{at})", label) for at, label in enumerate(labels))


def short_pool(languages: Sequence[str]) -> str:
    """``en+zh``, or how many languages there are where their names would be long."""
    return pool_name(languages) if len(languages) <= 5 else f"{len(languages)} languages"


def in_order(values: Iterable[str]) -> str:
    """The audits' values in their order, which is that of the legend: ``2.2 → 88.0``."""
    return " → ".join(values)


def draw(spec: Spec) -> str:
    """A Vega-Lite specification, drawn offline as SVG."""
    import vl_convert

    schema = "https://vega.github.io/schema/vega-lite/v5.json"
    text = clean(json.dumps({"$schema": schema, **spec}, ensure_ascii=False))
    svg = _NEEDLESS.sub("", clean(str(vl_convert.vegalite_to_svg(text, config=_CONFIG))))
    svg = re.sub(r"(\.\d\d)\d+", r"\1", svg)  # a hundredth of a pixel is enough
    return _ALIKE.sub(lambda paths: f'<path d="{"".join(_OUTLINE.findall(paths[0]))}"{paths[1]}/>', svg)


def clean(text: str) -> str:
    """`text` with U+FFFD for what no HTML may hold: control characters, lone surrogates, non-characters."""
    return _FORBIDDEN.sub("\ufffd", text)
