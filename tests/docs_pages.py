"""Pages of the documentation, run as a reader types them: block after block, in an empty folder.

    python -m tests.docs_pages docs/tutorial.md ...     # run the pages and write what was printed into them

- A ``bash`` block is commands. Those that begin with ``isoglot`` run in this process, others in bash.
- A ``python`` block runs as in one interpreter for the whole page.
- A block whose title is ``Output`` is what the block before it printed, standard error included. A line ``...`` stands
  for any lines, ``...`` within a line for any text. Numbers may differ by a little, times and speeds by anything.
- Any other block with a title is a file of that name, and is written.
- The name of a file between two lines ``--8<--`` stands for its text, as on the site.
- ``<!-- not run: reason -->`` before a block says why the tests cannot run it.
- ``<!-- exit code: 4 -->`` before a block says how its last command ends; without it every command must succeed.

The head of a page names the servers that it needs (``services: [openai]``); `tests.docs_services` starts them.
"""

from __future__ import annotations

import ast
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).parents[1] / "docs"
OUTPUT = "Output"
FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>\w*)(?P<attributes>[^\n]*)\n(?P<text>.*?)^(?P=indent)(?P=fence)$",
    re.M | re.S,
)
NOT_RUN = re.compile(r"<!-- not run: ((?:(?!-->).)+?) -->\s*\Z", re.S)
EXIT_CODE = re.compile(r"<!-- exit code: (\d+) -->\s*\Z")
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?")
UNSTEADY = re.compile(
    r"\d[\d,.]* ?(?:s|ms|MiB|GiB|MB|minutes?|seconds?|(?:texts|tokens|documents)/s)\b|[\d.]+(?= documents a second)"
)
PROGRESS = re.compile(r".+ing\b.*: (?:[\d,]+/[\d,]+| *\d+%\|.*)")
SNIPPET = re.compile(r"^--8<--\n(.+)\n--8<--$", re.M)
WIDTH = "100"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        language: Its language, such as ``bash``.
        title: Its title, or an empty text.
        text: Its content, without the page's indentation.
        span: Where its content lies in the page.
        line: The line of its content's beginning, counted from 1.
        indent: What stands before each of its lines.
        reason: Why it is not run; None: it is.
        code: How its last command ends.
    """

    language: str
    title: str
    text: str
    span: tuple[int, int]
    line: int
    indent: str
    reason: str | None
    code: int


@dataclass
class Run:
    """A page that is being run.

    Attributes:
        page: The page.
        replaced: Text in commands -> what stands for it here, such as the address of a server.
        printed: What the last block printed.
        names: The names of the page's Python blocks.
        outputs: Pairs of an output block and what was printed.
    """

    page: Path
    replaced: Mapping[str, str] = field(default_factory=dict)
    printed: str = ""
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    outputs: list[tuple[Block, str]] = field(default_factory=list)

    def block(self, block: Block) -> None:
        """Run a block, or note what was printed where the block says what it should be."""
        if block.title == OUTPUT:
            self.outputs.append((block, self.printed))
        elif block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(self._here(block.text), encoding="utf-8")
        elif block.language == "bash":
            *before, last = commands(block.text)
            self.printed = "".join(self._command(command, block) for command in before)
            self.printed += self._command(last, block, block.code)
        elif block.language == "python":
            self.printed = self._python(block)

    def _here(self, text: str) -> str:
        for written, here in self.replaced.items():
            text = text.replace(written, here)
        return text

    def _command(self, command: str, block: Block, expected: int = 0) -> str:
        line = self._here(command)
        words = shlex.split(line, comments=True)
        if words[0] == "pip":
            return installed(words)
        if words[0] == "isoglot" and not set("|><;&$`*") & set(re.sub(r"'[^']*'", "", line)):
            printed, code = in_this_process(words[1:])
        else:
            done = subprocess.run(
                ["bash", "-c", with_isoglot(line)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=shell(),
            )
            printed, code = done.stdout, done.returncode
        assert code == expected, f"{self.page}:{block.line}: exit code {code}\n$ {command}\n{printed}"
        return printed

    def _python(self, block: Block) -> str:
        output = io.StringIO()
        code = compile(self._here(block.text), f"{self.page.name}:{block.line}", "exec")
        with redirect_stdout(output), redirect_stderr(output):
            exec(code, self.names)
        return output.getvalue()


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page."""
    found = []
    for match in FENCE.finditer(text):
        before = text[: match.start()]
        title = re.search(r'title="([^"]*)"', match["attributes"])
        reason, code = NOT_RUN.search(before), EXIT_CODE.search(before)
        indent = match["indent"]
        content = "\n".join(line.removeprefix(indent) for line in match["text"].split("\n"))
        content = SNIPPET.sub(lambda named: (DOCS.parent / named[1]).read_text(encoding="utf-8").rstrip(), content)
        found.append(
            Block(
                language=match["language"],
                title=title[1] if title else "",
                text=content,
                span=match.span("text"),
                line=text.count("\n", 0, match.start("text")) + 1,
                indent=indent,
                reason=" ".join(reason[1].split()) if reason else None,
                code=int(code[1]) if code else 0,
            )
        )
    return found


def commands(text: str) -> list[str]:
    """The commands of a bash block: lines, joined where one ends in a backslash or opens a here-document."""
    joined = re.sub(r"\\\n", " ", text)
    if "<<" in joined:
        return [joined]
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def installed(words: list[str]) -> str:
    """Check that what a page installs of isoglot exists."""
    extras = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for word in words[2:]:
        named = re.fullmatch(r"isoglot\[(.+)\]", word)
        assert not named or set(named[1].split(",")) <= set(extras), f"{word}: there is no such extra"
    return ""


