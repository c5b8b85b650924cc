"""Tables of similarities: how questions and documents are spread by several models, and what becomes of a cut-off."""

from __future__ import annotations

from collections.abc import Mapping

from isoglot.evaluation.comparison.comparison import Comparison
from isoglot.evaluation.similarities import Similarities, new_cutoff
from isoglot.report.tables import Table, number

KINDS = {
    "unrelated_same": "unrelated, same language",
    "unrelated_cross": "unrelated, other language",
    "relevant_cross": "relevant, other language",
    "relevant_same": "relevant, same language",
}
"""Attributes of `Similarities` -> what tables call them."""

SHOWN = ("1", "5", "25", "50", "75", "95", "99")
"""The quantiles that tables show, in percent."""

CUTOFFS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
"""The old cut-offs that tables show, those that lie inside the range of the old cosines of unrelated pairs."""


def comparison_similarity_tables(comparison: Comparison) -> list[Table]:
    """The tables of a comparison's models, of several seeds of the first; none unless two of them have vectors."""
    known = {model.label: model.similarities for model in comparison.models if model.similarities is not None}
    return similarity_tables(known) if len(known) > 1 else []


def similarity_tables(similarities: Mapping[str, Similarities]) -> list[Table]:
    """Make a table of the quantiles of each kind, and one of cut-offs.

    Args:
        similarities: A name -> the similarities of an audit, two or more; the cut-offs of the first are the old ones.
    """
    rows = tuple(
        (label, name, number(spread.mean), *(number(spread.quantiles.get(percent)) for percent in SHOWN))
        for kind, label in KINDS.items()
        for name, found in similarities.items()
        if (spread := getattr(found, kind)) is not None
    )
    columns = ("question and document", "model", "mean", *(f"{percent}%" for percent in SHOWN))
    tables = [Table("Similarities: mean and quantiles of the cosine", columns, rows), _cutoff_table(similarities)]
    return [table for table in tables if table.rows and len(table.columns) > 1]


def _cutoff_table(similarities: Mapping[str, Similarities]) -> Table:
    (first, before), *others = similarities.items()
    unrelated = before.unrelated
    comparable = [(name, after) for name, after in others if unrelated is not None and after.unrelated is not None]
    cutoffs = [cutoff for cutoff in CUTOFFS if unrelated is not None and 0 < unrelated.share_above(cutoff) < 100]
    rows = [
        (f"{name}: cut-off", *(number(new_cutoff(cutoff, before, after), 3) for cutoff in cutoffs))
        for name, after in comparable
    ]
    if rows and unrelated is not None:
        shares = (f"{unrelated.share_above(cutoff):.2g}" for cutoff in cutoffs)
        rows.append(("of unrelated documents let through, %", *shares))
    return Table(
        "Cut-offs that let through the same share of unrelated documents",
        (f"{first}: cut-off", *(f"{cutoff:g}" for cutoff in cutoffs)),
        tuple(rows),
        labels=1,
    )
