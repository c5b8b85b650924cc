"""A table of how long the texts of each language are for a model, and how many of them it cut."""

from __future__ import annotations

from isoglot.encoders.lengths import LanguageLengths
from isoglot.evaluation.results import Audit
from isoglot.report.tables import Table, number

_KINDS = {"document": "documents", "query": "queries"}


def length_tables(audit: Audit) -> list[Table]:
    """Make a table with a row for each language; none where the audit does not know the model's tokens."""
    roles = [audit.lengths[role] for role in _KINDS if role in audit.lengths]
    if not roles:
        return []
    rows = tuple(
        (tag, *(text for role in roles for text in _cells(role.by_language.get(tag))))
        for tag in dict.fromkeys(tag for role in roles for tag in role.by_language)
    )
    kinds = [kind for role, kind in _KINDS.items() if role in audit.lengths]
    columns = ("language", *(name for kind in kinds for name in (kind, "cut", "tokens per word")))
    limit = "" if audit.model.max_length is None else f", cut at {audit.model.max_length} tokens"
    return [Table(f"texts as the model reads them{limit}", columns, rows, labels=1)]


def _cells(lengths: LanguageLengths | None) -> tuple[str, str, str]:
    if lengths is None:
        return "0", "-", "-"
    return str(lengths.texts), str(lengths.cut), number(lengths.tokens_per_word)
