"""``isoglot push``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.options import Json

if TYPE_CHECKING:
    from isoglot.alignment.publishing import Publication


def push(
    folder: Annotated[Path, typer.Argument(help="The folder of a model that `isoglot align` made.")],
    name: Annotated[
        str, typer.Argument(help="The name on the hub: OWNER/NAME, or NAME for a model of the token's user.")
    ],
    audit: Annotated[
        list[Path] | None,
        typer.Option(help="A folder with an audit of the model; the card shows its results. May be repeated."),
    ] = None,
    private: Annotated[
        bool | None,
        typer.Option(
            "--private/--public",
            help="Who sees a new repository. If not named, your account's settings decide, and everyone sees it unless "
            "you changed them. An existing repository stays as it is.",
        ),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="The branch to send to; it is made if there is none. Default: the main branch.")
    ] = None,
    message: Annotated[str | None, typer.Option("-m", "--message", help="The message of the commit.")] = None,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead of changing it.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the files and the card's metadata, and send nothing.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Push a model that isoglot did not make, or one that the guard failed."),
    ] = False,
    json: Json = False,
) -> None:
    """Send an aligned model to the Hugging Face hub, with a card that names its results.

    The token is that of huggingface_hub: HF_TOKEN, or what `hf auth login` stored. After an interruption run the same
    command again: what has arrived is not sent again. The last line is the address.
    """
    import dataclasses

    from isoglot.alignment.publishing import prepare_publication, publish
    from isoglot.evaluation.results import json_text

    publication = prepare_publication(folder, name, audits=audit or [], force=force)
    described = {
        "name": name,
        "files": [{"path": path, "bytes": size} for path, size in publication.sizes.items()],
        "metadata": publication.metadata,
    }
    if dry_run:
        if json:
            print(json_text(described), end="")
        else:
            _print_publication(publication)
        return
    published = publish(
        publication, private=private, revision=revision, message=message, create_pr=create_pr, show_progress=True
    )
    if json:
        print(json_text(described | dataclasses.asdict(published)), end="")
        return
    seen = "only its owner sees it" if published.private else "everyone sees it"
    next_step = "" if revision or create_pr else f"; next: isoglot audit {published.name} --data ..."
    print(f"{published.name}: sent, {seen}{next_step}", file=sys.stderr)
    print(published.address)


def _print_publication(publication: Publication) -> None:
    """Print files with their sizes, and the metadata with a count in place of the results."""
    from huggingface_hub.utils import yaml_dump

    from isoglot.platform.text import visible
    from isoglot.report.tables import Table
    from isoglot.report.terminal import print_tables

    sizes = publication.sizes
    rows = [(path, f"{size:,}") for path, size in (*sizes.items(), ("all", sum(sizes.values())))]
    print_tables([Table(f"Files of {publication.name}", ("file", "bytes"), tuple(rows), labels=1)])
    metadata = dict(publication.metadata)
    results = metadata.pop("model-index", [])
    count = sum(len(entry["metrics"]) for model in results for entry in model["results"])
    print(visible(yaml_dump(metadata, sort_keys=False)) + f"model-index: {count} results")
    print("nothing was sent", file=sys.stderr)
