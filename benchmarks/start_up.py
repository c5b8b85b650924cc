"""How long it takes until something is seen: the help, and an audit of kept vectors before its first progress line.

python -m benchmarks start_up
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks import measuring

ISOGLOT = [sys.executable, "-m", "isoglot"]
AUDIT = [*ISOGLOT, "audit", "e5-small-q4", "--data", "mini@test", "--pool", "en,zh", "-q"]


def first_line(command: list[str]) -> float:
    """Seconds until the command prints anything, on either stream."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        seconds = time.perf_counter() - started
        process.stdout.read()
    return seconds


def run(quick: bool) -> dict[str, Any]:
    """Seconds of each, over several rounds, beside an interpreter that does nothing."""
    rounds = 3 if quick else 15
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*AUDIT, "-o", folder], check=True, capture_output=True)  # from here on the vectors are kept
    ways = {
        "python -c pass": lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
        "isoglot --help": lambda: subprocess.run([*ISOGLOT, "--help"], check=True, capture_output=True),
    }
    seconds = measuring.interleaved(ways, rounds)
    seconds["isoglot audit, kept vectors, until its first line"] = [first_line(AUDIT) for _ in range(3)]
    for name, times in seconds.items():
        print(f"{name:52} {statistics.median(times):.2f} s ({min(times):.2f}-{max(times):.2f})")
    return {"seconds": seconds}
