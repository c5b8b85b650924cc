"""Audits and comparisons as Markdown."""

from __future__ import annotations

import html

from isoglot.evaluation.comparison.comparison import Comparison
from isoglot.evaluation.results import Audit
from isoglot.report.lengths import length_tables
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
    verdicts,
)


def to_markdown(result: Audit | Comparison) -> str:
    """Write an audit or a comparison as Markdown, as `isoglot audit -o` and `isoglot compare -o` do."""
    return audit_to_markdown(result) if isinstance(result, Audit) else comparison_to_markdown(result)


def audit_to_markdown(audit: Audit) -> str:
    """Write what audit.md holds: the verdict, the tables, and how they were made."""
    collection, model = audit.collection, audit.model
    lines = [
        f"# {_escape(model.name)} on {_escape(collection.name)}"
        + ("" if audit.balance == "none" else f", {audit.balance} balance"),
        "",
        *(f"- {_escape(line)}" for line in (*verdicts(audit), *audit_notes(audit))),
        "",
        "Means over queries with 95% bootstrap intervals, all questions about a content drawn together; shares and "
        "gains in percent, ranks from 1 (lower is better).",
        "",
        *map(table_to_markdown, (*audit_tables(audit), *length_tables(audit))),
        "## How it was made",
        "",
        f"- isoglot {audit.isoglot}, seed {audit.seed}"
        + (f", limited to {audit.limit} questions" if audit.limit is not None else ""),
        f"- model: {_escape(model.name)}, fingerprint `{model.fingerprint[:16]}`, {_escape(described(model))}",
        *(
            f"- {role} prompt: `{prompt.text.strip() or 'none'}` (from: {prompt.source})"
            for role, prompt in model.prompts.items()
        ),
        *(["- the model was told each text's language"] if model.language_given else []),
        *([] if audit.balance == "none" else [f"- {balance_note(audit.balance)}"]),
        f"- collection: {_escape(collection.name)}, fingerprint `{collection.fingerprint[:16]}`, "
        f"languages {', '.join(map(_escape, collection.languages))}",
        *(f"- note: {_escape(note)}" for note in collection.notes),
        f"- environment: {', '.join(f'{name} {value}' for name, value in audit.environment.items())}",
    ]
    return "\n".join(lines) + "\n"


def comparison_to_markdown(comparison: Comparison) -> str:
    """Write what comparison.md holds: before and after, what was kept, then every scenario with paired differences."""
    overview = [table for table in (summary_table(comparison), kept_table(comparison)) if table.rows]
    lines = [
        f"# {' vs '.join(map(_escape, comparison.names))} on {_escape(comparison.collection.name)}",
        "",
        *map(table_to_markdown, overview),
        *(f"- {_escape(note)}" for note in comparison_notes(comparison)),
        "",
        *map(table_to_markdown, comparison_similarity_tables(comparison)),
        *map(table_to_markdown, comparison_tables(comparison)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def table_to_markdown(table: Table) -> str:
    """Write a table with its title as a heading."""
    rule = ["---"] * table.labels + ["---:"] * (len(table.columns) - table.labels)
    rows = [list(map(_escape, row)) for row in (table.columns, *table.rows)]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:]))
    return f"## {_escape(table.title)}\n\n{lines}\n"


def _escape(text: str) -> str:
    """Text from data, escaped: no HTML, no table cells, on one line."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|")
