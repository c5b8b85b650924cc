"""`isoglot apply` on many vectors: its rate beside that of a plain copy of the same file, and its memory.

    python -m benchmarks applying
    python -m benchmarks.applying 1000000       # so many vectors

Each run reads from the disk, since the page cache is emptied of the file before, and ends when its file is on the disk.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measuring
from isoglot import Transform

VECTORS, DIMENSION, LANGUAGES, ROUNDS = 1_000_000, 1024, ("ar", "de", "en", "zh"), 3
COPY = """import sys
with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as target:
    while part := source.read(1 << 24):
        target.write(part)"""
APPLY = """import re, sys
from pathlib import Path
from isoglot.scale.applying import apply_transform
from isoglot.transforms.files import load_transform
apply_transform(load_transform(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), name="t")
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)"""


def write_vectors(folder: Path, count: int) -> None:
    """Unit vectors around a direction, in rotating languages, as ``vectors:DIR`` has them."""
    generator = np.random.default_rng(0)
    common = generator.normal(size=DIMENSION).astype(np.float32)
    array = np.lib.format.open_memmap(folder / "documents.npy", mode="w+", dtype=np.float32, shape=(count, DIMENSION))
    for start in range(0, count, 10_000):
        block = generator.normal(size=(min(10_000, count - start), DIMENSION)).astype(np.float32) + common
        array[start : start + len(block)] = block / np.linalg.norm(block, axis=1, keepdims=True)
    array.flush()
    with (folder / "documents.ids.txt").open("w") as ids:
        ids.writelines(f"d{at}@{LANGUAGES[at % len(LANGUAGES)]}\n" for at in range(count))


@contextmanager
def timed(paths: list[Path]) -> Iterator[list[float]]:
    """Seconds of a block that starts with `paths` out of the page cache and ends with all that it wrote on the disk."""
    for path in paths:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    os.sync()
    found: list[float] = []
    started = time.perf_counter()
    yield found
    os.sync()
    found.append(time.perf_counter() - started)


def run(quick: bool, count: int = VECTORS) -> dict[str, Any]:
    """Copy and apply in turn, each in a process of its own."""
    count = count // 10 if quick else count
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "vectors").mkdir()
        write_vectors(folder / "vectors", count)
        source = folder / "vectors" / "documents.npy"
        sample = np.load(source, mmap_mode="r")[:1000]
        Transform.fit(sample, [LANGUAGES[at % len(LANGUAGES)] for at in range(1000)]).save(folder / "t")
        copies, applied, memory = [], [], []
        for round_ in range(1 if quick else ROUNDS):
            with timed([source]) as seconds:
                subprocess.run([sys.executable, "-c", COPY, source, folder / "copy"], check=True)
            copies += seconds
            (folder / "copy").unlink()
            with timed([source]) as seconds:
                command = [sys.executable, "-c", APPLY, folder / "t", folder / "vectors", folder / f"out{round_}"]
                memory.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            applied += seconds
            subprocess.run(["rm", "-r", folder / f"out{round_}"], check=True)
        size = source.stat().st_size / 2**20
    ratio = statistics.median(a / b for a, b in zip(copies, applied, strict=True))
    print(
        f"{count} vectors of {DIMENSION}, {size:.0f} MiB: copied in {statistics.median(copies):.1f} s, changed in "
        f"{statistics.median(applied):.1f} s, {ratio:.2f} of the copy's rate; peak memory {max(memory)} MiB"
    )
    return {
        "vectors": count,
        "dimension": DIMENSION,
        "copy_s": copies,
        "apply_s": applied,
        "ratio": ratio,
        "peak_mib": memory,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", type=int, nargs="?", default=VECTORS)
    measuring.write("applying", run(False, parser.parse_args().vectors))
