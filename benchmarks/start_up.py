"""Time of the help, and to the first output of an audit, beside an interpreter that does nothing.

python -m benchmarks start_up
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from typing import Any

from benchmarks import measuring

ISOGLOT = [sys.executable, "-m", "isoglot"]


def first_line() -> bytes:
    """Start an audit on a terminal, and end it as soon as it has written something."""
    ours, terminal = os.openpty()
    command = [*ISOGLOT, "audit", "e5-small-q4", "--data", "mini@demo"]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        written = os.read(ours, 1000)
        process.kill()
    os.close(terminal)
    os.close(ours)
    return written


def run(quick: bool) -> dict[str, Any]:
    """Measure the seconds of each in several rounds."""
    rounds = 3 if quick else 15
    ways = {
        "python -c pass": lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
        "isoglot --help": lambda: subprocess.run([*ISOGLOT, "--help"], check=True, capture_output=True),
        "isoglot audit, to the first line on a terminal": first_line,
    }
    seconds = measuring.interleaved(ways, rounds)
    for name, times in seconds.items():
        print(f"{name:52} {statistics.median(times):.2f} s ({min(times):.2f}-{max(times):.2f})")
    return {"seconds": seconds}
