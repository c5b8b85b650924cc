"""Audits and comparisons as LaTeX tables (package booktabs; for scripts other than Latin, xelatex or lualatex)."""

from __future__ import annotations

from collections.abc import Sequence

from isoglot.report.tables import Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def to_latex(tables: Sequence[Table]) -> str:
    """Write a table environment for each of `tables`, to be \\input into a document that loads booktabs."""
    return "% needs \\usepackage{booktabs}\n\n" + "\n".join(map(_table, tables))


def _table(table: Table) -> str:
    columns = "l" * table.labels + "r" * (len(table.columns) - table.labels)
    header, *rows = (" & ".join(map(_escape, row)) + r" \\" for row in (table.columns, *table.rows))
    lines = [
        r"\begin{table}",
        rf"\caption{{{_escape(table.title)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        *(r"\toprule", header, r"\midrule", *rows, r"\bottomrule"),
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    """Text from data, escaped: no commands, on one line."""
    return "".join(
        _SPECIAL.get(character, character) for character in " ".join(text.split()) if character.isprintable()
    )
