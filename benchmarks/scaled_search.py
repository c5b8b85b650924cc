"""Scaled search in an index beside plain search: recall of the approximate search, and time.

    python -m benchmarks scaled_search
    python -m benchmarks.scaled_search 1000000       # so many passages

The vectors are synthetic, with the cosines that `e5-small-q4` gives the passages of `mini`: about .79 for unrelated
passages of one language, .73 across languages, .85 for translations. Each content has a passage in every language.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks import measuring
from benchmarks.index_speed import write_synthetic
from isoglot.indexing import ann
from isoglot.indexing.passages import Passage
from isoglot.indexing.snapshot import Snapshot, StoredModel
from isoglot.indexing.store import Index
from isoglot.indexing.tables import TABLE, connect
from isoglot.platform.arrays import RowIds, Vectors
from isoglot.ranking.balance import top

PASSAGES, DIMENSION, TOPICS, QUESTIONS, K = 100_000, 384, 500, 200, 10
LANGUAGES = (2, 8, 20)
COMMON, LANGUAGE, TOPIC, CONTENT = 0.73, 0.055, 0.06, 0.055
"""Parts of the squared length that all vectors share, those of a language, a topic, a content; the rest is noise."""
QUESTION_NOISE = 2
"""A question's noise, in times that of a passage."""


class Corpus:
    """Vectors of passages, language by language, and of questions in each language.

    Args:
        passages: About how many.
        languages: Number of languages, L, of equal size.
    """

    def __init__(self, passages: int, languages: int) -> None:
        self._generator = np.random.default_rng(0)
        self.tags = [f"l{number:02}" for number in range(languages)]
        self.contents = passages // languages
        self._common, self._languages, self._topics = (self._drawn(n) for n in (1, languages, TOPICS))
        self._content_topics = self._generator.integers(0, TOPICS, self.contents)
        self._content_seeds = self._drawn(self.contents)

    def parts(self) -> Iterator[tuple[Vectors, list[str]]]:
        """The vectors (n, d) and languages of all passages, 10,000 at a time, in random order."""
        order = self._generator.permutation(self.contents * len(self.tags))
        for start in range(0, len(order), 10_000):
            languages, contents = np.divmod(order[start : start + 10_000], self.contents)
            yield self._vectors(languages, contents, 1), [self.tags[number] for number in languages]

    def questions(self, count: int) -> Vectors:
        """Vectors (count, d) of questions for contents drawn at random, the languages in turn."""
        contents = self._generator.integers(0, self.contents, count)
        return self._vectors(np.arange(count) % len(self.tags), contents, QUESTION_NOISE)

    def _drawn(self, count: int) -> Vectors:
        return self._generator.standard_normal((count, DIMENSION), dtype=np.float32)

    def _vectors(self, languages: Any, contents: Any, noise: float) -> Vectors:
        vectors = np.sqrt(COMMON) * self._common + np.sqrt(LANGUAGE) * self._languages[languages]
        vectors += np.sqrt(TOPIC) * self._topics[self._content_topics[contents]]
        vectors += np.sqrt(CONTENT) * self._content_seeds[contents]
        vectors += noise * np.sqrt(1 - COMMON - LANGUAGE - TOPIC - CONTENT) * self._drawn(len(contents))
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def run(quick: bool) -> dict[str, Any]:
    """Measure indexes of 2, 8 and 20 languages."""
    return measured(20_000 if quick else PASSAGES, 20 if quick else QUESTIONS)


def measured(passages: int, questions: int) -> dict[str, Any]:
    """Measure indexes of so many passages in 2, 8 and 20 languages."""
    record: dict[str, Any] = {"passages": passages, "questions": questions, "k": K, "languages": {}}
    for languages in LANGUAGES:
        with tempfile.TemporaryDirectory() as folder:
            corpus = Corpus(passages, languages)
            write_synthetic(folder, corpus.parts())
            ann.build_ann(connect(folder).open_table(TABLE), "vector_0", passages)
            record["languages"][languages] = row = _measured(Index(folder), corpus.questions(questions))
        print(f"{languages} languages, recall@{K} of the approximate search {row['recall']:.3f}")
        for way, times in row["milliseconds"].items():
            p50, p99 = np.percentile(times, [50, 99])
            print(f"  {way}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    return record


def _measured(index: Index, questions: Vectors) -> dict[str, Any]:
    state = index.snapshot()
    model = state.model(None)
    ways: dict[str, Callable[[Vectors], list[Passage]]] = {
        "plain": lambda vector: [hit.passage for hit in index.search_vector(vector, k=K)],
        "scaled, exact": lambda vector: _exact(state, model, vector),
        "scaled, approximate": lambda vector: state.passages_of(_approximate(state, model, vector)),
    }
    for search in ways.values():
        search(questions[0])  # reads the vectors, and the sums of each language
    milliseconds: dict[str, list[float]] = {way: [] for way in ways}
    shares = []
    for vector in questions:
        found = {}
        for way, search in ways.items():
            started = time.perf_counter()
            found[way] = {passage.id for passage in search(vector)}
            milliseconds[way].append(1000 * (time.perf_counter() - started))
        shares.append(len(found["scaled, exact"] & found["scaled, approximate"]) / K)
    return {"recall": statistics.mean(shares), "milliseconds": milliseconds}


def _exact(state: Snapshot, model: StoredModel, vector: Vectors) -> list[Passage]:
    arrays = state.arrays
    first = top(state.scores(model, vector), arrays.language_numbers, arrays.language_sizes, "scaled", K)
    return state.passages_of(arrays.row_ids[first])


def _approximate(state: Snapshot, model: StoredModel, vector: Vectors) -> RowIds:
    return ann.nearest(state, model, vector, languages=None, balance="scaled", k=K)[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("passages", type=int)
    passages = parser.parse_args().passages
    measuring.write(f"scaled_search_{passages}", measured(passages, QUESTIONS // 4))
