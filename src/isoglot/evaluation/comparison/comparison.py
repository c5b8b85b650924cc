"""Comparison: two or more audits of the same collection, side by side, with paired statistics of the differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from isoglot.corpora.collection import Collection, CollectionRecord
from isoglot.evaluation.changes import StoredVectors, StressedQueries
from isoglot.evaluation.comparison.cells import ComparedCell, compare_scenario
from isoglot.evaluation.comparison.comparable import AuditSource, common_cells, load_audits
from isoglot.evaluation.goals import TOGETHER, GoalName, shared_goal
from isoglot.evaluation.results import Audit, Cell, json_text
from isoglot.evaluation.similarities import Similarities
from isoglot.evaluation.statistics.significance import non_inferior
from isoglot.platform.errors import IsoglotError
from isoglot.retrievers.base import RetrieverRecord, model_record

SCHEMA = "isoglot.comparison/1"

GUARDED = (("mono-same", "ndcg@10"), ("control", "ndcg@10"))
"""Scenario and measure of what a fix must not lower by more than the margin."""


class ComparedModel(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a comparison: an audit, or the audits of several seeds of one method.

    Attributes:
        label: Name that the comparison shows.
        record: Record of the retriever; of several seeds that of the first.
        balance: As `Audit.balance`.
        seeds: Number of audits that count as one.
        golds_beyond: Of TREC runs the number of golds beyond their end; None where all documents are ranked.
        similarities: As `Audit.similarities`; of several seeds those of the first.
        stress: As `Audit.stress`; of several seeds those of the first.
        stored: As `Audit.stored`; of several seeds those of the first.
        notes: As `Audit.notes`; of several seeds those of the first.
    """

    label: str
    record: RetrieverRecord
    balance: str
    seeds: int
    golds_beyond: int | None = None
    similarities: Similarities | None = None
    stress: tuple[StressedQueries, ...] = ()
    stored: tuple[StoredVectors, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, label: str, audits: Sequence[Audit]) -> ComparedModel:
        """What the audits of one or more seeds share."""
        cuts = [result.cut for audit in audits for result in audit.scenarios if result.cut is not None]
        return cls(
            label=label,
            record=audits[0].model,
            balance=audits[0].balance,
            seeds=len(audits),
            golds_beyond=sum(sum(cut.beyond.values()) for cut in cuts) if cuts else None,
            similarities=audits[0].similarities,
            stress=audits[0].stress,
            stored=audits[0].stored,
            notes=audits[0].notes,
        )

    def plain(self) -> dict[str, Any]:
        """The model as comparison.json holds it: flat, without what is None or empty of the last five attributes."""
        known = {
            "golds_beyond": self.golds_beyond,
            "similarities": self.similarities,
            "stress": self.stress or None,
            "stored": self.stored or None,
            "notes": self.notes or None,
        }
        return {
            "label": self.label,
            **model_record(self.record),
            "balance": self.balance,
            "seeds": self.seeds,
            **{name: value for name, value in known.items() if value is not None},
        }


class GuardedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Whether each audit kept a guarded measure of a cell, or of the mean over cells.

    Attributes:
        scenario: ``mono-same`` or ``control``.
        pool_languages: Languages of the pool; empty for the mean.
        query_language: Language of the questions; empty for the mean.
        measure: Name of the measure.
        kept: For each audit: true, false, or null where it is not certain.
    """

    scenario: str
    pool_languages: tuple[str, ...]
    query_language: str
    measure: str
    kept: list[bool | None]


class ComparisonRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of comparison.json, whose other fields are those of `Comparison`.

    Attributes:
        schema: Schema of comparison.json.
        models: For each audit the fields of `RetrieverRecord`, with `label`, `balance`, `seeds` and, where there are
            any, `golds_beyond`, `similarities`, `stress`, `stored` and `notes`.
        non_inferiority: Whether guarded measures were kept.
    """

    schema: str
    collection: CollectionRecord
    models: list[dict[str, Any]]
    unit: str
    margin: float
    non_inferiority: list[GuardedRecord]
    means: tuple[ComparedCell, ...]
    cells: tuple[ComparedCell, ...]
    left_out: int
    goal: GoalName = TOGETHER.name


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Audits side by side; the first is the baseline of the others.

    Attributes:
        models: Records of what was audited, in the order given.
        collection: Record of the collection.
        cells: Results of each pool and query language that all audits have.
        means: Mean over the cells of each scenario.
        margin: Largest loss of mono-same and control ndcg@10 that counts as kept, in points.
        unit: Unit that intervals and tests draw whole: ``content``, or ``query`` where no audit records its contents.
        left_out: Number of results in scenarios that only some of the audits have.
        goal: Goal by which all audits were judged; ``together`` where they differ.
    """

    models: tuple[ComparedModel, ...]
    collection: CollectionRecord
    cells: tuple[ComparedCell, ...]
    means: tuple[ComparedCell, ...]
    margin: float
    unit: str
    left_out: int = 0
    goal: GoalName = TOGETHER.name

    @property
    def names(self) -> tuple[str, ...]:
        """Names that the comparison shows."""
        return tuple(model.label for model in self.models)

    @property
    def guarded(self) -> list[tuple[str, ComparedCell]]:
        """Guarded measures (mono-same and control ndcg@10) with the mean over the cells of their scenario."""
        return [
            (measure, mean)
            for scenario, measure in GUARDED
            for mean in self.means
            if mean.scenario == scenario and measure in mean.measures
        ]

    def kept(self, cell: ComparedCell, measure: str, position: int) -> bool | None:
        """Return whether the model at a position kept a measure of a cell within the margin.

        Args:
            cell: Cell, or mean of a scenario.
            measure: Name of a measure.
            position: Position of the model in `models`.

        Returns:
            True: the 95% interval of the change lies above -margin. False: it lies below. None: not certain.
        """
        return non_inferior(cell.differences[measure][position], self.margin)

    def to_json(self) -> str:
        """Return the text of comparison.json; NaN becomes null."""
        record = ComparisonRecord(
            schema=SCHEMA,
            collection=self.collection,
            models=[model.plain() for model in self.models],
            unit=self.unit,
            margin=self.margin,
            non_inferiority=[
                GuardedRecord(
                    scenario=cell.scenario,
                    pool_languages=cell.pool_languages,
                    query_language=cell.query_language,
                    measure=measure,
                    kept=[self.kept(cell, measure, position) for position in range(len(self.models))],
                )
                for measure, mean in self.guarded
                for cell in (mean, *(cell for cell in self.cells if cell.scenario == mean.scenario))
            ],
            means=self.means,
            cells=self.cells,
            left_out=self.left_out,
            goal=self.goal,
        )
        return json_text(record)


def compare(
    *audits: AuditSource | Sequence[AuditSource],
    data: str | Collection | None = None,
    names: Sequence[str] | None = None,
    margin: float = 1.0,
    **options: Any,
) -> Comparison:
    """Compare audits of the same collection, with paired statistics over contents.

    Args:
        *audits: Two or more audits: an `Audit`, a folder of one, or the name of a model to audit on `data`. The first
            is the baseline. Seeds of one method count as one audit, in which each query has its mean over them: give a
            list of audits, ``NAME=A,B`` (a folder with = in its name is written ./a=b), or a folder with the folders
            seed-0, seed-1 and so on.
        data: Collection to audit models on; required where a model is named.
        names: Names to show; None: the models' names, shortened as far as they stay apart.
        margin: Largest loss of mono-same and control ndcg@10 that counts as kept, in points; above 0.
        **options: Options of `isoglot.audit` for the models named.

    Returns:
        The comparison.

    Raises:
        IsoglotError: There are fewer than two audits, a model is named without `data`, or the audits cannot be
            compared. The message names the field that differs.
    """
    if not 0 < margin < math.inf:
        raise IsoglotError(f"the margin is {margin:g}; it must be above 0")
    labels, groups = load_audits(audits, data, names, options)
    every = [audit for group in groups for audit in group]
    first = every[0]
    results = [[{result.cell: result for result in audit.scenarios} for audit in group] for group in groups]
    contents = {
        query: content
        for audit in every
        for result in audit.scenarios
        for query, content in zip(result.query_ids, result.contents, strict=False)  # older audits have no contents
    }
    cells = common_cells(every)
    compared: dict[Cell, ComparedCell] = {}
    means = []
    for scenario in dict.fromkeys(cell.scenario for cell in cells):
        of_scenario = [cell for cell in cells if cell.scenario == scenario]
        by_cell = [[[seed[cell] for seed in group] for group in results] for cell in of_scenario]
        *compared_cells, mean = compare_scenario(by_cell, contents, first.seed)
        compared.update(zip(of_scenario, compared_cells, strict=True))
        means.append(mean)
    return Comparison(
        models=tuple(map(ComparedModel.of, labels, groups)),
        collection=first.collection,
        cells=tuple(compared[cell] for cell in cells),
        means=tuple(means),
        margin=margin,
        unit="content" if contents else "query",
        left_out=len({result.cell for audit in every for result in audit.scenarios}) - len(cells),
        goal=shared_goal(audit.goal for audit in every).name,
    )
