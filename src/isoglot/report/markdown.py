"""Audits and comparisons as Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from isoglot.evaluation.comparison.comparison import Comparison
from isoglot.evaluation.goals import find_goal
from isoglot.evaluation.results import Audit
from isoglot.platform.text import visible
from isoglot.report.changes import comparison_change_tables
from isoglot.report.further import further_tables
from isoglot.report.similarities import comparison_similarity_tables
from isoglot.report.tables import (
    Table,
    audit_notes,
    audit_tables,
    balance_note,
    comparison_notes,
    comparison_tables,
    described,
    kept_table,
    summary_table,
)
from isoglot.report.verdicts import goal_notes, verdicts

_MARKUP = re.compile(r"[\\`|~]|\*(?!$)|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])")
"""Markdown's marks. A star that ends a text, a bracket without a link behind it or an underscore in a word is none."""
_BLOCK = re.compile(r"^(\d*)([#+.)=-])(?=[#=-]*\s|[#=-]+$)")
"""What makes a heading or a list of a line that begins with it."""


def to_markdown(result: Audit | Comparison) -> str:
    """Return an audit or a comparison as Markdown, the text of audit.md or comparison.md.

    Args:
        result: Audit or comparison.
    """
    return audit_to_markdown(result) if isinstance(result, Audit) else comparison_to_markdown(result)


def audit_to_markdown(audit: Audit) -> str:
    """Write what audit.md holds: the verdict, the tables, and how they were made."""
    collection, model = audit.collection, audit.model
    lines = [
        f"# {escape(model.name)} on {escape(collection.name)}"
        + ("" if audit.balance == "none" else f", {escape(audit.balance)} balance"),
        "",
        *(f"- {escape(line)}" for line in (*verdicts(audit), *goal_notes(audit), *audit_notes(audit))),
        "",
        "Means over queries with 95% bootstrap intervals, all questions about a content drawn together; shares and "
        "gains in percent, ranks from 1 (lower is better).",
        "",
        *map(table_to_markdown, (*audit_tables(audit), *further_tables(audit))),
        "## How it was made",
        "",
        f"- isoglot {escape(audit.isoglot)}, seed {audit.seed}"
        + (f", limited to {audit.limit} questions" if audit.limit is not None else ""),
        f"- model: {escape(model.name)}, fingerprint {code(model.fingerprint[:16])}, {escape(described(model))}",
        *(
            f"- {escape(role)} prompt: {code(prompt.text.strip() or 'none')} (from: {escape(prompt.source)})"
            for role, prompt in model.prompts.items()
        ),
        *(["- the model was told each text's language"] if model.language_given else []),
        *([] if audit.balance == "none" else [f"- {escape(balance_note(audit.balance))}"]),
        f"- judged: {escape(str(find_goal(audit.goal)))}",
        f"- collection: {escape(collection.name)}, fingerprint {code(collection.fingerprint[:16])}, "
        f"languages {', '.join(map(escape, collection.languages))}",
        *(f"- note: {escape(note)}" for note in collection.notes),
        f"- environment: {', '.join(escape(f'{name} {value}') for name, value in audit.environment.items())}",
    ]
    return "\n".join(lines) + "\n"


def comparison_to_markdown(comparison: Comparison) -> str:
    """Write what comparison.md holds: before and after, what was kept, then every scenario with paired differences."""
    overview = [table for table in (summary_table(comparison), kept_table(comparison)) if table.rows]
    lines = [
        f"# {' vs '.join(map(escape, comparison.names))} on {escape(comparison.collection.name)}",
        "",
        *map(table_to_markdown, overview),
        *(f"- {escape(note)}" for note in comparison_notes(comparison)),
        "",
        *map(table_to_markdown, (*comparison_change_tables(comparison), *comparison_similarity_tables(comparison))),
        *map(table_to_markdown, comparison_tables(comparison)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def tables_to_markdown(tables: Sequence[Table], lines: Sequence[str]) -> str:
    """Write tables, each under its title, and lines of plain text."""
    shown = [f"## {escape(table.title)}\n\n{table_to_markdown(table)}" for table in tables]
    return "\n\n".join([*shown, *map(escape, lines)]) + "\n"


def table_to_markdown(table: Table, level: int = 2) -> str:
    """Write a table with its title as a heading of a level, 1 to 6."""
    rule = ["---"] * table.labels + ["---:"] * (len(table.columns) - table.labels)
    rows = [list(map(escape, row)) for row in (table.columns, *table.rows)]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:]))
    return f"{'#' * level} {escape(table.title)}\n\n{lines}\n"


def escape(text: str) -> str:
    """Escape text from data and models: no HTML, links, emphasis, headings or table cells, on one line."""
    line = _BLOCK.sub(r"\1\\\2", _MARKUP.sub(r"\\\g<0>", " ".join(visible(text).split())))
    return html.escape(line, quote=False)


def code(text: str) -> str:
    """Write text from data and models as code, on one line, whatever backticks it holds."""
    line = " ".join(visible(text).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence}{line}{fence}" if fence == "`" else f"{fence} {line} {fence}"
