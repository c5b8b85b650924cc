"""How errors end the command line: a user's mistakes, bugs, interruptions, and a reader that has gone."""

from __future__ import annotations

import importlib.metadata
import io
import subprocess
import sys
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import typer

from isoglot import cli
from isoglot.cli import main
from isoglot.corpora import sources
from isoglot.platform.errors import IsoglotError, first_line, raised_by_isoglot
from tests.command_line import isoglot

MISTAKE = ["audit", "x", "--data", "nope"]
MESSAGE = f"isoglot: unknown source 'nope'; known are {', '.join(sources.SOURCES)}\n"


def ended(*arguments: str, **environment: str) -> tuple[int, str]:
    """The exit code of a command, and what it says on standard error."""
    done = isoglot(*arguments, environment=environment)
    return done.returncode, done.stderr


def test_a_users_mistake_is_one_line() -> None:
    assert ended(*MISTAKE) == (2, MESSAGE)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--debug", *MISTAKE],
        ["audit", "--debug", "x", "--data", "nope"],
        [*MISTAKE, "--debug"],
        ["--debug", *MISTAKE, "--debug"],
    ],
)
def test_debug_shows_the_traceback_wherever_it_stands(arguments: list[str]) -> None:
    code, said = ended(*arguments)
    assert code == 2
    assert said.startswith("Traceback (most recent call last):\n")
    assert "in load_collection\n" in said
    assert said.endswith(f"\n{MESSAGE}")


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("0", False), ("", False)])
def test_debug_can_be_set_for_all_commands(value: str, shown: bool) -> None:
    assert ("Traceback" in ended(*MISTAKE, ISOGLOT_DEBUG=value)[1]) == shown


def test_debug_shows_the_causes_of_an_error(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text("{]\n")
    (tmp_path / "queries.jsonl").write_text("{}\n")
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("q\td\t1\n")
    code, said = ended("audit", "x", "--data", f"folder:{tmp_path}", "--debug")
    assert code == 2
    assert "JSONDecodeError" in said
    assert "The above exception was the direct cause" in said
    assert said.splitlines()[-1].startswith(f"isoglot: {tmp_path}/corpus.jsonl:1: malformed JSON")


def test_every_command_and_every_group_has_debug() -> None:
    def commands(command: Any) -> Iterator[Any]:
        yield command
        for found in getattr(command, "commands", {}).values():
            yield from commands(found)

    every = list(commands(typer.main.get_command(cli.app)))
    assert len(every) > 20
    assert [c.name for c in every if [p.opts for p in c.params].count(["--debug"]) != 1] == []


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """`isoglot sources` fails."""
    monkeypatch.setattr(sources, "SOURCES", 7)


@pytest.mark.usefixtures("bug")
def test_a_bug_says_that_it_is_one_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    message = Message()
    message["Project-URL"] = "Documentation, https://example.org/docs"
    message["Project-URL"] = "Issues, https://example.org/issues"
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: message)
    code, said = ended("sources")
    assert code == 70
    assert said == (
        "isoglot: AttributeError: 'int' object has no attribute 'values'\n"
        "isoglot: this is a bug in isoglot; please report it at https://example.org/issues "
        "with the output of the same command with --debug\n"
    )
    code, said = ended("sources", "--debug")
    assert code == 70
    assert said.startswith("Traceback")
    assert said.endswith("please report it at https://example.org/issues with these lines\n")


@pytest.mark.usefixtures("bug")
def test_without_an_address_in_the_metadata_a_bug_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Message:
        raise importlib.metadata.PackageNotFoundError(name)

    for metadata in (absent, lambda name: Message()):
        monkeypatch.setattr(importlib.metadata, "metadata", metadata)
        assert "; please report it with the output of" in ended("sources")[1]


def test_ctrl_c_in_a_command_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(spec: str, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "load_collection", interrupt)
    assert ended(*MISTAKE) == (130, "isoglot: interrupted; run the same command again to go on\n")


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to a group of processes only")
@pytest.mark.parametrize("name", ["isoglot.cli", "typer", "isoglot.platform.text"])
def test_ctrl_c_before_a_command_begins_is_no_traceback(name: str) -> None:
    code = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(name, *_):\n"
        f"        name == {name!r} and os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder)\n"
        "from isoglot.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "isoglot: interrupted\n")


@pytest.mark.process
@pytest.mark.parametrize("arguments", [["sources"], ["audit", "--help"], ["nonsense", "--debug"]])
def test_a_reader_that_has_gone_ends_a_command_without_a_word(arguments: list[str]) -> None:
    """As in ``isoglot sources | true``; what is on standard error is read by another."""
    code = "import os, sys; os.read(0, 1); from isoglot.cli import main; main(sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.close()
    process.stdin.write("x")  # only now does the command begin
    process.stdin.close()
    assert process.stderr is not None
    said = process.stderr.read()
    process.wait()
    if arguments[0] == "nonsense":
        assert process.returncode == 2
        assert "No such command" in said
    else:
        assert process.returncode in (1, 141)
        assert said == ""


@pytest.mark.parametrize(
    ("platform", "encoding", "written"),
    [
        ("linux", "latin-1", "\\u96ea ä".encode("latin-1")),
        ("win32", "cp1252", "雪 ä".encode()),
        ("linux", "utf-8", "雪 ä".encode()),
    ],
)
def test_text_in_any_language_can_be_printed_into_any_file(
    monkeypatch: pytest.MonkeyPatch, platform: str, encoding: str, written: bytes
) -> None:
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding=encoding))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(cli, "app", lambda argv, **settings: print("雪 ä", end=""))
    with pytest.raises(SystemExit) as exit:
        main([])
    assert (exit.value.code, file.getvalue()) == (0, written)


def test_an_exception_of_a_library_is_told_from_one_of_isoglots_own() -> None:
    for spec, kind in ((None, AttributeError), ("nope", IsoglotError)):  # None has no method `partition`
        with pytest.raises(kind) as own:
            sources.load_collection(spec)  # type: ignore[arg-type]
        assert raised_by_isoglot(own.value)
    with pytest.raises(UnicodeDecodeError) as foreign:
        io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8").read()  # its last frame is in codecs
    assert not raised_by_isoglot(foreign.value)
    assert not raised_by_isoglot(ValueError("never raised"))


@pytest.mark.parametrize(
    ("text", "line"),
    [("", "ValueError"), ("\n one \ntwo", "one"), ("Wrong:\n  two\nthree", "Wrong: two"), ("x" * 300, "x" * 200)],
)
def test_the_first_line_of_a_librarys_message(text: str, line: str) -> None:
    assert first_line(ValueError(text)) == line
