"""What reports show of an alignment: before and after, seeds, what was tried, and the plot of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from isoglot.report.tables import Table, number


def before_after_table(record: Mapping[str, Any]) -> Table:
    """The development measures of base and aligned model, by the language of the questions.

    Args:
        record: With ``measures`` and ``development``.
    """
    base, aligned = record["measures"]["base"], record["measures"]["aligned"]
    names = list(base["mean"])
    return Table(
        f"{record['development']['name']}: before and after",
        ("asked in", *(f"{name}\n{when}" for name in names for when in ("before", "after"))),
        tuple(
            (language, *(number(found[language].get(name), 1) for name in names for found in (base, aligned)))
            for language in base
        ),
        labels=1,
    )


def seeds_table(summary: Mapping[str, Any]) -> Table:
    """The development measures of every seed, their mean and standard deviation.

    Args:
        summary: What seeds.json holds.
    """
    names = list(summary["mean"])
    base = summary["base"]
    spread = (f"{number(summary['mean'][name])} ± {number(summary['standard_deviation'].get(name))}" for name in names)
    return Table(
        f"{len(summary['seeds'])} seeds, means over languages",
        ("seed", *names, "guard"),
        (
            *([("base", *(number(base[name]) for name in names), "")] if base else []),
            *(
                (str(seed["seed"]), *(number(seed["measures"][name]) for name in names), _guard(seed["verdict"]))
                for seed in summary["seeds"]
            ),
            ("mean", *spread, ""),
        ),
        labels=1,
    )


def tried_table(auto: Mapping[str, Any]) -> Table:
    """What ``--method auto`` tried, in its order.

    Args:
        auto: ``auto`` of a record.
    """
    names = list(auto["base"])
    return Table(
        f"tried within {auto['budget']:g} minutes, means over languages",
        ("method", "language tag", *names, "guard", "seconds"),
        (
            ("base", "", *(number(auto["base"][name], 1) for name in names), "", ""),
            *(
                (
                    entry["method"],
                    "needed" if entry["needs_language"] else "",
                    *(number(entry["measures"].get(name), 1) for name in names),
                    entry["left_out"] or _guard(entry["verdict"]),
                    number(entry["seconds"], 0),
                )
                for entry in auto["tried"]
            ),
        ),
    )


def training_svg(losses: Sequence[Mapping[str, float]], epochs: Sequence[Mapping[str, Any]]) -> str:
    """A plot of the loss of every step and, if there are any, of the development measures after each epoch.

    Args:
        losses: step, loss.
        epochs: epoch, measures (see `isoglot.alignment.guard.measures_of`).
    """
    import vl_convert

    shares = [
        {"epoch": entry["epoch"], "measure": name, "value": value}
        for entry in epochs
        for name, value in entry["measures"]["mean"].items()
        if name != "multi max_r"  # a rank, on no scale with the others
    ]
    charts = [_lines("loss", losses, "step", "loss"), _lines("development, mean %", shares, "epoch", "value")]
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "hconcat": charts if shares else charts[:1],
    }
    return str(vl_convert.vegalite_to_svg(spec))


def _lines(title: str, values: Sequence[Mapping[str, Any]], x: str, y: str) -> dict[str, Any]:
    encoding: dict[str, Any] = {
        "x": {"field": x, "type": "quantitative", "axis": {"tickMinStep": 1}},
        "y": {"field": y, "type": "quantitative", "title": None, "scale": {"zero": False}},
    }
    if "measure" in next(iter(values), {}):
        encoding["color"] = {"field": "measure", "legend": {"orient": "bottom", "title": None}}
    mark = {"type": "line", "point": len(values) < 100}
    return {
        "title": title,
        "width": 360,
        "data": {"values": list(map(dict, values))},
        "mark": mark,
        "encoding": encoding,
    }


def _guard(verdict: Mapping[str, Any] | None) -> str:
    if verdict is None:
        return "none"
    return f"{'kept' if verdict['passed'] else 'lost'} ({number(verdict['mean'])})"
