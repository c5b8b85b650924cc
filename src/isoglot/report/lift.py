"""Tables of language lift: whether neighbours are near by meaning or by language."""

from __future__ import annotations

from collections.abc import Mapping

from isoglot.evaluation.lift import NEIGHBOURS, LanguageLift
from isoglot.report.tables import Table, number

TITLE = f"language lift: the {NEIGHBOURS} nearest of a document in its own language, over chance (1: by meaning alone)"


def lift_table(lift: Mapping[str, LanguageLift]) -> Table:
    """The lift of each language."""
    rows = tuple((tag, str(entry.documents), number(entry.own, 1), number(entry.lift)) for tag, entry in lift.items())
    return Table(TITLE, ("language", "documents", "own, %", "lift"), rows, labels=1)


def before_after_lift_table(lift: Mapping[str, tuple[float, float]], kept: Mapping[str, float] | None = None) -> Table:
    """The lift of each language before and after a transform, and how many neighbours in it stay, if that is known."""
    rows = tuple(
        (tag, number(before), number(after), *([] if kept is None else [number(kept.get(tag), 1)]))
        for tag, (before, after) in lift.items()
    )
    more = () if kept is None else ("nearest in it that stay, %",)
    return Table(TITLE, ("language", "before", "after", *more), rows, labels=1)
