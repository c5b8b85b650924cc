"""What a terminal and a log show of text from strangers' files."""

from __future__ import annotations

import io
import json
import unicodedata
from pathlib import Path

import pytest
from rich.console import Console

from isoglot.platform.text import VisibleStream, normalized, visible
from isoglot.report.tables import Table
from isoglot.report.terminal import print_lines, print_tables
from tests.command_line import isoglot
from tests.indexing import write_jsonl

HOSTILE = "\x1b]0;title\x07 \x1b[2J \x9b31m \r \x08 \x7f \u202egnp.exe \u2066"


def controls(text: str) -> set[str]:
    return {
        character for character in text if unicodedata.category(character) == "Cc" or character in "\u202e\u2066"
    } - {"\n", "\t"}


def test_control_characters_become_escapes_that_json_understands() -> None:
    assert visible("a\tb\nc\x1b\x9b") == "a\tb\nc\\u001b\\u009b"
    assert json.loads(visible(json.dumps({"a": HOSTILE}, ensure_ascii=False))) == {"a": HOSTILE}


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Ver\u00adsuch im\ufeff La\u2060bor\ufe0f", "Versuch im Labor"),
        ("The\u200broad\u200bis\u200blong", "The road is long"),
        ("T\u200bh\u200be road", "The road"),
        ("\u0e19\u0e49\u0e33\u200b\u0e17\u0e30\u0e40\u0e25", "\u0e19\u0e49\u0e4d\u0e32\u0e17\u0e30\u0e40\u0e25"),
        ("\u0645\u06cc\u200c\u0631\u0648\u0645 \u200csoon", "\u0645\u06cc\u200c\u0631\u0648\u0645 soon"),
        ("\u200e(left)\u2068x\u2069\u034f", "(left)x"),
    ],
)
def test_texts_that_look_the_same_are_compared_as_the_same(text: str, seen: str) -> None:
    assert normalized(text) == seen


def test_a_stream_shows_them_but_lets_progress_bars_and_rich_write() -> None:
    below = io.StringIO()
    stream = VisibleStream(below)
    assert stream.write("\rbar \x1b[2J\r") == 10
    stream.writelines(["x\x07", "y"])
    assert below.getvalue() == "\rbar \\u001b[2J\\u000dx\\u0007y"
    below.truncate(0)
    Console(file=stream, force_terminal=True).print("[red]red[/red]")
    assert "\x1b[31mred" in below.getvalue()


def test_lines_and_tables_on_a_terminal_have_colours_of_ours_only(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines([HOSTILE])
    assert controls(capsys.readouterr().out) == set()
    print_lines(["1  lamp\n2  forged"])
    print_tables([Table("Table", ("column",), [("cell\nforged",)])])
    assert not any(line.strip().startswith(("2  forged", "forged")) for line in capsys.readouterr().out.splitlines())


def test_a_name_or_id_with_a_line_end_makes_no_line_of_its_own(tmp_path: Path) -> None:
    forged = "a\n\tisoglot: all is well\u2028isoglot: all is well"
    path = tmp_path / f"{forged}.jsonl"
    for text in ('{"anchor": "What must be done with the lamp?"}\n', "{"):  # a note, and an error
        path.write_text(text)
        done = isoglot("data", "check", str(path))
        assert r"a\n\tisoglot: all is well\u2028isoglot: all is well" in done.stderr
        assert not any(line.strip() == "isoglot: all is well" for line in (done.stdout + done.stderr).splitlines())


def test_what_a_file_says_reaches_neither_output_nor_errors_as_controls(tmp_path: Path) -> None:
    rows = [{"content_id": "a", "query": {"en": "q"}, "document": {"en": "x"}, "source": HOSTILE, "licence": HOSTILE}]
    file = write_jsonl(tmp_path / "rows.jsonl", rows)
    for options in ([], ["--json"]):
        done = isoglot("data", "stats", file, *options)
        assert done.returncode == 0, done.stderr
        assert controls(done.stdout + done.stderr) == set()
        assert "\\u001b]0;title" in done.stdout
    wrong = write_jsonl(tmp_path / "wrong.jsonl", [{"_id": HOSTILE, "text": "x", "lang": HOSTILE}])
    for arguments in (["audit", "bm25", "--data", wrong], ["index", wrong, "-o", tmp_path / HOSTILE[2:5]], [HOSTILE]):
        done = isoglot(*arguments)
        assert done.returncode == 2
        assert controls(done.stdout + done.stderr) == set()
