"""Speed of exact ranks beside the bare product of the same matrices and beside other evaluators on the same vectors.

    python -m benchmarks ranking
    python -m benchmarks.ranking balances   # gold ranks in each balance beside the bare product
    python -m benchmarks.ranking big        # millions of documents in a file of float16

The vectors are synthetic unit vectors of 384 dimensions around 500 centres, in 4 languages. A query has two golds, one
near it and one further away.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks import evaluators, measuring
from isoglot.platform.arrays import Ints, Vectors
from isoglot.ranking.balance import BALANCES
from isoglot.ranking.exact import rank
from isoglot.ranking.result import Ranking

QUERIES, DIMENSION, LANGUAGES = 1190, 384, 4
BARE = "bare product, in blocks of 2040 documents"
Problem = tuple[Vectors, Vectors, Ints, Ints]
"""(q, d) queries, (n, d) documents, (q, 2) positions of golds, (n,) languages."""


def problem(documents: int, queries: int = QUERIES, dimension: int = DIMENSION) -> Problem:
    """Make a synthetic problem."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(500, dimension)).astype(np.float32)
    vectors = np.empty((documents, dimension), dtype=np.float32)
    for start in range(0, documents, 50_000):
        part = vectors[start : start + 50_000]
        part[:] = generator.normal(size=part.shape)
        part += centres[generator.integers(0, 500, len(part))]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    golds = generator.integers(0, documents, (queries, 2))
    golds[:, 1] = (golds[:, 0] + 1 + generator.integers(0, documents - 1, queries)) % documents
    query_vectors = vectors[golds[:, 0]] + 0.3 * vectors[golds[:, 1]]
    query_vectors += generator.normal(size=query_vectors.shape).astype(np.float32) * 0.02
    query_vectors /= np.linalg.norm(query_vectors, axis=1, keepdims=True)
    return query_vectors, vectors, golds, np.arange(documents) * LANGUAGES // documents


def bare(queries: Vectors, documents: NDArray[Any]) -> None:
    for start in range(0, len(documents), 2040):
        queries @ documents[start : start + 2040].astype(np.float32, copy=False).T


def by_isoglot(top_k: int, data: Problem) -> Ranking:
    queries, documents, golds, languages = data
    return rank(queries, documents, golds, languages=languages if top_k else None, top_k=top_k)


def run(quick: bool) -> dict[str, Any]:
    """Measure against the bare product and the peers, then the cost by pool size, queries and dimensions."""
    peers = evaluators.available()
    for way in peers.values():
        way(*problem(200, queries=20)[:3])  # loads its libraries
    data = problem(20_000 if quick else 200_000)
    queries, documents, golds, _ = data
    ways: dict[str, Callable[[], Any]] = {
        BARE: partial(bare, queries, documents),
        "isoglot: gold ranks": partial(by_isoglot, 0, data),
        "isoglot: gold ranks, languages, top 100": partial(by_isoglot, 100, data),
        **{name: partial(way, queries, documents, golds) for name, way in peers.items()},
    }
    seconds = measuring.interleaved(ways, 2 if quick else 5)
    rows = {}
    for name, times in seconds.items():
        least, median, most = measuring.times_as_fast(times, seconds[BARE])
        rows[name] = {"seconds": times, "times_the_product": [least, median, most]}
        print(f"{name:44} {statistics.median(times):6.2f} s, {median:5.2f} times the product ({least:.2f}-{most:.2f})")
    sizes = (5_000, 10_000, 20_000) if quick else (12_500, 25_000, 50_000, 100_000, 200_000)
    costs = {
        "documents": {n: _cost(problem(n)) for n in sizes},
        "queries": {q: _cost(problem(50_000, queries=q)) for q in (150, 300, 600, 1200, 2400)},
        "dimensions": {d: _cost(problem(50_000, dimension=d)) for d in (96, 192, 384, 768)},
    }
    for quantity, by_size in costs.items():
        print(f"seconds by {quantity}: " + ", ".join(f"{size}: {took:.2f}" for size, took in by_size.items()))
    memory = {
        part: measuring.peak_memory(partial(_in_a_process, len(documents), part)) for part in ("vectors", "ranking")
    }
    print(f"peak memory: {memory['vectors']:.0f} MiB with the vectors alone, {memory['ranking']:.0f} MiB ranking them")
    return {"queries": QUERIES, "documents": len(documents), "ways": rows, "seconds": costs, "peak_mib": memory}


