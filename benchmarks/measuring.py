"""Tools of all benchmarks: interleaved rounds, the rate of a matrix product, peak memory, and records as JSON."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

RESULTS = Path(__file__).parent / "results"


def interleaved(
    ways: Mapping[str, Callable[[], Any]], rounds: int, clock: Callable[[], Any] = time.perf_counter
) -> dict[str, list[Any]]:
    """Measure the seconds of each way in each round; the ways take turns, and another one begins each round.

    Other work on the machine then slows all ways alike, so compare within a round.
    """
    names = list(ways)
    seconds: dict[str, list[Any]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            started = clock()
            ways[name]()
            seconds[name].append(clock() - started)
    return seconds


def wall_and_processor() -> NDArray[np.float64]:
    """A clock (2,): seconds on the wall, and of the processor on all threads, which other work disturbs less."""
    return np.array([time.perf_counter(), time.process_time()])


def times_as_fast(peer: list[float], own: list[float]) -> list[float]:
    """Return the least, median and greatest ratio of the peer's seconds to one's own, round by round."""
    ratios = sorted(base / seconds for base, seconds in zip(peer, own, strict=True))
    return [ratios[0], statistics.median(ratios), ratios[-1]]


def product(size: int = 2048) -> Callable[[], Any]:
    """Return a function that multiplies two square float32 matrices in 2 size^3 operations, to rate the machine."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return lambda: a @ b


def product_rate(seconds: list[float], size: int = 2048) -> float:
    """Return floating-point operations a second, from the median of the seconds of `product`."""
    return 2 * size**3 / statistics.median(seconds)


def peak_memory(work: Callable[[], Any]) -> float:
    """Run `work` in a fresh process and return its peak memory in MiB, without mapped files."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work_and_report, args=(work, sender))
    process.start()
    sender.close()
    peak = 0.0
    while not receiver.poll(0.02):
        peak = max(peak, anonymous_memory(process.pid or 0))
        if not process.is_alive():
            break
    process.join()
    if process.exitcode:
        raise RuntimeError(f"the measured process ended with {process.exitcode}")
    return peak


def _work_and_report(work: Callable[[], Any], sender: Any) -> None:
    work()
    sender.send(True)


def anonymous_memory(pid: int) -> float:
    """Return the memory of a process in MiB, without mapped files; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")) / 1024


def write(name: str, record: Mapping[str, Any]) -> None:
    """Write a benchmark's record, and the machine it ran on, to results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    machine = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        **{library: version(library) for library in ("torch", "numpy", "transformers", "sentence-transformers")},
        "date": time.strftime("%Y-%m-%d"),
    }
    (RESULTS / f"{name}.json").write_text(json.dumps({"machine": machine, **record}, indent=1) + "\n", encoding="utf-8")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
