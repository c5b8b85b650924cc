"""What long work shows: on a terminal, and where there is none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

WORK = """
import sys
from isoglot.platform.progress import progress, waiting
with waiting("loading a model"):
    if sys.argv[1:]:
        raise SystemExit("it cannot be loaded")
with progress("encoding", 3, show=True) as advance:
    advance(3)
"""


def on_a_terminal(*arguments: str) -> str:
    ours, theirs = os.openpty()
    subprocess.run([sys.executable, "-c", WORK, *arguments], stderr=theirs, check=False)
    os.close(theirs)
    written = b""
    try:
        while part := os.read(ours, 4096):
            written += part
    except OSError:  # how Linux ends a terminal that nothing writes to
        pass
    os.close(ours)
    return written.decode()


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals to open")
def test_a_terminal_is_told_what_is_waited_for_and_an_error_stays_alone() -> None:
    written = on_a_terminal()
    assert "loading a model" in written
    assert "encoding" in written
    erase = "\x1b[2K"
    assert "it cannot be loaded" in on_a_terminal("fail").rpartition(erase)[2]


def test_elsewhere_nothing_is_written_while_waiting() -> None:
    found = subprocess.run([sys.executable, "-c", WORK], stderr=subprocess.PIPE, text=True, check=True)
    assert found.stderr == "encoding: 3/3\n"
