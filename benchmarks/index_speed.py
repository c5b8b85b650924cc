"""Time and memory of indexing passages and of searching them.

    python -m benchmarks.index_speed build 100000 --model e5-small-q4 [--random] -o FOLDER
    python -m benchmarks.index_speed search 1000 100000 1000000

`build` indexes the documents of the collection `mini` again and again, numbered, so that no two are equal. It prints
the time, passages a second, peak memory and size on disk. With `--random`, random vectors replace the model's, so
everything but encoding is measured, and the index can be served. `search` puts synthetic vectors of 384 dimensions
around 2,000 centres into an index, without encoding, and asks 100 questions (20 of a million passages): exact search,
exact ranks, LanceDB's approximate search and its recall.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from lancedb.index import Bitmap
from numpy.typing import NDArray

from isoglot import Index, load_collection
from isoglot.encoders.encoder import Encoder
from isoglot.indexing import ann
from isoglot.indexing.passages import passage_key
from isoglot.indexing.tables import TABLE, connect
from isoglot.indexing.update import update_index
from isoglot.indexing.writer import PASSAGE_SCHEMA
from isoglot.platform.arrays import Vectors

DIMENSION, CENTRES, QUESTIONS, K = 384, 2000, 100, 10
TAGS = ("de", "en", "es", "zh")


def build(count: int, model: str, folder: Path, random: bool) -> None:
    documents = load_collection("mini").documents
    corpus = folder / "corpus.jsonl"
    with corpus.open("w", encoding="utf-8") as file:
        for number in range(count):
            document = documents[number % len(documents)]
            text = f"{number}. {document.text}"
            file.write(json.dumps({"_id": str(number), "lang": document.language, "text": text}) + "\n")
    if random:
        generator = np.random.default_rng(0)

        def encode(self: Encoder, texts: list[str], *unused: object, **ignored: object) -> NDArray[np.float32]:
            vectors = generator.standard_normal((len(texts), self.dimension), dtype=np.float32)
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

        Encoder.encode = encode  # type: ignore[method-assign]
    started = time.monotonic()
    update_index(str(corpus), folder / "index", [model], show_progress=True)
    seconds = time.monotonic() - started
    passages = len(Index(folder / "index"))
    size = sum(file.stat().st_size for file in (folder / "index").rglob("*") if file.is_file())
    print(
        f"{count} documents, {passages} passages: {seconds:.1f} s, {passages / seconds:.0f} passages a second, "
        f"peak memory {_peak():.0f} MiB, {size / 2**20:.0f} MiB on disk"
    )


def search(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        vectors = _make(folder, count)[: QUESTIONS if count < 10**6 else QUESTIONS // 5]
        index = Index(folder)
        state = index.snapshot()
        model = state.model(None)
        print(f"{count} vectors of {DIMENSION} dimensions")
        _print_times("exact scores", [_timed(lambda v=vector: state.scores(model, v)) for vector in vectors])
        _print_times("rank_of", [_timed(lambda v=vector: index.rank_of(["p0#1"], v)) for vector in vectors[:20]])
        _print_times("search", [_timed(lambda v=vector: index.search_vector(v, k=K)) for vector in vectors])
        balanced = [_timed(lambda v=vector: index.search_vector(v, k=K, balance="equal")) for vector in vectors]
        _print_times("balanced search", balanced)
        if not ann.has_ann(state, model):
            started = time.monotonic()
            ann.build_ann(connect(folder).open_table(TABLE), model.column, count)
            print(f"  approximate index built in {time.monotonic() - started:.1f} s")
            state = Index(folder).snapshot()

        def nearest(vector: Vectors) -> NDArray[np.uint64]:
            return ann.nearest(state, model, vector, languages=None, balance="none", k=K)[0]

        _print_times("approximate search", [_timed(lambda v=vector: nearest(v)) for vector in vectors])
        shares = []
        for vector, exact in zip(vectors, ann.exact_top(state, model, vectors, K), strict=True):
            relevant = set(exact.tolist())
            shares.append(len(relevant & set(nearest(vector).tolist())) / K)
        print(f"  recall@{K} {np.mean(shares):.3f}; peak memory {_peak():.0f} MiB")


def _make(folder: str, count: int) -> Vectors:
    """Make an index of synthetic passages in `folder`; returns (q, d) vectors of questions."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((CENTRES, DIMENSION)).astype(np.float32)

    def drawn(size: int) -> Vectors:
        noise = 1.2 * generator.standard_normal((size, DIMENSION)).astype(np.float32)
        vectors = centres[generator.integers(0, CENTRES, size)] + noise
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    parts = (min(10_000, count - start) for start in range(0, count, 10_000))
    write_synthetic(folder, ((drawn(size), [TAGS[n % 4] for n in range(size)]) for size in parts))
    return drawn(QUESTIONS)


def write_synthetic(folder: str, parts: Iterable[tuple[Vectors, list[str]]]) -> None:
    """Write an index of passages without texts to speak of: their vectors (n, d) and languages, part by part."""
    about = {"model": "synthetic", "path": "synthetic", "signature": "synthetic", "ready": "yes"}
    schema = PASSAGE_SCHEMA.append(pa.field("vector_0", pa.list_(pa.float32(), DIMENSION), metadata=about))

    def batches() -> Iterator[pa.RecordBatch]:
        written = 0
        for vectors, languages in parts:
            numbers = range(written, written + len(vectors))
            written += len(vectors)
            columns = {name: [""] * len(numbers) for name in schema.names}
            columns |= {"id": [f"p{n}#1" for n in numbers], "document_id": [f"p{n}" for n in numbers]}
            columns |= {"key": [passage_key(f"p{n}#1") for n in numbers], "language": languages}
            columns |= {"text": [f"passage {n}" for n in numbers], "metadata": ["{}"] * len(numbers)}
            columns |= {name: [1] * len(numbers) for name in ("part", "parts")}
            columns["vector_0"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIMENSION)
            yield pa.record_batch([pa.array(columns[f.name], type=f.type) for f in schema], schema=schema)

    table = connect(folder).create_table(TABLE, batches(), schema=schema)
    table.create_index("language", config=Bitmap())  # as every index has


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


def _print_times(label: str, times: list[float]) -> None:
    warm = times[1:]  # the first reads the vectors
    p50, p99 = np.percentile(warm, [50, 99])
    print(f"  {label}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, the first {times[0]:.0f} ms")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    build_parser = commands.add_parser("build")
    build_parser.add_argument("count", type=int)
    build_parser.add_argument("--model", default="e5-small-q4")
    build_parser.add_argument("--random", action="store_true")
    build_parser.add_argument("-o", "--output", type=Path, required=True)
    search_parser = commands.add_parser("search")
    search_parser.add_argument("counts", type=int, nargs="+")
    arguments = parser.parse_args()
    if arguments.command == "build":
        arguments.output.mkdir(parents=True, exist_ok=True)
        build(arguments.count, arguments.model, arguments.output, arguments.random)
    else:
        for count in arguments.counts:
            search(count)


if __name__ == "__main__":
    main()
