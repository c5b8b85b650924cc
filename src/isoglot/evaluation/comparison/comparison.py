"""Comparison: two or more audits of the same collection, side by side, with paired statistics of the differences."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isoglot.corpora.collection import Collection
from isoglot.evaluation.comparison.cells import ComparedCell, compare_scenario
from isoglot.evaluation.comparison.comparable import Cell, Source, common_cells, load_audits
from isoglot.evaluation.results import Audit, without_nan
from isoglot.evaluation.statistics.significance import non_inferior
from isoglot.platform.errors import IsoglotError

SCHEMA = "isoglot.comparison/1"

GUARDED = (("mono-same", "ndcg@10"), ("control", "ndcg@10"))
"""What a fix must not lower by more than the margin."""


@dataclass(frozen=True)
class Comparison:
    """Audits side by side; the first is the one that the others are compared with.

    Attributes:
        names: One for each audit.
        models: Each audit's model, how its results were balanced, how many seeds were pooled; of runs also how many
            golds are beyond their end.
        collection: Of all audits.
        cells: What all audits have.
        means: For each scenario the mean over its cells.
        margin: In points: what `GUARDED` measures may lose and still count as kept.
        unit: What was drawn and flipped whole: ``content``, or ``query`` where no audit says its contents.
        left_out: How many results are of scenarios that only some of the audits have.
    """

    names: tuple[str, ...]
    models: tuple[Mapping[str, Any], ...]
    collection: Mapping[str, Any]
    cells: tuple[ComparedCell, ...]
    means: tuple[ComparedCell, ...]
    margin: float
    unit: str
    left_out: int = 0

    @property
    def guarded(self) -> list[tuple[str, ComparedCell]]:
        """`GUARDED` measures with the mean over the cells of their scenario, where they were audited."""
        return [
            (measure, mean)
            for scenario, measure in GUARDED
            for mean in self.means
            if mean.scenario == scenario and measure in mean.measures
        ]

    def kept(self, cell: ComparedCell, measure: str, at: int) -> bool | None:
        """Whether audit number `at` kept a measure of a cell within the margin; None: not certain either way."""
        return non_inferior(cell.differences[measure][at], self.margin)

    def to_json(self) -> str:
        """The comparison as JSON; NaN becomes null."""
        body = {
            "schema": SCHEMA,
            "collection": self.collection,
            "models": [{"label": name, **model} for name, model in zip(self.names, self.models, strict=True)],
            "unit": self.unit,
            "margin": self.margin,
            "non_inferiority": [
                {
                    "scenario": cell.scenario,
                    "pool_languages": list(cell.pool_languages),
                    "query_language": cell.query_language,
                    "measure": measure,
                    "kept": [self.kept(cell, measure, at) for at in range(len(self.names))],
                }
                for measure, mean in self.guarded
                for cell in (mean, *(cell for cell in self.cells if cell.scenario == mean.scenario))
            ],
            "means": [cell.to_json() for cell in self.means],
            "cells": [cell.to_json() for cell in self.cells],
            "left_out": self.left_out,
        }
        return json.dumps(without_nan(body), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def compare(
    *audits: Source | Sequence[Source],
    data: str | Collection | None = None,
    names: Sequence[str] | None = None,
    margin: float = 1.0,
    **options: Any,
) -> Comparison:
    """Compare audits of the same collection.

    Args:
        *audits: Two or more: an `Audit`, a folder that holds one, or a model's name to audit on `data`. Seeds of one
            method count as one, each query with its mean over them: a list of such, ``NAME=A,B`` (a folder with = in
            its name is written ./a=b), or a folder with folders seed-0, seed-1 ... of audits or models.
        data: What to audit models on; needed where a model is named.
        names: What to call each; None: the models' names, as short as tells them apart.
        margin: In points, above 0: what mono-same and control ndcg@10 may lose and still count as kept.
        **options: Passed to ``isoglot.audit`` for the models named.

    Raises:
        IsoglotError: Fewer than two, a model without `data`, or audits that cannot be compared; the message names the
            field that differs.
    """
    if not 0 < margin < math.inf:
        raise IsoglotError(f"the margin is {margin:g}; it must be above 0")
    called, loaded = load_audits(audits, data, names, options)
    every = [audit for group in loaded for audit in group]
    first = every[0]
    results = [[{result.cell: result for result in audit.scenarios} for audit in group] for group in loaded]
    contents = {
        query: content
        for audit in every
        for result in audit.scenarios
        for query, content in zip(result.query_ids, result.contents, strict=False)  # older audits have no contents
    }
    cells = common_cells(every)
    compared: dict[Cell, ComparedCell] = {}
    means = []
    for scenario in dict.fromkeys(scenario for scenario, _, _ in cells):
        own = [cell for cell in cells if cell[0] == scenario]
        by_cell = [[[found[cell] for found in group] for group in results] for cell in own]
        *found, mean = compare_scenario(by_cell, contents, first.seed)
        compared.update(zip(own, found, strict=True))
        means.append(mean)
    return Comparison(
        called,
        tuple(map(_described, loaded)),
        first.collection,
        tuple(compared[cell] for cell in cells),
        tuple(means),
        margin,
        "content" if contents else "query",
        len({result.cell for audit in every for result in audit.scenarios}) - len(cells),
    )


def _described(group: Sequence[Audit]) -> dict[str, Any]:
    """The model of one or more seeds; of runs also how many golds are beyond their end."""
    cuts = [result.cut for audit in group for result in audit.scenarios if result.cut is not None]
    beyond = {"golds_beyond": sum(sum(cut.beyond.values()) for cut in cuts)} if cuts else {}
    return {**group[0].model, "balance": group[0].balance, "seeds": len(group), **beyond}
