"""How far training rows' queries lie from the questions that a user's people ask, by the means that methods fit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from isoglot.alignment.corpus_texts import read_queries
from isoglot.platform.arrays import Floats, Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.retrievers.base import Retriever
from isoglot.retrievers.dense import Encodes
from isoglot.training_data.choosing import stable_hash
from isoglot.training_data.row import Row

FEWEST = 10
"""Number of queries from which a mean is compared."""

MOST = 1000
"""Number of queries of a language that are encoded at most."""

SPLITS = 20
"""Number of random splits into halves whose distances are averaged."""


@dataclass(frozen=True, kw_only=True)
class QueryDistance:
    """How far the mean vector of the rows' queries in a language lies from that of the user's questions.

    Distances are Euclidean, between means of unit vectors: from 0 to 2.

    Attributes:
        rows: Number of the rows' queries that were compared.
        questions: Number of the user's questions that were compared.
        distance: Distance between their means.
        halves: Distance between the means of two random halves of the user's questions, the mean over `SPLITS` splits:
            what chance makes of so few.
        languages: Distance between the means of two languages' queries in the rows, the mean over all pairs of those
            that are compared; where that is one, its distance from the largest other one.
    """

    rows: int
    questions: int
    distance: float
    halves: float
    languages: float

    @property
    def meaning(self) -> str:
        """What the distance says, in a few words."""
        if self.distance >= self.languages:
            return "as far as another language"
        if self.distance <= self.halves:
            return "no further than chance"
        return f"{100 * self.distance / self.languages:.0f}% of the way to another language"


def query_distances(
    rows: Sequence[Row], queries: str | Path, retriever: Retriever, *, strict: bool = False, seed: int = 0
) -> dict[str, QueryDistance]:
    """Compare the rows' queries with a user's questions, in each language that has at least `FEWEST` of both.

    Args:
        rows: Training rows.
        queries: File of questions, as for ``align --queries``; a language that is not named is detected.
        retriever: Gives the vectors.
        strict: Whether a question that would be left out is an error.
        seed: Random seed of the halves, and of the sample where a language has more than `MOST` queries.

    Returns:
        Language -> its distance, in order of the tags.

    Raises:
        IsoglotError: The file is malformed, no language has enough of both, or the retriever gives no vectors.
    """
    if not isinstance(retriever, Encodes):
        raise IsoglotError(f"{retriever.describe().name}: encodes no texts; name a model that does")
    of_rows = [pair for row in rows for pair in row.query.items()]
    asked = read_queries(queries, frozenset(tag for tag, _ in of_rows), strict=strict)
    texts_of_rows, texts_asked = (_by_language(pairs, seed) for pairs in (of_rows, asked))
    shared = sorted(texts_of_rows.keys() & texts_asked.keys())
    if not shared:
        raise IsoglotError(f"{queries}: no language has {FEWEST} questions here and {FEWEST} queries in the rows")
    others = sorted(texts_of_rows.keys() - shared, key=lambda tag: -len(texts_of_rows[tag]))
    compared = shared if len(shared) > 1 else [*shared, *others[:1]]
    if len(compared) < 2:
        raise IsoglotError(
            f"the rows have {FEWEST} queries in {shared[0]} alone; a distance is measured by two languages"
        )
    means = {tag: _mean(_encoded(retriever, tag, texts_of_rows[tag])) for tag in compared}
    languages = float(np.mean([_distance(one, other) for one, other in combinations(means.values(), 2)]))
    distances = {}
    for tag in shared:
        vectors = _encoded(retriever, tag, texts_asked[tag])
        distances[tag] = QueryDistance(
            rows=len(texts_of_rows[tag]),
            questions=len(vectors),
            distance=_distance(means[tag], _mean(vectors)),
            halves=_between_halves(vectors, seed),
            languages=languages,
        )
    return distances


def _by_language(pairs: Iterable[tuple[str, str]], seed: int) -> dict[str, list[str]]:
    """Return language -> at most `MOST` of its distinct texts; languages with fewer than `FEWEST` are left out."""
    texts: dict[str, list[str]] = defaultdict(list)
    for tag, text in dict.fromkeys(pairs):
        texts[tag].append(text)
    return {
        tag: sorted(of_language, key=lambda text: stable_hash(text, seed))[:MOST]
        for tag, of_language in texts.items()
        if len(of_language) >= FEWEST
    }


def _encoded(retriever: Encodes, language: str, texts: Sequence[str]) -> Vectors:
    return retriever.encode(texts, "query", [language] * len(texts))


def _mean(vectors: Vectors) -> Floats:
    mean: Floats = vectors.mean(axis=0, dtype=np.float64)
    return mean


def _distance(one: Floats, other: Floats) -> float:
    return float(np.linalg.norm(one - other))


def _between_halves(vectors: Vectors, seed: int) -> float:
    generator, half = np.random.default_rng(seed), len(vectors) // 2
    orders = (generator.permutation(len(vectors)) for _ in range(SPLITS))
    return float(np.mean([_distance(_mean(vectors[order[:half]]), _mean(vectors[order[half:]])) for order in orders]))
