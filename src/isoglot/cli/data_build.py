"""``isoglot data build``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import Against, Force, Json, RowsOutput, Seed, Strict, split


def build(
    name: Annotated[
        str, typer.Argument(help="mix, or an origin (see `isoglot data origins`), also as miracl:DIR or mmarco:DIR.")
    ],
    output: RowsOutput = Path("rows.jsonl"),
    languages: Annotated[
        str | None, typer.Option(help="Languages besides English, e.g. de,zh; all if not named.")
    ] = None,
    size: Annotated[int, typer.Option(min=1, help="Largest number of rows.")] = 2800,
    per_row: Annotated[int, typer.Option(min=1, help="Largest number of languages in a row besides English.")] = 8,
    without: Annotated[str | None, typer.Option(help="Origins to leave out of mix, e.g. mini.")] = None,
    against: Against = None,
    strict: Strict = False,
    seed: Seed = 0,
    force: Force = False,
    json: Json = False,
) -> None:
    """Build training rows, most of them out of packages that people translated, and check every cell."""
    from isoglot.platform.errors import IsoglotError
    from isoglot.report.rows import build_tables
    from isoglot.report.terminal import print_tables
    from isoglot.training_data.building import build as build_rows

    if output.exists() and not force:
        raise IsoglotError(f"{output}: exists already; choose another name or pass --force")
    report = build_rows(
        name,
        output,
        languages=split(languages),
        size=size,
        per_row=per_row,
        seed=seed,
        against=against or [],
        without=split(without) or [],
        strict=strict,
    )
    if json:
        print(report.to_json(), end="")
    else:
        print_tables(build_tables(report))
        print(f"{output}: {report.rows} rows; next: isoglot align MODEL --method distill --data {output} -o aligned")
