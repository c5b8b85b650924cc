"""The command line: one thin file a command; errors in one line, exit code 2."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from isoglot.cli import (
    align,
    audit,
    compare,
    data,
    doctor,
    encode,
    export,
    index,
    models,
    report,
    reproduce,
    search,
    serve,
    sources,
)
from isoglot.platform.errors import IsoglotError


class _PlainGroup(TyperGroup):
    """Its own help is plain: loading rich takes as long as all else of ``isoglot --help`` together."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.rich_markup_mode = None
        super().format_help(ctx, formatter)


app = typer.Typer(
    cls=_PlainGroup,
    help="Find out whether a multilingual retriever ranks by meaning or by language, and make it rank by meaning.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    audit,
    align,
    compare,
    report,
    reproduce,
    sources,
    models,
    encode,
    index,
    search,
    export,
    serve,
    doctor,
):
    app.command()(getattr(command, command.__name__.rsplit(".", 1)[-1]))
app.add_typer(data.app, name="data")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit; a user's mistake is one line on standard error and exit code 2.

    Args:
        argv: Command and options, without the program's name; None: those of this process.

    Raises:
        SystemExit: Always, with the exit code.
    """
    logging.basicConfig(format="isoglot: %(message)s", stream=sys.stderr, force=True)
    logging.getLogger("isoglot").setLevel(logging.INFO)
    try:
        app(argv)
    except IsoglotError as error:
        print(f"isoglot: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("isoglot: interrupted; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
