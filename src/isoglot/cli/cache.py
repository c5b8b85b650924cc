"""``isoglot cache``."""

from __future__ import annotations

from typing import Annotated

import typer

from isoglot.cli.options import Json


def cache(
    model: Annotated[
        str | None,
        typer.Option(
            "-m", "--model", help="Model whose vectors are shown or removed, by the name shown; default: all."
        ),
    ] = None,
    older_than: Annotated[
        float | None, typer.Option(help="Remove vectors that were not used for this many days.", min=0)
    ] = None,
    max_size: Annotated[
        float | None,
        typer.Option(help="Remove the least recently used vectors until at most this many GiB are left.", min=0),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all kept vectors.")] = False,
    json: Json = False,
) -> None:
    """Show the vectors that are kept between runs, by model, or remove some; they are encoded again when needed."""
    from dataclasses import asdict
    from datetime import datetime
    from json import dumps

    from isoglot.encoders.cache import vectors_folder
    from isoglot.encoders.kept import kept_vectors, other_folders, remove, to_prune
    from isoglot.platform.errors import IsoglotError
    from isoglot.report.tables import Table
    from isoglot.report.terminal import print_lines, print_tables

    if clear and (older_than is not None or max_size is not None):
        raise IsoglotError("--clear removes everything; leave out --older-than and --max-size")
    kept = kept_vectors()
    max_bytes = 0 if clear else None if max_size is None else max_size * 2**30
    removed = to_prune(kept, model=model, days=older_than, max_bytes=max_bytes)
    remove(removed)
    left = [entry for entry in kept if entry not in removed and (model is None or model in entry.models)]
    if json:
        records = [{**asdict(entry), "path": str(entry.path)} for entry in left]
        freed = sum(entry.size for entry in removed)
        print(dumps({"kept": records, "removed": len(removed), "removed_bytes": freed}, indent=1, ensure_ascii=False))
        return
    if left:
        rows = tuple(
            (
                ", ".join(entry.models) or ("cannot be read" if entry.texts is None else "unknown (older isoglot)"),
                entry.role,
                "" if entry.texts is None else f"{entry.texts:,}",
                f"{entry.size / 2**20:.1f}",
                datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d"),
            )
            for entry in left
        )
        print_tables([Table("Kept vectors", ("model", "role", "texts", "MiB", "last used"), rows, labels=2)])
    print_lines([f"{sum(entry.size for entry in left) / 2**20:.1f} MiB in {len(left)} files in {vectors_folder()}"])
    print_lines([f"{size / 2**20:.1f} MiB in {name}" for name, size in other_folders().items()])
    if removed:
        print_lines([f"removed {sum(entry.size for entry in removed) / 2**20:.1f} MiB in {len(removed)} files"])
