"""``isoglot data export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import Force, RowsFile, Seed


def export(
    file: RowsFile,
    to: Annotated[str, typer.Option(help="sentence-transformers, flagembedding or beir.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file or, for beir, folder to write.")],
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Write rows as other tools take them."""
    import sys

    from isoglot.rows.exporting import export as export_rows
    from isoglot.rows.loading import training_rows

    rows = training_rows(file)
    print(f"{export_rows(rows, to, output, seed=seed, force=force)}: {len(rows)} rows", file=sys.stderr)
