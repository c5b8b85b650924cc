"""What the tests stand on: commands in this process, and processes that are forked."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from pathlib import Path

import pytest

from isoglot.platform.errors import IsoglotError
from tests import command_line
from tests.forked import PRELOADED, Forked


def test_a_command_writes_to_its_own_streams_and_leaves_this_process_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, library = logging.getLogger(), logging.getLogger("a library of this test")
    handler = logging.StreamHandler()
    library.addHandler(handler)
    before = root.handlers[:], root.level, logging.getLogger("isoglot").level, handler.stream, dict(os.environ)

    def main(arguments: list[str]) -> None:
        logging.basicConfig(format="isoglot: %(message)s", stream=sys.stderr, force=True)
        print(*arguments, os.environ["COLUMNS"], os.environ["MINE"])
        logging.getLogger("isoglot.of.this.test").warning("logged")
        library.warning("said by a library")
        warnings.warn("to be seen", UserWarning, stacklevel=1)
        raise SystemExit("the end")

    monkeypatch.setattr(command_line, "main", main)
    done = command_line.isoglot("audit", Path("a"), 3, environment={"MINE": "yes"})
    assert (done.returncode, done.stdout) == (1, "audit a 3 200 yes\n")
    lines = done.stderr.splitlines()
    assert lines[0] == "isoglot: logged"
    assert "said by a library" in lines
    assert any("UserWarning: to be seen" in line for line in lines)
    assert lines[-1] == "the end"
    after = root.handlers[:], root.level, logging.getLogger("isoglot").level, handler.stream, dict(os.environ)
    assert after == before
    assert capsys.readouterr() == ("", "")
    library.removeHandler(handler)


def in_the_child(text: str) -> None:
    missing = [name for name in PRELOADED if name not in sys.modules]
    print(text, os.environ["MINE"], Path.cwd().name, missing, flush=True)
    raise IsoglotError("the end")


def asleep() -> None:
    print("asleep", flush=True)
    time.sleep(600)


@pytest.mark.process
@pytest.mark.slow
def test_a_forked_process_has_all_it_needs_at_once_and_can_be_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Forked(in_the_child, "hello", environment={"MINE": "yes"}) as child:
        assert child.stdout.readline() == f"hello yes {tmp_path.name} []\n"
        _, error = child.communicate()
        assert child.returncode == 1
        assert error.splitlines()[-1].endswith("IsoglotError: the end")
    with Forked(asleep) as sleeper:
        assert sleeper.stdout.readline() == "asleep\n"
        assert sleeper.returncode is None
        with pytest.raises(TimeoutError):
            sleeper.wait(timeout=0.01)
    assert sleeper.returncode == -9
