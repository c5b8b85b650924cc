"""The table of a pipeline's stages."""

from __future__ import annotations

from isoglot.evaluation.results import Audit, ScenarioResult, StageResult
from isoglot.report.tables import Table, median_rank, number, pool_name, with_interval


def stage_tables(audit: Audit) -> list[Table]:
    """What each stage of a pipeline did to the languages of each mixed pool; nothing of other retrievers."""
    if not audit.stages:
        return []
    measure = next(iter(audit.stages[0].result.measures))
    columns = ("pool", "asked in", "after", measure, "median gold rank", "lost later %", "gained later %")
    return [Table("stages: which one buries the other versions", columns, tuple(map(_row, audit.stages)), labels=3)]


def _row(stage: StageResult) -> tuple[str, ...]:
    result = ScenarioResult.restored(stage.result, None)
    (interval,) = result.measures.values()
    return (
        pool_name(result.pool_languages),
        result.query_language,
        stage.stage,
        with_interval(interval),
        ", ".join(f"{tag} {median_rank(result, tag)}" for tag in result.pool_languages),
        number(stage.lost, 1),
        number(stage.gained, 1),
    )
