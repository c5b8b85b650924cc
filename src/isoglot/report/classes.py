"""The table of classes: whether the first document has the right content, and whether it is in the query's language."""

from __future__ import annotations

from isoglot.evaluation.measures import CLASSES
from isoglot.evaluation.results import Audit
from isoglot.report.tables import Table, pool_name, with_interval

TITLE = "multi, the first document: right or wrong content, in the question's own language or another (% of questions)"


def class_tables(audit: Audit) -> list[Table]:
    """Make a table of the classes in mixed pools; none where they were not asked for."""
    rows = tuple(
        (
            pool_name(result.pool_languages),
            result.query_language,
            *(with_interval(result.measures[name]) for name in CLASSES),
        )
        for result in audit.scenarios
        if result.scenario == "multi" and result.measures.keys() >= {*CLASSES}
    )
    columns = ("pool", "asked in", *(name.replace("_", ", ") for name in CLASSES))
    return [Table(TITLE, columns, rows)] if rows else []
