"""Comparison: two or more audits of the same collection, side by side, with paired intervals of the differences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.collection import Collection
from isoglot.errors import IsoglotError
from isoglot.intervals import Interval, bootstrap_means
from isoglot.measures import parse_measure
from isoglot.results import AUDIT, Audit, ScenarioResult, without_nan

SCHEMA = "isoglot.comparison/1"


@dataclass(frozen=True)
class ComparedCell:
    """One pool asked in one language, by every model.

    Attributes:
        scenario: A name out of ``isoglot.pools.SCENARIOS``.
        pool_languages: As in the audits.
        query_language: Likewise.
        measures: Measure -> a mean with its interval for each audit.
        differences: Measure -> each audit's mean less the first's, with its paired 95% bootstrap interval (the same
            queries are drawn for both).
    """

    scenario: str
    pool_languages: tuple[str, ...]
    query_language: str
    measures: Mapping[str, tuple[Interval, ...]]
    differences: Mapping[str, tuple[Interval, ...]]


@dataclass(frozen=True)
class Comparison:
    """Audits side by side; the first is the one that the others are compared with.

    Attributes:
        names: One for each audit.
        models: Each audit's model, and whether its results were balanced.
        collection: Of all audits.
        cells: What all audits have.
        left_out: How many results only some of the audits have.
    """

    names: tuple[str, ...]
    models: tuple[Mapping[str, Any], ...]
    collection: Mapping[str, Any]
    cells: tuple[ComparedCell, ...]
    left_out: int = 0

    def to_json(self) -> str:
        """The comparison as JSON; NaN becomes null."""
        body = {
            "schema": SCHEMA,
            "collection": self.collection,
            "models": [{"label": name, **model} for name, model in zip(self.names, self.models, strict=True)],
            "cells": [
                {
                    "scenario": cell.scenario,
                    "pool_languages": list(cell.pool_languages),
                    "query_language": cell.query_language,
                    "measures": {name: [asdict(found) for found in values] for name, values in cell.measures.items()},
                    "differences": {name: [asdict(d) for d in values] for name, values in cell.differences.items()},
                }
                for cell in self.cells
            ],
            "left_out": self.left_out,
        }
        return json.dumps(without_nan(body), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """The comparison as Markdown tables."""
        from isoglot.report.markdown import comparison_to_markdown

        return comparison_to_markdown(self)


def compare(
    *audits: Audit | str | Path,
    data: str | Collection | None = None,
    names: Sequence[str] | None = None,
    **options: Any,
) -> Comparison:
    """Compare audits of the same collection.

    Args:
        *audits: Two or more: an `Audit`, a folder that holds one, or a model's name to audit on `data`.
        data: What to audit models on; needed where a model is named.
        names: What to call each; None: the models' names, as short as tells them apart.
        **options: Passed to ``isoglot.audit`` for the models named.

    Raises:
        IsoglotError: Fewer than two, a model without `data`, or audits that cannot be compared; the message names the
            field that differs.
    """
    if len(audits) < 2:
        raise IsoglotError("compare needs at least two audits or models")
    loaded = [_load(found, data, options) for found in audits]
    first = loaded[0]
    for other in loaded[1:]:
        _check_comparable(first, other)
    cells = {result.cell: result for result in first.scenarios}
    others = [{result.cell: result for result in other.scenarios} for other in loaded[1:]]
    shared = [cell for cell in cells if all(cell in other for other in others)]
    if not shared:
        raise IsoglotError("the audits have no pool in common")
    everything = set(cells).union(*others)
    return Comparison(
        tuple(names) if names is not None else _short_names([audit.retriever for audit in loaded]),
        tuple({**audit.model, "balanced": audit.balanced} for audit in loaded),
        first.collection,
        tuple(_compared([cells[cell], *(other[cell] for other in others)], first.seed) for cell in shared),
        len(everything) - len(shared),
    )


def _load(found: Audit | str | Path, data: str | Collection | None, options: Mapping[str, Any]) -> Audit:
    if isinstance(found, Audit):
        return found
    if (Path(found) / AUDIT).is_file():
        return Audit.load(found)
    if data is None:
        raise IsoglotError(f"{found}: holds no {AUDIT}; to audit it as a model, name the collection with --data")
    from isoglot.auditing import audit

    return audit(str(found), data, **options)


def _check_comparable(first: Audit, other: Audit) -> None:
    fields = {
        "collection name": (first.collection["name"], other.collection["name"]),
        "collection fingerprint": (first.collection["fingerprint"][:12], other.collection["fingerprint"][:12]),
        "seed": (first.seed, other.seed),
        "limit": (first.limit, other.limit),
        "documents mode": (first.scenarios[0].documents_mode, other.scenarios[0].documents_mode),
    }
    for field, (one, two) in fields.items():
        if one != two:
            names = f"{first.retriever} and {other.retriever}"
            raise IsoglotError(f"the audits of {names} cannot be compared: {field} differs ({one} and {two})")


def _compared(results: Sequence[ScenarioResult], seed: int) -> ComparedCell:
    first = results[0]
    measures = [name for name in first.measures if all(name in other.measures for other in results)]
    values = []
    for result in results:
        if result.judged is None:
            raise IsoglotError("an audit was saved without its ranks (ranks.npz); make it anew to compare it")
        if result.query_ids != first.query_ids:
            raise IsoglotError(f"the audits asked other queries in {' / '.join(map(str, first.cell))}")
        values.append(np.stack([parse_measure(name)(result.judged) for name in measures], axis=1))
    differences = [bootstrap_means(other - values[0], seed) for other in values]
    return ComparedCell(
        *first.cell,
        {name: tuple(result.measures[name] for result in results) for name in measures},
        {name: tuple(found[at] for found in differences) for at, name in enumerate(measures)},
    )


def _short_names(names: Sequence[str]) -> tuple[str, ...]:
    """The last parts of paths, with as many parent folders as it takes to tell them apart."""
    parts = [Path(name).parts for name in names]
    for depth in range(1, max(map(len, parts)) + 1):
        short = tuple("/".join(found[-depth:]) for found in parts)
        if len(set(short)) == len(short):
            return short
    return tuple(f"{name} ({number})" for number, name in enumerate(names, start=1))
