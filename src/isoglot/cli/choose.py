"""``isoglot choose``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import Device, Json, OutputFolder, Seed, Trust, split


def choose(
    models: Annotated[
        list[str], typer.Argument(help="Models to try, as `isoglot audit` takes them; bm25 is always added.")
    ],
    data: Annotated[
        str, typer.Option("--data", help="Collection (mini@test, xquad:DIR, folder:DIR), or a corpus without labels.")
    ],
    queries: Annotated[
        Path | None, typer.Option(help="Questions that people asked of the corpus; default: spans of its documents.")
    ] = None,
    pool: Annotated[list[str] | None, typer.Option(help="Languages of a pool, e.g. en,zh; may be repeated.")] = None,
    limit: Annotated[int | None, typer.Option(help="Largest number of questions to ask; default: all.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    output: OutputFolder = None,
    json: Json = False,
    trust_remote_code: Trust = False,
) -> None:
    """Try several models on your data, each as it is, scaled and calibrated, and recommend one.

    With -o, finished audits are kept there, and an interrupted run continues.
    """
    from isoglot.choosing.report import choice_lines, choice_tables, choice_to_html, choice_to_markdown
    from isoglot.choosing.run import choose as choose_model
    from isoglot.platform.files import write_text
    from isoglot.report.terminal import print_lines, print_tables

    choice = choose_model(
        models,
        data,
        queries=queries,
        pools=[split(languages) or [] for languages in pool] if pool else None,
        limit=limit,
        seed=seed,
        device=device,
        trust_remote_code=trust_remote_code,
        output=output,
        show_progress=True,
    )
    if output is not None:
        write_text(output / "choice.json", choice.to_json())
        write_text(output / "choice.md", choice_to_markdown(choice))
        write_text(output / "choice.html", choice_to_html(choice, shlex.join(["isoglot", *sys.argv[1:]])))
    if json:
        print(choice.to_json(), end="")
    else:
        print_tables(choice_tables(choice))
        print_lines(choice_lines(choice))
    if output is not None:
        print(f"wrote {output}/choice.html, choice.md and choice.json", file=sys.stderr)
