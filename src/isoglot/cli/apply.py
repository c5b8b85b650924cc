"""``isoglot apply``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import Force, Json
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import expanded


def apply(
    transform: Annotated[Path, typer.Argument(help="Folder of a transform that `isoglot align` wrote.")],
    vectors: Annotated[str, typer.Argument(help="Vectors to change: vectors:DIR.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write the changed vectors to.")],
    force: Force = False,
    json: Json = False,
) -> None:
    """Apply a transform to stored vectors, and write them to a folder of the same form.

    Run it again after an interruption: only missing vectors are written.
    """
    from dataclasses import asdict
    from json import dumps

    from isoglot.scale.applying import apply_transform
    from isoglot.transforms.files import load_transform

    kind, _, folder = vectors.partition(":")
    if kind != "vectors" or not folder:
        raise IsoglotError(f"{vectors}: name the folder of vectors: vectors:DIR")
    source = expanded(folder)
    if not source.is_dir():
        raise IsoglotError(f"{source}: no such folder")
    applied = apply_transform(
        load_transform(transform), source, output, name=transform.name, force=force, show_progress=True
    )
    if json:
        print(dumps(asdict(applied)))
    else:
        counts = " and ".join(f"{count} vectors of {role} texts" for role, count in applied.vectors.items())
        again = f", {applied.kept} of them by an earlier run" if applied.kept else ""
        print(f"{counts} changed{again}")
        print(f"wrote {output}; next: isoglot audit vectors:{output} --data SOURCE")
