"""Contamination and near-duplicates of 100,000 rows: time, memory, and the speed-up over sets of tuples in Python.

    python -m benchmarks.overlap [ROWS] [DATA]

DATA is a source such as xquad:DIR. Its texts are the evaluation data, and the rows are made of its words.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from collections.abc import Sequence

from isoglot import load_collection
from isoglot.training_data.overlap import WORDS, EightGrams, near_duplicates, tokens

PEER_ROWS = 5_000


def main(rows: int, data: str) -> None:
    """Make `rows` rows of 10 + 80 words in two languages, every hundredth nearly a copy, and find overlaps."""
    generator = random.Random(0)
    collection = load_collection(data)
    evaluation = [text.text for text in (*collection.documents, *collection.queries)]  # type: ignore[attr-defined]
    words = [word for document in collection.documents if document.language == "en" for word in document.text.split()]
    documents = [" ".join(generator.choices(words, k=80)) for _ in range(rows)]
    documents[1::100] = [f"{text} too" for text in documents[0::100]]
    queries = [" ".join(generator.choices(words, k=10)) for _ in range(rows)]
    texts = [*documents, *documents, *queries, *queries]
    before = _peak()
    started = time.perf_counter()
    grams = EightGrams.of(evaluation)
    shared = sum(map(grams.overlaps, texts))
    contamination = time.perf_counter() - started
    repeated = sum(first != index for index, first in enumerate(near_duplicates(documents, 0.8)))
    total = time.perf_counter() - started
    print(
        f"{rows} rows, {len(grams.hashes)} n-grams of {collection.name}: contamination {contamination:.1f} s ({shared})"
    )
    print(f"near-duplicates {total - contamination:.1f} s ({repeated}); together {total:.1f} s")
    print(f"peak memory {_peak():.0f} MiB, of which {before:.0f} before")
    _against_plain_python(grams, evaluation, texts[:PEER_ROWS])


def _against_plain_python(grams: EightGrams, evaluation: Sequence[str], texts: Sequence[str]) -> None:
    known = {gram for text in evaluation for gram in _grams(text)}
    ratios = []
    for _ in range(3):
        started = time.perf_counter()
        ours = list(map(grams.overlaps, texts))
        between = time.perf_counter()
        plain = [any(gram in known for gram in _grams(text)) for text in texts]
        ratios.append((time.perf_counter() - between) / (between - started))
        assert ours == plain
    print(
        f"{len(texts)} texts against sets of tuples: {min(ratios):.2f} to {max(ratios):.2f} times as fast, same answers"
    )


def _grams(text: str) -> list[tuple[str, ...]]:
    words = tokens(text)
    return list(zip(*(words[start:] for start in range(WORDS)), strict=False))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["100000"])[0]), (sys.argv[2:] or ["mini@demo"])[0])