def in_this_process(arguments: list[str]) -> tuple[str, int]:
    """What ``isoglot ARGUMENTS`` prints, and its exit code."""
    from tests.command_line import isoglot

    done = isoglot(*arguments, environment={"COLUMNS": WIDTH}, together=True)
    return done.stdout, done.returncode


def with_isoglot(line: str) -> str:
    """The command, in which ``isoglot`` is that of this Python."""
    python = shlex.quote(sys.executable)
    return f'isoglot() {{ {python} -m isoglot "$@"; }}; python() {{ {python} "$@"; }}; set -o pipefail; {line}'


def shell() -> dict[str, str]:
    return {**os.environ, "COLUMNS": WIDTH, "HF_HUB_OFFLINE": "1"}


def services(text: str) -> list[str]:
    """The servers that the head of a page names; the README has a comment in place of a head."""
    match = re.match(r"---\n(.*?)^---\n", text, re.M | re.S) or re.match(r"<!-- (services: .*) -->\n", text)
    return list((yaml.safe_load(match[1]) or {}).get("services", [])) if match else []


def run(page: Path, folder: Path) -> list[tuple[Block, str]]:
    """Run a page in an empty folder; return its output blocks with what was printed."""
    from tests.docs_services import serving

    text = page.read_text(encoding="utf-8")
    with chdir(folder), serving(services(text)) as replaced:
        state = Run(page, replaced)
        for block in blocks(text):
            if block.reason is None:
                state.block(block)
    here = {value: key for key, value in replaced.items()}
    return [(block, put_back(printed, here)) for block, printed in state.outputs]


def put_back(text: str, here: Mapping[str, str]) -> str:
    for value, written in here.items():
        text = text.replace(value, written)
    return tidy(text)


def tidy(text: str) -> str:
    """The text without progress, blanks at ends of lines and empty lines at its ends."""
    return "\n".join(line.rstrip() for line in text.splitlines() if not PROGRESS.fullmatch(line)).strip("\n")


def differences(expected: str, printed: str) -> list[str]:
    """The expected lines that were not printed, in their order."""
    lines, missing, free = printed.splitlines(), [], False
    at = 0
    for line in tidy(expected).splitlines():
        if line.strip() in ("...", "…"):
            free = True
            continue
        places = range(at, len(lines)) if free else range(at, min(at + 1, len(lines)))
        place = next((place for place in places if alike(line, lines[place])), None)
        if place is None:
            missing.append(line)
        else:
            at = place + 1
        free = False
    if not missing and not free and at < len(lines) and expected.strip():
        missing.append(f"(nothing; printed was) {lines[at]}")
    return missing


def alike(expected: str, printed: str) -> bool:
    """Whether two lines are the same but for times and small differences of numbers."""
    expected, printed = (UNSTEADY.sub("TIME", " ".join(line.split())) for line in (expected, printed))
    pattern = r"(.+?)".join(re.escape(NUMBER.sub("#", part)) for part in expected.split("..."))
    if not re.fullmatch(pattern, NUMBER.sub("#", printed)):
        return False
    if "..." in expected:
        return True
    return all(map(near, NUMBER.findall(expected), NUMBER.findall(printed)))


def near(expected: str, printed: str) -> bool:
    """Whether a number may be another machine's: a question in forty moves a share by 2.5 points.

    What has three decimals is a cosine or a share of 1.
    """
    wanted, found = (float(text.replace(",", "")) for text in (expected, printed))
    decimals = len(expected.partition(".")[2])
    allowed = 0.02 if decimals > 2 else 2.6 if abs(wanted) > 5 else 0.5
    return abs(wanted - found) <= max(allowed, 0.05 * abs(wanted))


def pages() -> Iterator[Path]:
    """The README and the pages of the site that have blocks to run."""
    navigation = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    for page in [DOCS.parent / "README.md", *(DOCS / name for name in re.findall(r"[\w/-]+\.md", navigation))]:
        if page.exists() and any(block.language in ("bash", "python") for block in blocks(page.read_text("utf-8"))):
            yield page


def check(page: Path, folder: Path) -> None:
    """Run a page and check that it prints what it shows; blocks of Python that are not run are parsed."""
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language == "python":
            ast.parse(block.text)
    wrong = [
        f"{page}:{block.line}: is not printed: {line}\n{printed}"
        for block, printed in run(page, folder)
        for line in differences(block.text, printed)[:1]
    ]
    assert not wrong, "\n\n".join(wrong)


def write_outputs(page: Path, folder: Path) -> int:
    """Run a page and write what was printed into its output blocks; those with ``...`` that still fit stay."""
    text, changed = page.read_text(encoding="utf-8"), 0
    for block, printed in reversed(run(page, folder)):
        if not tidy(block.text) or differences(block.text, printed):
            if "..." in block.text:
                print(f"{page}:{block.line}: shorten it again", file=sys.stderr)
            start, end = block.span
            content = "".join(f"{block.indent}{line}".rstrip() + "\n" for line in printed.splitlines())
            text, changed = text[:start] + content + text[end:], changed + 1
    page.write_text(text, encoding="utf-8")
    return changed


def main() -> None:
    import tempfile

    for name in sys.argv[1:]:
        page = Path(name).resolve()
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name}: {write_outputs(page, Path(folder))} outputs written", file=sys.stderr)


if __name__ == "__main__":
    main()
