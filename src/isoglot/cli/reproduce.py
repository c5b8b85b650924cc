"""``isoglot reproduce``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.options import Json, Trust
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import cache_dir, expanded, write_text

if TYPE_CHECKING:
    from isoglot.reproduction.expected import Expected, Experiment
    from isoglot.reproduction.page import Reproduction

OFF = 5
"""Exit code where a number is off or a command failed."""


class Set(StrEnum):
    """The sets of numbers that can be reproduced."""

    PAPER = "paper"
    METHODS = "methods"


def reproduce(
    what: Annotated[Set, typer.Argument(help="Numbers to reproduce: the paper's, or those of isoglot's methods.")],
    model: Annotated[
        list[str] | None, typer.Option(help="Model whose numbers are run; may be repeated; default: all.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Experiment or number to run, where * stands for anything; may be repeated; default: all."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder of a collection, as xquad:DIR or belebele:DIR; may be repeated; default: read from the hub."
        ),
    ] = None,
    rows: Annotated[
        Path | None, typer.Option(help="Training rows made by `isoglot data build mix --without mini`.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Folder for finished audits and models; default: in the cache.")
    ] = None,
    output: Annotated[
        list[Path] | None, typer.Option("-o", "--output", help="Page to write: .html or .md; may be repeated.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="List the numbers and commands, and run nothing.")] = False,
    json: Json = False,
    trust_remote_code: Trust = False,
) -> None:
    """Run the commands behind published numbers, and report which numbers come out again.

    The exit code is 5 if a number differs or a command fails.
    """
    from isoglot.reproduction.expected import load_expected
    from isoglot.reproduction.page import Reproduction
    from isoglot.reproduction.running import Runner

    pages = output or []
    for page in pages:
        if page.suffix not in (".html", ".md"):
            raise IsoglotError(f"{page}: a page is written to .html or .md; choose such a name")
    if rows is not None and not rows.is_file():
        raise IsoglotError(f"{rows}: no such file")
    expected = load_expected()
    experiments = expected.select(what, model, only)
    if show:
        _print_experiments(expected, experiments)
        return
    runner = Runner(
        expected=expected,
        work=work or cache_dir() / "reproduction",
        sources=_sources(data or []),
        rows=rows,
        trust_remote_code=trust_remote_code,
    )
    results = []
    for place, experiment in enumerate(experiments, start=1):
        print(f"{place}/{len(experiments)} {experiment.name}", file=sys.stderr, flush=True)
        results.append(runner.run(experiment))
    reproduction = Reproduction(what, expected, results)
    for page in pages:
        write_text(page, reproduction.to_html() if page.suffix == ".html" else reproduction.to_markdown())
    if json:
        print(reproduction.to_json(), end="")
    else:
        _print_reproduction(reproduction)
    for page in pages:
        print(f"wrote {page}", file=sys.stderr)
    if not reproduction.reproduced:
        raise typer.Exit(OFF)


def _print_experiments(expected: Expected, experiments: Sequence[Experiment]) -> None:
    from isoglot.report.tables import Table, number
    from isoglot.report.terminal import print_lines, print_tables

    for experiment in experiments:
        rows = tuple((experiment.number_id(each), number(each.expected)) for each in experiment.numbers)
        print_tables([Table(f"{experiment.name}: {experiment.about}", ("number", "expected"), rows, labels=1)])
        print_lines(expected.commands(experiment) or [f"not run: {experiment.not_run}"])


def _print_reproduction(reproduction: Reproduction) -> None:
    from isoglot.report.terminal import print_lines, print_tables
    from isoglot.reproduction.page import lines_without_audit, terminal_tables

    print_tables(terminal_tables(reproduction.results))
    notes = [f"Note: {note}" for note in reproduction.notes()]
    print_lines([*lines_without_audit(reproduction.results), *notes, reproduction.summary])


def _sources(data: Sequence[str]) -> dict[str, str]:
    """Turn ``["xquad:DIR"]`` into ``{"xquad": "xquad:/absolute/DIR"}``."""
    from isoglot.corpora.sources import SOURCES

    sources = {}
    for spec in data:
        name, _, folder = spec.partition(":")
        if name not in SOURCES or not folder:
            raise IsoglotError(f"--data {spec}: write xquad:DIR or belebele:DIR")
        path = expanded(folder).resolve()
        if not path.is_dir():
            raise IsoglotError(f"{folder}: no such folder (from --data {spec})")
        sources[name] = f"{name}:{path}"
    return sources
