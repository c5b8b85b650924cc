"""The command line: one thin file a command, and how errors end it."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from isoglot.cli import (
    align,
    apply,
    audit,
    cache,
    choose,
    compare,
    data,
    doctor,
    encode,
    export,
    index,
    mend,
    models,
    push,
    report,
    reproduce,
    search,
    serve,
    sources,
)
from isoglot.platform.errors import IsoglotError, first_line
from isoglot.platform.text import VisibleStream, one_line
from isoglot.platform.version import __version__

BUG = 70
"""EX_SOFTWARE of sysexits.h."""
INTERRUPTED = 130
CLOSED_PIPE = 141
"""What a shell reports of a process that SIGPIPE ended; Python turns the signal into an exception."""


@dataclass
class Invocation:
    """How a command was called, beside its own options.

    Attributes:
        debug: Whether errors are shown with the chain of their causes.
    """

    debug: bool = False


class _EndedError(Exception):
    """Carries Ctrl-C and a closed pipe past typer, which would end the process without a word."""


def _note_debug(context: typer.Context, debug: bool) -> None:
    context.ensure_object(Invocation).debug |= debug


def _debug_option() -> Any:
    """Return the option that every command and group has; a command of its own is typer's only way to make one."""
    probe = typer.Typer(add_completion=False)

    @probe.command()
    def command(
        debug: Annotated[
            bool,
            typer.Option(
                "--debug",
                callback=_note_debug,
                expose_value=False,
                is_eager=True,
                help="Show the chain of causes of an error, as ISOGLOT_DEBUG=1 does.",
            ),
        ] = False,
    ) -> None: ...

    return typer.main.get_command(probe).params[0]


def _add_option(command: Any, option: Any) -> None:
    command.params.append(option)
    for subcommand in getattr(command, "commands", {}).values():
        _add_option(subcommand, option)


class _RootGroup(TyperGroup):
    """The group of all commands: ``--debug`` may stand before and after any of them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        _add_option(self, _debug_option())

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.rich_markup_mode = None  # loading rich takes as long as all else of ``isoglot --help`` together
        super().format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, BrokenPipeError) as error:
            raise _EndedError from error


app = typer.Typer(
    cls=_RootGroup,
    help="Find out whether a multilingual retriever ranks by meaning or by language, and make it rank by meaning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    audit,
    align,
    apply,
    mend,
    push,
    compare,
    choose,
    report,
    reproduce,
    sources,
    models,
    encode,
    index,
    search,
    export,
    serve,
    cache,
    doctor,
):
    app.command()(getattr(command, command.__name__.rsplit(".", 1)[-1]))
app.add_typer(data.app, name="data")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"isoglot {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            expose_value=False,
            is_eager=True,
            help="Print the version of isoglot and exit.",
        ),
    ] = False,
) -> None: ...


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    A user's mistake is one line on standard error and exit code 2. Any other exception is a bug: two lines say so, and
    the exit code is 70. With ``--debug`` or ``ISOGLOT_DEBUG=1`` the chain of causes comes first.

    Args:
        argv: Command and options, without the program's name; None: those of this process.

    Raises:
        SystemExit: Always, with the exit code.
    """
    _prepare_streams()
    with redirect_stdout(VisibleStream(sys.stdout)), redirect_stderr(VisibleStream(sys.stderr)):
        code = _run(argv)
    raise SystemExit(code)


def _run(argv: Sequence[str] | None) -> object:
    """Run the command line and return the exit code."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLineFormatter("isoglot: %(message)s"))
    logging.basicConfig(handlers=[handler], force=True)
    logging.getLogger("isoglot").setLevel(logging.INFO)
    invocation = Invocation(debug=os.environ.get("ISOGLOT_DEBUG", "") not in ("", "0"))
    try:
        app(argv, prog_name="isoglot", obj=invocation)  # also by `python -m isoglot`, whose name suits no shell
        code: object = 0
    except SystemExit as exit:
        code = exit.code
    except _EndedError as ended:
        code = _reported(ended.__cause__ or ended, invocation.debug)
    except (Exception, KeyboardInterrupt) as error:
        code = _reported(error, invocation.debug)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = CLOSED_PIPE
    if code == CLOSED_PIPE:
        _discard_output()
    return code


class _OneLineFormatter(logging.Formatter):
    """Shows a message of isoglot's as one line, whatever names are in it; those of libraries may have several."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        message = super().formatMessage(record)
        return one_line(message) if record.name.partition(".")[0] == "isoglot" else message


def _reported(error: BaseException, debug: bool) -> int:
    """Say on standard error what has ended a command, and return the exit code."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, BrokenPipeError):
        return CLOSED_PIPE
    if isinstance(error, KeyboardInterrupt):
        print("isoglot: interrupted; run the same command again to go on", file=sys.stderr)
        return INTERRUPTED
    if isinstance(error, IsoglotError):
        print(f"isoglot: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    url = _issues_url()
    what = f"{type(error).__name__}: {first_line(error)}" if str(error).strip() else type(error).__name__
    attached = "these lines" if debug else "the output of the same command with --debug"
    print(f"isoglot: {what}", file=sys.stderr)
    print(
        f"isoglot: this is a bug in isoglot; please report it{f' at {url}' if url else ''} with {attached}",
        file=sys.stderr,
    )
    return BUG


def _issues_url() -> str | None:
    """Return the address for reports among the project's URLs; None where its metadata has none."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        urls = dict(entry.split(", ", 1) for entry in metadata("isoglot").get_all("Project-URL") or [])
    except PackageNotFoundError:
        return None
    return next((url for label, url in urls.items() if label.casefold() in ("issues", "bug tracker", "tracker")), None)


def _prepare_streams() -> None:
    """Let texts in any language be printed: in UTF-8 into files and pipes of Windows, and nowhere with an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            redirected = sys.platform == "win32" and not stream.isatty()
            with suppress(OSError):  # a file behind which something else was put since Python opened it
                stream.reconfigure(encoding="utf-8" if redirected else None, errors="backslashreplace")


def _discard_output() -> None:
    """Send what is still to be printed nowhere: at exit Python would complain that nobody reads it."""
    with suppress(OSError, ValueError):  # a test's output is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
