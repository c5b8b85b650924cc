"""The plot of a training: its loss, and the development measures after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isoglot.alignment.record import EpochMeasures, StepLoss
from isoglot.platform.extras import needs


def training_svg(losses: Sequence[StepLoss], epochs: Sequence[EpochMeasures]) -> str:
    """A plot of the loss of every step and, if there are any, of the development measures after each epoch."""
    with needs("drawing", "report"):
        import vl_convert

    steps = [{"step": entry.step, "loss": entry.loss} for entry in losses]
    shares = [
        {"epoch": entry.epoch, "measure": name, "value": value}
        for entry in epochs
        for name, value in entry.measures["mean"].items()
        if name != "multi max_r"  # a rank, on no scale with the others
    ]
    charts = [_lines("loss", steps, "step", "loss"), _lines("development, mean %", shares, "epoch", "value")]
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "hconcat": charts if shares else charts[:1],
    }
    return str(vl_convert.vegalite_to_svg(spec))


def _lines(title: str, values: Sequence[dict[str, Any]], x: str, y: str) -> dict[str, Any]:
    """A line chart of `values` as Vega-Lite draws it; one line for each ``measure``, if they have one."""
    encoding: dict[str, Any] = {
        "x": {"field": x, "type": "quantitative", "axis": {"tickMinStep": 1}},
        "y": {"field": y, "type": "quantitative", "title": None, "scale": {"zero": False}},
    }
    if "measure" in next(iter(values), {}):
        encoding["color"] = {"field": "measure", "legend": {"orient": "bottom", "title": None}}
    return {
        "title": title,
        "width": 360,
        "data": {"values": list(values)},
        "mark": {"type": "line", "point": len(values) < 100},
        "encoding": encoding,
    }
