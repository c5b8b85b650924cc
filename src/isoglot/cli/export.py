"""``isoglot export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import Force


def export(
    index: Annotated[str, typer.Argument(help="Index that `isoglot index` made.")],
    to: Annotated[str, typer.Option(help="Engine: qdrant, pgvector, elasticsearch, opensearch or faiss.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")],
    model: Annotated[
        str | None,
        typer.Option("-m", "--model", help="Model whose vectors are written; default: the first one of the index."),
    ] = None,
    force: Force = False,
) -> None:
    """Export the passages and vectors of an index for another search engine."""
    from isoglot.indexing.exporting import export_index
    from isoglot.indexing.store import Index
    from isoglot.report.terminal import print_lines

    steps = export_index(Index(index), to, output, model=model, force=force, show_progress=True)
    print_lines([f"wrote {output}", *(f"  {step}" for step in steps)])
