"""``isoglot data stats``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import Json, RowsFile


def stats(
    file: RowsFile,
    plot: Annotated[Path | None, typer.Option(help="File to write a plot to: .html, .svg or .png.")] = None,
    json: Json = False,
) -> None:
    """Count the rows, languages, lengths, sources and licences of a file of rows, and plot them."""
    from dataclasses import asdict
    from json import dumps

    from isoglot.report.rows import statistics_tables
    from isoglot.report.terminal import print_lines, print_tables
    from isoglot.training_data.loading import training_rows
    from isoglot.training_data.statistics import save_plot, statistics_of

    statistics = statistics_of(training_rows(file))
    if json:
        print(dumps(asdict(statistics), ensure_ascii=False))
    else:
        print_tables(statistics_tables(statistics))
    if plot is not None:
        save_plot(statistics, plot)
        if not json:
            print_lines([f"{plot}: the plot"])
