"""Tables of language lift: whether neighbours are near by meaning or by language."""

from __future__ import annotations

from collections.abc import Mapping

from isoglot.evaluation.lift import NEIGHBOURS
from isoglot.evaluation.results import Audit
from isoglot.report.tables import Table, number

TITLE = f"language lift: the {NEIGHBOURS} nearest of a document in its own language, over chance (1: by meaning alone)"


def lift_tables(audit: Audit) -> list[Table]:
    """Make a table with a row for each language; none where the audit has no vectors."""
    rows = tuple(
        (tag, str(entry.documents), number(entry.own, 1), number(entry.lift)) for tag, entry in audit.lift.items()
    )
    return [Table(TITLE, ("language", "documents", "own, %", "lift"), rows, labels=1)] if rows else []


def before_after_lift_table(lift: Mapping[str, tuple[float, float]]) -> Table:
    """The lift of each language before and after a transform."""
    rows = tuple((tag, number(before), number(after)) for tag, (before, after) in lift.items())
    return Table(TITLE, ("language", "before", "after"), rows, labels=1)
