"""``isoglot mend``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.options import Json, LanguageField, Seed, VectorField, chosen_fields
from isoglot.platform.errors import IsoglotError

if TYPE_CHECKING:
    from isoglot.alignment.mending import Mended


def mend(
    store: Annotated[
        str,
        typer.Argument(
            help="Index to mend: qdrant:URL/COLLECTION, pgvector:postgresql://HOST/DATABASE/TABLE, "
            "elasticsearch:URL/INDEX, lancedb:FOLDER/TABLE or faiss:FILE."
        ),
    ],
    into: Annotated[
        str | None,
        typer.Option(help="Name of the column, collection, index, table or file to make; default: *_mended."),
    ] = None,
    language_field: LanguageField = None,
    vector_field: VectorField = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Folder to write the transform to, which queries need; default: NAME.transform."
        ),
    ] = None,
    transform: Annotated[
        Path | None, typer.Option(help="Transform that `isoglot align` wrote, used instead of fitting one.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would change, and write nothing.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Remove what an earlier mend made, and nothing else.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write even if the probes fail.")] = False,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Write changed vectors beside those of an index that you have, so that its own search ranks by meaning.

    Nothing is changed in place. Run it again after an interruption to continue. The exit code is 3 if the probes fail:
    nothing is written then.
    """
    from dataclasses import asdict
    from json import dumps

    from isoglot.alignment import mending

    fields = chosen_fields(language_field, vector=vector_field)
    if undo:
        if dry_run or output is not None or transform is not None:
            raise IsoglotError("--undo goes with the store, its fields and --into alone")
        print(f"removed {mending.undo(store, fields, into)}; the transform's folder stays")
        return
    if output is not None and transform is not None:
        raise IsoglotError("--transform is used where it is; -o is for a new one")
    mended = mending.mend(
        store,
        fields,
        into=into,
        output=output,
        transform=transform,
        dry_run=dry_run,
        force=force,
        seed=seed,
        show_progress=True,
    )
    if json:
        print(dumps(asdict(mended)))
    else:
        _print(mended)


def _print(mended: Mended) -> None:
    from isoglot.report.lift import before_after_lift_table
    from isoglot.report.terminal import print_lines, print_tables

    if mended.probes is not None:
        print_tables([before_after_lift_table(mended.probes.lift, mended.probes.kept)])
    lines = []
    if mended.unknown:
        lines.append(
            f"{mended.unknown} documents have no known language in the language field: changed by what all languages "
            "share"
        )
    left = mended.documents - mended.changed
    if mended.written:
        again = f", of which {mended.kept} were there from before" if mended.kept else ""
        lines.append(f"{mended.target_kind} {mended.target} has {mended.changed} changed vectors{again}")
        if left:
            lines.append(f"{left} documents have no vector that can be changed (none, or zeros), or are new")
    else:
        lines.append(f"would write {left} changed vectors to {mended.target_kind} {mended.target}")
    print_lines(lines)
    if mended.written:
        print(
            f"next: search {mended.target_kind} {mended.target} with changed query vectors; "
            f"{mended.transform}/README.md has the code; `--undo` takes it back",
            file=sys.stderr,
        )
    else:
        print("nothing was written; next: the same without --dry-run", file=sys.stderr)