def _cost(data: Problem) -> float:
    return min(_seconds(partial(by_isoglot, 10, data)) for _ in range(3))


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _in_a_process(documents: int, part: str) -> None:
    data = problem(documents)
    if part == "ranking":
        by_isoglot(100, data)


def balances(documents: int, rounds: int) -> dict[str, Any]:
    """Measure gold ranks in each balance beside the bare product, on the wall and by the processor, in one thread.

    Where a machine is busy, threads that wait for each other would make the product look slower than it is.
    """
    data = problem(documents)
    queries, vectors, golds, languages = data
    ways: dict[str, Callable[[], Any]] = {BARE: partial(bare, queries, vectors)}
    for balance in BALANCES:
        for top_k in (0, 10):
            options = {"languages": languages, "balance": balance, "top_k": top_k}
            ways[f"{balance}, top {top_k}"] = partial(rank, queries, vectors, golds, **options)
    with threadpool_limits(1, "blas"):
        seconds = measuring.interleaved(ways, rounds, measuring.wall_and_processor)
    rows = {}
    for name, times in seconds.items():
        rows[name] = {}
        for clock, number in (("wall", 0), ("processor", 1)):
            own, base = ([float(both[number]) for both in of_way] for of_way in (times, seconds[BARE]))
            ratios = measuring.times_as_fast(own, base)
            rows[name][clock] = {"seconds": own, "times_the_product": ratios}
        print(f"{name:44} " + ", ".join(f"{clock} {_line(row)}" for clock, row in rows[name].items()))
    return {"queries": len(queries), "documents": documents, "ways": rows}


def _line(row: dict[str, Any]) -> str:
    least, median, most = row["times_the_product"]
    return f"{statistics.median(row['seconds']):.2f} s, {median:.2f} times the product ({least:.2f}-{most:.2f})"


def big(sizes: tuple[int, ...]) -> dict[str, Any]:
    """Rank 1,000 queries against documents in a mapped file; returns seconds, and memory without the file's pages."""
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in sizes:
            path = Path(folder) / "documents"
            vectors = np.memmap(path, np.float16, "w+", shape=(count, DIMENSION))
            for start in range(0, count, 100_000):
                part = vectors[start : start + 100_000]
                generator = np.random.default_rng(start)
                part[:] = generator.normal(size=part.shape).astype(np.float32) / np.sqrt(DIMENSION)
            vectors.flush()
            del vectors
            started = time.perf_counter()
            mib = measuring.peak_memory(partial(_ranked_from_file, path, count))
            seconds = time.perf_counter() - started
            rows[count] = {"seconds": seconds, "peak_mib": mib}
            print(f"{count} documents: {seconds:.1f} s with the start of a process, {mib:.0f} MiB", flush=True)
            path.unlink()
    return rows


def _ranked_from_file(path: Path, count: int) -> None:
    vectors = np.memmap(path, np.float16, "r", shape=(count, DIMENSION))
    golds = np.random.default_rng(1).integers(0, count, (1000, 2))
    rank(vectors[golds[:, 0]].astype(np.float32), vectors, golds, languages=np.arange(count) * 4 // count, top_k=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["balances", "big"])
    if parser.parse_args().what == "balances":
        measuring.write("ranking_balances", balances(200_000, 5))
    else:
        measuring.write("ranking_big", {"queries": 1000, "documents": big((500_000, 1_000_000, 2_000_000))})
