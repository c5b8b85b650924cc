"""How long the help takes, beside an interpreter that does nothing.

python -m benchmarks start_up
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import Any

from benchmarks import measuring

ISOGLOT = [sys.executable, "-m", "isoglot"]


def run(quick: bool) -> dict[str, Any]:
    """Seconds of each, over several rounds, beside an interpreter that does nothing."""
    rounds = 3 if quick else 15
    ways = {
        "python -c pass": lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
        "isoglot --help": lambda: subprocess.run([*ISOGLOT, "--help"], check=True, capture_output=True),
    }
    seconds = measuring.interleaved(ways, rounds)
    for name, times in seconds.items():
        print(f"{name:52} {statistics.median(times):.2f} s ({min(times):.2f}-{max(times):.2f})")
    return {"seconds": seconds}
