"""``isoglot reproduce``."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import Json, Trust
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import cache_dir, write_text

OFF = 5
"""The exit code when a number is off, or a command failed."""


class Set(StrEnum):
    """What can be reproduced."""

    PAPER = "paper"
    METHODS = "methods"


def reproduce(
    what: Annotated[Set, typer.Argument(help="The paper's numbers, or those of isoglot's own documentation.")],
    model: Annotated[list[str] | None, typer.Option(help="Only what is about this model; may be repeated.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this experiment or row; * stands for anything; may be repeated.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Where a collection is if not on the hub: xquad:DIR, belebele:DIR; may be repeated."),
    ] = None,
    rows: Annotated[Path | None, typer.Option(help="Training rows that `isoglot data build mix` made.")] = None,
    work: Annotated[Path | None, typer.Option(help="Where finished audits and models are kept.")] = None,
    output: Annotated[
        list[Path] | None, typer.Option("-o", "--output", help="A page to write: .html or .md; may be repeated.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Show rows and commands, and run nothing.")] = False,
    json: Json = False,
    trust_remote_code: Trust = False,
) -> None:
    """Run what published numbers came from, and show which come out."""
    from isoglot.report.tables import Table, number
    from isoglot.report.terminal import print_lines, print_tables
    from isoglot.reproduction.expected import load_expected
    from isoglot.reproduction.page import Reproduction, terminal_tables, without_audit
    from isoglot.reproduction.running import Runner

    for page in output or []:
        if page.suffix not in (".html", ".md"):
            raise IsoglotError(f"{page}: a page is written to .html or .md; choose such a name")
    if rows is not None and not rows.is_file():
        raise IsoglotError(f"{rows}: no such file")
    expected = load_expected()
    experiments = expected.select(what, model, only)
    if show:
        for experiment in experiments:
            shown = tuple((experiment.row_id(row), number(row.expected)) for row in experiment.rows)
            print_tables([Table(f"{experiment.name}: {experiment.about}", ("row", "expected"), shown, labels=1)])
            print_lines(expected.commands(experiment) or [f"not run: {experiment.not_run}"])
        return
    runner = Runner(expected, work or cache_dir() / "reproduction", _sources(data or []), rows, trust_remote_code)
    outcomes = []
    for place, experiment in enumerate(experiments, start=1):
        print(f"{place}/{len(experiments)} {experiment.name}", file=sys.stderr, flush=True)
        outcomes.append(runner.run(experiment))
    found = Reproduction(what, expected, outcomes)
    for page in output or []:
        write_text(page, found.to_html() if page.suffix == ".html" else found.to_markdown())
    if json:
        print(found.to_json(), end="")
    else:
        print_tables(terminal_tables(outcomes))
        print_lines([*without_audit(outcomes), *(f"Note: {note}" for note in found.notes()), found.summary])
    for page in output or []:
        print(f"wrote {page}", file=sys.stderr)
    if not found.reproduced:
        raise typer.Exit(OFF)


def _sources(data: list[str]) -> dict[str, str]:
    """``["xquad:DIR"]`` as ``{"xquad": "xquad:/absolute/DIR"}``."""
    from isoglot.corpora.sources import SOURCES

    found = {}
    for spec in data:
        name, _, folder = spec.partition(":")
        if name not in SOURCES or not folder:
            raise IsoglotError(f"--data {spec}: write xquad:DIR or belebele:DIR")
        path = Path(folder).expanduser().resolve()
        if not path.is_dir():
            raise IsoglotError(f"{folder}: no such folder (from --data {spec})")
        found[name] = f"{name}:{path}"
    return found
