"""``isoglot compare``."""

from __future__ import annotations

from typing import Annotated

import typer

from isoglot.cli.options import Device, Json, OutputFolder, Seed, Trust
from isoglot.files import write_text


def compare(
    audits: Annotated[list[str], typer.Argument(help="Folders with audits, or models; the first is the baseline.")],
    data: Annotated[str | None, typer.Option("--data", help="The source to audit models on.")] = None,
    names: Annotated[str | None, typer.Option(help="What to call them, e.g. before,after.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    output: OutputFolder = None,
    details: Annotated[bool, typer.Option("--details", help="Show every scenario with paired differences.")] = False,
    json: Json = False,
    trust_remote_code: Trust = False,
) -> None:
    """Put audits of the same collection side by side."""
    import isoglot
    from isoglot.cli.options import split
    from isoglot.report.tables import comparison_tables, summary_table
    from isoglot.report.terminal import print_tables

    options = {"seed": seed, "device": device, "trust_remote_code": trust_remote_code, "progress": True}
    comparison = isoglot.compare(*audits, data=data, names=split(names), **options)
    if output is not None:
        write_text(output / "comparison.json", comparison.to_json())
        write_text(output / "comparison.md", comparison.to_markdown())
    if json:
        print(comparison.to_json(), end="")
        return
    summary = summary_table(comparison)
    tables = [summary] if summary.rows else []
    print_tables([*tables, *(comparison_tables(comparison) if details or not tables else [])])
