"""Tables on the terminal: coloured there, plain and unwrapped when piped."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from isoglot.platform.text import one_line, visible
from isoglot.report.tables import Table


def print_lines(lines: Sequence[str]) -> None:
    """Print lines of plain text; nothing in them is read as markup, and no line is more than one."""
    console = _console()
    for line in lines:
        console.print(_text(one_line(line)), soft_wrap=True)


def print_tables(tables: Sequence[Table]) -> None:
    """Print tables, each under its title."""
    console = _console()
    for table in tables:
        shown = RichTable(title=_text(table.title, "bold"), title_justify="left", box=box.SIMPLE_HEAD)
        for position, column in enumerate(table.columns):
            labels = position < table.labels
            shown.add_column(
                _text(column), justify="left" if labels else "right", no_wrap=position == 0, overflow="fold"
            )
        for row in table.rows:
            shown.add_row(*(_text(one_line(cell)) for cell in row), style="bold" if row[0].startswith("mean") else None)
        console.print(shown)


def _text(text: str, style: str = "") -> Text:
    return Text(visible(text), style)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)
