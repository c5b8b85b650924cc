"""Tables of what changed queries and otherwise stored vectors do to an audit's measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from isoglot.evaluation.changes import Change, StoredVectors, StressedQueries
from isoglot.evaluation.comparison.comparison import Comparison
from isoglot.evaluation.results import Audit
from isoglot.report.tables import Table, number, with_interval

_STRESS = "stress: changed queries against the same ones unchanged, mean over the pools"
_STORED = "stored vectors against float32 in all dimensions, mean over pools and query languages"
_SHOWN = ("multi complete@10", "multi max_r", "mono-same ndcg@10")


class _Row(NamedTuple):
    """What a row shows: its labels, the model (empty: there is one), a number, and what changed."""

    labels: tuple[str, str]
    model: str
    number: str
    changes: Mapping[str, Change]


def change_tables(audit: Audit) -> list[Table]:
    """The tables of an audit's stress and stored vectors, as far as they were asked for."""
    return _tables({"": audit.stress}, {"": audit.stored})


def comparison_change_tables(comparison: Comparison) -> list[Table]:
    """The same tables of all models of a comparison, in rows below each other; of several seeds those of the first."""
    return _tables(
        {model.label: model.stress for model in comparison.models},
        {model.label: model.stored for model in comparison.models},
    )


def _tables(
    stress: Mapping[str, Sequence[StressedQueries]], stored: Mapping[str, Sequence[StoredVectors]]
) -> list[Table]:
    stressed = [
        _Row((entry.kind, entry.query_language), model, f"{entry.changed} of {entry.queries}", entry.measures)
        for model, entries in stress.items()
        for entry in entries
    ]
    forms = [
        _Row((entry.dtype, str(entry.dimension)), model, str(entry.bytes), entry.measures)
        for model, entries in stored.items()
        for entry in entries
    ]
    tables = [
        _table(_STRESS, ("stress", "asked in", "changed"), stressed),
        _table(_STORED, ("stored as", "dimensions", "bytes"), forms, "multi tie_rate"),
    ]
    return [table for table in tables if table.rows]


def _table(title: str, heads: tuple[str, str, str], rows: Sequence[_Row], *without_change: str) -> Table:
    """A table of rows with the same labels below each other; with a column of models if they have names."""
    shown, plain = (
        [name for name in names if any(name in row.changes for row in rows)] for names in (_SHOWN, without_change)
    )
    named = any(row.model for row in rows)
    order = list(dict.fromkeys(row.labels for row in rows))
    body = []
    for row in sorted(rows, key=lambda row: order.index(row.labels)):
        cells = [cell for name in shown for cell in _cells(row.changes.get(name))]
        cells += [_after(row.changes.get(name)) for name in plain]
        body.append((*row.labels, *([row.model] if named else []), row.number, *cells))
    columns = [column for name in shown for column in (name.replace(" ", "\n"), f"{name.split()[1]}\nchange")]
    columns += [name.replace(" ", "\n") for name in plain]
    model = ("model",) if named else ()
    return Table(title, (*heads[:2], *model, heads[2], *columns), tuple(body), labels=2 + len(model))


def _cells(change: Change | None) -> tuple[str, str]:
    """A measure after a change, and its difference."""
    if change is None:
        return "-", "-"
    is_same = change.difference.low == change.difference.high == 0
    return _after(change), "0" if is_same else with_interval(change.difference, signed=True)


def _after(change: Change | None) -> str:
    return "-" if change is None else number(change.after.mean)
