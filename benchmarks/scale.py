"""Time and memory of a large corpus, from text to ranks.

    python -m benchmarks.scale 1000000 [--engine ray] -o FOLDER

The model averages random word vectors, so the time is that of reading, tokenising, writing and ranking.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import measuring
from isoglot import load_collection
from isoglot.encoders.sentence_transformer import load_model
from isoglot.ranking.task import RankingTask
from isoglot.retrievers.shards import rank_shards
from isoglot.scale.shards import read_vectors, shard_paths

QUERIES = 200


def write_corpus(path: Path, count: int) -> None:
    """Write sentences of `mini`, numbered, so that no two texts are equal."""
    documents = load_collection("mini").documents
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            document = documents[number % len(documents)]
            line = {"_id": str(number), "lang": document.language, "text": f"{number}. {document.text[:80]}"}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def write_model(folder: Path) -> None:
    """Write a static model of 64 dimensions with the tokenizer of e5."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    tokenizer = load_model("e5-small-q4", device="cpu").tokenizer.backend_tokenizer
    modules = [StaticEmbedding(tokenizer, embedding_dim=64), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(folder), create_model_card=False)


def encode(corpus: Path, model: Path, output: Path, engine: str, shards: int) -> dict[str, Any]:
    """Run `isoglot encode`; returns its seconds, and its peak memory and that of Ray's workers in three stretches."""
    command = [sys.executable, "-m", "isoglot", "encode", str(corpus), "-m", str(model), "-o", str(output)]
    command += ["--engine", engine, "--device", "cpu", *(["--workers", "2"] if engine == "ray" else [])]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    memory: dict[str, list[float]] = {}
    while process.poll() is None:
        share = len(list(output.glob("*.parquet"))) / shards if output.exists() else 0.0
        now = [measuring.anonymous_memory(pid) for pid in (process.pid, *ray_workers(process.pid))]
        key = "first tenth" if share < 0.1 else "to half" if share < 0.5 else "to the end"
        peak = memory.get(key, [])
        memory[key] = [max(pair) for pair in zip(now, [*peak, *[0.0] * len(now)], strict=False)]
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"encode ended with {process.returncode}")
    return {"seconds": time.perf_counter() - started, "peak_mib": memory}


def ray_workers(parent: int) -> list[int]:
    """The workers of the Ray cluster that a process started, and of no other."""
    workers = []
    for child in psutil.Process(parent).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if " ".join(child.cmdline()).startswith("ray::_Worker"):
                workers.append(child.pid)
    return workers


def ranked(folder: Path) -> dict[str, Any]:
    """Rank documents shard by shard for queries that are some of them; returns seconds and peak memory."""
    result: dict[str, Any] = {}
    peak, stop = [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.1):
            peak[0] = max(peak[0], measuring.anonymous_memory(os.getpid()))

    thread = threading.Thread(target=watch)
    thread.start()
    started = time.perf_counter()
    paths = shard_paths(folder, "document")
    sizes = [len(read_vectors(path)) for path in paths]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    golds = np.linspace(0, starts[-1] - 1, QUERIES).astype(np.int64)
    queries = np.empty((QUERIES, read_vectors(paths[0]).shape[1]), dtype=np.float32)
    for path, low, high in zip(paths, starts, starts[1:], strict=False):
        in_shard = (golds >= low) & (golds < high)
        if in_shard.any():
            queries[in_shard] = read_vectors(path)[golds[in_shard] - low]
    shards = [
        (path, np.arange(high - low), np.arange(low, high))
        for path, low, high in zip(paths, starts, starts[1:], strict=False)
    ]
    ranking = rank_shards(queries, shards, RankingTask(golds[:, None], int(starts[-1])))
    stop.set()
    thread.join()
    result["seconds"], result["peak_mib"] = time.perf_counter() - started, peak[0]
    result["first"] = int((ranking.gold_ranks == 1).sum())
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--engine", default="local", choices=["local", "ray"])
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    corpus, model, vectors = folder / f"{arguments.count}.jsonl", folder / "model", folder / f"{arguments.engine}"
    if not corpus.exists():
        write_corpus(corpus, arguments.count)
    if not model.exists():
        write_model(model)
    shards = -(-arguments.count // 8192)
    record = {"encode": encode(corpus, model, vectors, arguments.engine, shards), "rank": ranked(vectors)}
    print(json.dumps(record, indent=1))
    measuring.write(f"scale_{arguments.engine}", {"documents": arguments.count, **record})


if __name__ == "__main__":
    main()
