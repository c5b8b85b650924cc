"""``isoglot apply``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import Force, Json
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import expanded


def apply(
    transform: Annotated[Path, typer.Argument(help="The folder of a transform, which `isoglot align` wrote.")],
    vectors: Annotated[str, typer.Argument(help="vectors:DIR, the vectors to change.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder of the changed vectors.")],
    force: Force = False,
    json: Json = False,
) -> None:
    """Change stored vectors by a transform, into a folder of the same form; a second run does only what is missing."""
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
