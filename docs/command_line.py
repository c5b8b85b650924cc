"""Writes docs/reference/command-line.md from the commands themselves: ``python docs/command_line.py``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from isoglot.cli import app

PAGE = Path(__file__).parent / "reference" / "command-line.md"

SHARED_BY = 4
"""The number of commands from which on an option is described once, under "Common options"."""

HOW_TO = {
    "audit": ("own-model", "api", "stress"),
    "align": ("corpus-without-labels", "vectors", "train"),
    "apply": ("vectors",),
    "mend": ("your-index",),
    "compare": ("own-model", "ci"),
    "choose": ("choose-a-model",),
    "report": ("report",),
    "reproduce": ("reproduce",),
    "sources": ("own-model",),
    "encode": ("cluster",),
    "index": ("search",),
    "search": ("search",),
    "export": ("search", "scaled-search"),
    "serve": ("search",),
    "push": ("publish",),
    "data build": ("training-rows",),
    "data check": ("training-rows",),
    "data stats": ("training-rows",),
    "data translate": ("training-rows",),
    "data generate": ("training-rows",),
    "data export": ("training-rows",),
}
"""Command -> the how-to guides that show it."""

EXIT_CODES = {
    "align": {3: "the result lost more than `--max-loss`; it is kept as `OUTPUT.lossy`"},
    "mend": {3: "the probes failed; nothing was written"},
    "index": {3: "the calibrated vectors lost too much; they were not stored"},
    "compare": {4: "a condition of `--fail-if` holds"},
    "reproduce": {5: "a number differs, or a command failed"},
    "doctor": {1: "a check failed"},
}
"""Command -> the exit codes that it has besides those of all commands."""

HEAD = """\
# Command line

<!-- Written by `python docs/command_line.py`; the tests compare it with the commands. -->

`isoglot COMMAND --help` prints the same texts. `python -m isoglot` stands for `isoglot` where the script is not on the
path. All commands end with an exit code of [Errors and exit codes](errors.md); codes that only one command has are
listed with it.

A model or another retriever is named as in [Retrievers](retrievers.md), a collection as in
[Collections](collections.md). Lists are written with commas and without spaces: `--pool en,zh`.
"""

COMMON = """\
## Common options

These options mean the same in every command that has them. Each command lists them in one line.
"""


def page() -> str:
    """Return the text of the page."""
    commands = dict(leaves(typer.main.get_command(app)))
    seen = Counter(row for command in commands.values() for row in map(option_row, options(command)))
    common = [row for row, count in seen.items() if count >= SHARED_BY]
    sections = [section(name, command, common) for name, command in commands.items()]
    overview = table(
        ("command", "what it does"),
        [(f"[`{name}`](#{anchor(name)})", first_line(command)) for name, command in commands.items()],
    )
    return "\n".join([HEAD, overview, COMMON, table(COLUMNS, sorted(common, key=flag_of)), *sections])


COLUMNS = ("option", "value", "default", "what it is")


def leaves(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the name and the command of every command, those of groups included."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def section(name: str, command: Any, common: Sequence[tuple[str, ...]]) -> str:
    """The section of one command."""
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    usage = " ".join(["isoglot", name, *map(placeholder, arguments), "[OPTIONS]"])
    parts = [f"## isoglot {name}", "", f"```text\n{usage}\n```", "", *paragraphs(command.help)]
    if arguments:
        rows = [(f"`{argument.name.upper()}`", required(argument), escaped(argument.help)) for argument in arguments]
        parts += [table(("argument", "presence", "what it is"), rows)]
    panels: dict[str, list[tuple[str, ...]]] = {}
    for option in options(command):
        if (row := option_row(option)) not in common:
            panels.setdefault(option.rich_help_panel or "", []).append(row)
    for panel, rows in panels.items():
        parts += [f"**{panel}**", ""] if panel else []
        parts += [table(COLUMNS, rows)]
    if shared := [row[0] for row in map(option_row, options(command)) if row in common]:
        parts += [f"Common options: {', '.join(shared)}.", ""]
    if codes := EXIT_CODES.get(name):
        parts += [*(f"Exit code {code}: {what}." for code, what in codes.items()), ""]
    if pages := HOW_TO.get(name):
        parts += ["How-to: " + ", ".join(f"[{title_of(page)}](../how-to/{page}.md)" for page in pages) + ".", ""]
    return "\n".join(parts)


def options(command: Any) -> list[Any]:
    """The options of a command, but ``--help``."""
    return [parameter for parameter in command.params if parameter.param_type_name == "option" and not parameter.hidden]


def option_row(option: Any) -> tuple[str, ...]:
    """What the table says of an option: its names, its value, its default and its help."""
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else f"`{value_of(option)}`"
    default = "required" if option.required else default_of(option)
    return names, value, default, escaped(option.help)


def value_of(parameter: Any) -> str:
    """The kind of value that a parameter takes."""
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(member.value for member in kind)
    return {int: "INTEGER", float: "NUMBER", Path: "PATH"}.get(kind, "TEXT")


def default_of(option: Any) -> str:
    """The default of an option, as code; nothing where the help says it."""
    value = option.default.value if isinstance(option.default, Enum) else option.default
    return "" if option.is_flag or value is None else f"`{value}`"


def placeholder(argument: Any) -> str:
    """How the usage line shows an argument."""
    name = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def required(argument: Any) -> str:
    """Whether an argument must be given, in a word."""
    return "required" if argument.required else "optional"


def paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a command's help, with an empty line behind each."""
    for paragraph in text.split("\n\n"):
        yield " ".join(paragraph.split())
        yield ""


def first_line(command: Any) -> str:
    """The first paragraph of a command's help."""
    return escaped(" ".join(command.help.split("\n\n")[0].split()))


def title_of(page: str) -> str:
    """The title that a how-to guide has in the navigation of mkdocs.yml."""
    lines = (PAGE.parents[2] / "mkdocs.yml").read_text(encoding="utf-8").splitlines()
    return next(line.strip("- ").split(":")[0].strip() for line in lines if line.endswith(f": how-to/{page}.md"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, with an empty line behind it."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def escaped(text: str) -> str:
    """Text of a help in a cell of a table."""
    return text.replace("|", "\\|").replace("*_", "\\*_").replace("<", "&lt;")


def flag_of(row: Sequence[str]) -> str:
    """The long name of an option, by which the common options are sorted."""
    return row[0].replace("`", "").split(", ")[-1]


def anchor(name: str) -> str:
    """The anchor of a command's section."""
    return f"isoglot-{name.replace(' ', '-')}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
