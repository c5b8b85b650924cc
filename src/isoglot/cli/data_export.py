"""``isoglot data export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import Force, Json, RowsFile, Seed


def export(
    file: RowsFile,
    to: Annotated[str, typer.Option(help="Format: sentence-transformers, flagembedding or beir.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write; for beir a folder.")],
    seed: Seed = 0,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write rows in the format of another tool."""
    import sys
    from json import dumps

    from isoglot.training_data.exporting import export as export_rows
    from isoglot.training_data.loading import training_rows

    rows = training_rows(file)
    written = export_rows(rows, to, output, seed=seed, force=force)
    if json:
        print(dumps({"output": str(written), "rows": len(rows)}, ensure_ascii=False))
    else:
        print(f"{written}: {len(rows)} rows", file=sys.stderr)
