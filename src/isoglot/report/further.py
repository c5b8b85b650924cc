"""The tables of an audit behind those of its measures."""

from __future__ import annotations

from isoglot.evaluation.results import Audit
from isoglot.report.changes import change_tables
from isoglot.report.classes import class_tables
from isoglot.report.lengths import length_tables
from isoglot.report.lift import lift_table
from isoglot.report.stages import stage_tables
from isoglot.report.tables import Table


def further_tables(audit: Audit) -> list[Table]:
    """First documents, stages of a pipeline, changed queries and vectors, language lift, and lengths."""
    lifts = [lift_table(audit.lift)] if audit.lift else []
    return [*class_tables(audit), *stage_tables(audit), *change_tables(audit), *lifts, *length_tables(audit)]
