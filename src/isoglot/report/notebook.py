"""Audits, comparisons and charts in a notebook: the last line of a cell shows a table or a picture, not a repr."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isoglot.evaluation.comparison.comparison import Comparison
    from isoglot.evaluation.results import Audit
    from isoglot.report.html.drawing import Chart


def show_in_notebooks() -> None:
    """Register how results are shown with the IPython that runs, if one does.

    Nothing is imported before a result is shown: IPython knows the classes by their modules' names.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        formatters = shell.display_formatter.formatters
        formatters["text/markdown"].for_type_by_name("isoglot.evaluation.results", "Audit", audit_cell)
        comparison_module = "isoglot.evaluation.comparison.comparison"
        formatters["text/markdown"].for_type_by_name(comparison_module, "Comparison", comparison_cell)
        formatters["image/svg+xml"].for_type_by_name("isoglot.report.html.drawing", "Chart", chart_to_svg)


def audit_cell(audit: Audit) -> str:
    """Write the verdicts, notes and tables of an audit as Markdown; `isoglot.to_markdown` says how it was made too."""
    from isoglot.report.markdown import escape, table_to_markdown
    from isoglot.report.tables import audit_notes, audit_tables
    from isoglot.report.verdicts import goal_notes, verdicts

    lines = [f"- {escape(line)}" for line in (*verdicts(audit), *goal_notes(audit), *audit_notes(audit))]
    return "\n".join([*lines, "", *(table_to_markdown(table, level=4) for table in audit_tables(audit))])


def comparison_cell(comparison: Comparison) -> str:
    """Write the summary of a comparison as Markdown, or the table of each scenario where no pool has two languages."""
    from isoglot.report.markdown import escape, table_to_markdown
    from isoglot.report.tables import comparison_notes, comparison_tables, kept_table, summary_table

    tables = [table for table in (summary_table(comparison), kept_table(comparison)) if table.rows]
    shown = [table_to_markdown(table, level=4) for table in tables or comparison_tables(comparison)]
    return "\n".join([*shown, *(f"- {escape(note)}" for note in comparison_notes(comparison))])


def charts(*audits: Audit, names: Sequence[str] | None = None) -> list[Chart]:
    """Draw the charts that the report begins with; in a notebook, ``display(*isoglot.charts(before, after))``.

    Args:
        *audits: One or more audits of one collection, the first as the baseline.
        names: What to call each; None: the models' names.

    Returns:
        The charts over all mixed pools; none where no pool has two languages.

    Raises:
        IsoglotError: An audit was saved without its ranks, or the audits cannot be compared.
    """
    from isoglot.evaluation.comparison.comparable import load_audits
    from isoglot.report.html.page import check_ranks, mixed_pools, overview

    check_ranks(audits)
    labels = load_audits(audits, None, names, {})[0] if len(audits) > 1 else tuple(names or [audits[0].retriever])
    return overview(labels, audits, mixed_pools(audits))


_MARGIN, _LETTER = 12, 7
"""Pixels around the parts of a picture; width of a letter of 12 pixels, as a guess."""


def chart_to_svg(chart: Chart) -> str:
    """Draw a chart with its title and legend as one picture, in the light colours, readable by itself."""
    from isoglot.report.html.templates import COLOURS

    parts, left = [f'<text x="{_MARGIN}" y="20" font-weight="bold">{html.escape(chart.title)}</text>'], _MARGIN
    for glyph, colour, label in chart.legend:
        mark = f'<tspan fill="{colour}">{glyph or "■"}</tspan>'
        parts.append(f'<text x="{left}" y="42">{mark} {html.escape(label)}</text>')
        left += _LETTER * (len(label) + 4)
    width, height, left = max(left, _LETTER * len(chart.title)), 0.0, _MARGIN
    top = 76 if any(panel.label for panel in chart.panels) else 56
    for panel in chart.panels:
        panel_width, panel_height = map(float, re.findall(r' (?:width|height)="([\d.]+)"', panel.svg)[:2])
        parts.append(f'<text x="{left}" y="66">{html.escape(panel.label)}</text>')
        parts.append(panel.svg.replace("<svg", f'<svg x="{left}" y="{top}"', 1))
        left += int(panel_width) + _MARGIN
        width, height = max(width, left), max(height, panel_height)
    size = f'width="{width}" height="{top + height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{html.escape(chart.summary)}"'
    svg = f'{head} font-family="sans-serif" font-size="12" color="var(--text)" fill="currentColor">'
    body = "".join([svg, '<rect width="100%" height="100%" fill="var(--background)"/>', *parts, "</svg>"])
    light = dict(re.findall(r"--([\w-]+): light-dark\((#\w+),", COLOURS.read_text(encoding="utf-8")))
    return re.sub(r"var\(--([\w-]+)\)", lambda variable: light[variable[1]], body)
