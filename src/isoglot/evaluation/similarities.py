"""How similar questions are to documents, related and not, and what a cut-off for one model is for another.

Alignment moves all cosines, so a threshold on them has to move too. The sample, its kinds and the matching of cut-offs
are isoglot's own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.platform.arrays import Bools, Floats, Ints, Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.pools import Pool

SAMPLE = 320
"""The most queries, and the most documents, of which every pair is compared: about 100,000 pairs."""

RELEVANT_SAMPLE = 5_000
"""The most pairs of a sampled query and a relevant document, of each kind."""

PERCENTS = (0, 0.1, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 100)
"""The quantiles that are kept: closer in the upper tail, in which the cut-offs of a search lie."""


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """The cosines of a sample of pairs.

    Attributes:
        pairs: Number of pairs.
        mean: Mean cosine.
        quantiles: Percent, such as ``"99.9"`` -> cosine below which that share of the pairs lies.

    Raises:
        ValueError: A percent is no number, or there is none; msgspec makes a ValidationError of it.
    """

    pairs: int
    mean: float
    quantiles: dict[str, float]

    def __post_init__(self) -> None:
        if not [float(percent) for percent in self.quantiles]:
            raise ValueError("there are no quantiles")

    @classmethod
    def of(cls, cosines: Floats) -> Distribution | None:
        """The distribution of cosines; None of no pairs. Six digits are kept."""
        if not len(cosines):
            return None
        values = np.quantile(cosines, np.array(PERCENTS) / 100).round(6).tolist()
        return cls(
            pairs=len(cosines),
            mean=round(float(cosines.mean()), 6),
            quantiles={f"{percent:g}": value for percent, value in zip(PERCENTS, values, strict=True)},
        )

    def share_above(self, cutoff: float) -> float:
        """The share of pairs, in percent, whose cosine is above a cut-off; interpolated between quantiles."""
        percents = [float(percent) for percent in self.quantiles]
        return 100 - float(np.interp(cutoff, list(self.quantiles.values()), percents, left=0, right=100))


class Similarities(msgspec.Struct, frozen=True, kw_only=True):
    """The cosines of queries with documents, by kind of document; None where there is no such pair.

    Attributes:
        unrelated: With irrelevant documents, in any language.
        unrelated_same: With irrelevant documents in the query's language.
        unrelated_cross: With irrelevant documents in other languages.
        relevant_same: With relevant documents in the query's language.
        relevant_cross: With relevant documents in other languages.
    """

    unrelated: Distribution | None = None
    unrelated_same: Distribution | None = None
    unrelated_cross: Distribution | None = None
    relevant_same: Distribution | None = None
    relevant_cross: Distribution | None = None


def new_cutoff(cutoff: float, before: Similarities, after: Similarities) -> float:
    """The cut-off after a change that lets through the same share of unrelated documents as one did before it.

    Quantiles of all unrelated pairs, in any language, are matched, and interpolated between; -1 and 1 stay.

    Args:
        cutoff: A cosine, from -1 to 1.
        before: The similarities that the cut-off was made for.
        after: Those that it is wanted for.

    Raises:
        IsoglotError: The cut-off is out of range, or there are no unrelated pairs.
    """
    if not -1 <= cutoff <= 1:
        raise IsoglotError(f"the cut-off is {cutoff:g}; a cosine is from -1 to 1")
    if before.unrelated is None or after.unrelated is None:
        raise IsoglotError("there are no unrelated pairs of a query and a document, by which a cut-off can be found")
    old, new = before.unrelated.quantiles, after.unrelated.quantiles
    shared = [percent for percent in old if percent in new]
    known, wanted = ([-1.0, *(quantiles[percent] for percent in shared), 1.0] for quantiles in (old, new))
    return float(np.interp(cutoff, known, wanted))


def sample_similarities(
    collection: Collection,
    pools: Sequence[Pool],
    vectors_at: Callable[[Ints, Ints], tuple[Vectors, Vectors]],
    seed: int,
) -> Similarities:
    """Compare a sample of the pools' queries with a sample of their documents, and with documents relevant to them.

    Equal for all models that are asked the same pools with the same seed: the same pairs are compared.

    Args:
        collection: What the pools' positions point into.
        pools: The pools that are audited.
        vectors_at: Returns the (q, d) and (n, d) vectors of queries and documents at positions in the collection.
        seed: Random seed of the sample.
    """
    generator = np.random.default_rng(seed)
    queries = generator.permutation(in_order([pool.queries for pool in pools]))[:SAMPLE]
    every = in_order([pool.documents for pool in pools])
    documents = generator.permutation(every)[:SAMPLE]
    pairs, pairs_same = _relevant_pairs(collection, queries, every, generator)
    places = np.union1d(documents, pairs[:, 1])
    query_vectors, document_vectors = map(_unit, vectors_at(queries, places))
    cosines = query_vectors @ document_vectors[np.searchsorted(places, documents)].T
    related, same = _relations(collection, queries, documents)
    relevant = np.einsum("pd,pd->p", query_vectors[pairs[:, 0]], document_vectors[np.searchsorted(places, pairs[:, 1])])
    return Similarities(
        unrelated=Distribution.of(cosines[~related]),
        unrelated_same=Distribution.of(cosines[~related & same]),
        unrelated_cross=Distribution.of(cosines[~related & ~same]),
        relevant_same=Distribution.of(relevant[pairs_same]),
        relevant_cross=Distribution.of(relevant[~pairs_same]),
    )


def in_order(positions: Sequence[Ints]) -> Ints:
    """All positions, each once, in the order of the pools, which does not depend on the collection's order."""
    every = np.concatenate(positions)
    _, first = np.unique(every, return_index=True)
    return every[np.sort(first)]


def _relevant_pairs(
    collection: Collection, queries: Ints, documents: Ints, generator: np.random.Generator
) -> tuple[Ints, Bools]:
    """(p, 2) number of a query and position of a document relevant to it, and (p,) whether they share a language."""
    asked = [collection.queries[at] for at in queries]
    golds = [dict.fromkeys(collection.golds[query.query_id]) for query in asked]
    places: dict[str, list[int]] = defaultdict(list)
    wanted = set().union(*golds)
    for at in documents.tolist():
        if (content := collection.documents[at].content_id) in wanted:
            places[content].append(at)
    kinds: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for number, query in enumerate(asked):
        for at in (at for content in golds[number] for at in places[content]):
            if _is_itself(collection, query, collection.documents[at]):
                continue
            kinds[collection.documents[at].language == query.language].append((number, at))
    same, cross = (
        generator.permutation(np.array(pairs, dtype=np.int64).reshape(-1, 2))[:RELEVANT_SAMPLE]
        for pairs in kinds.values()
    )
    return np.concatenate([same, cross]), np.arange(len(same) + len(cross)) < len(same)


def _relations(collection: Collection, queries: Ints, documents: Ints) -> tuple[Bools, Bools]:
    """(q, n) whether a document is relevant to a query, or it itself, and whether it is in the query's language."""
    asked, found = [collection.queries[at] for at in queries], [collection.documents[at] for at in documents]
    related = [
        [d.content_id in golds or _is_itself(collection, query, d) for d in found]
        for query, golds in ((query, collection.golds[query.query_id]) for query in asked)
    ]
    same = [[d.language == query.language for d in found] for query in asked]
    return np.array(related, dtype=bool), np.array(same, dtype=bool)


def _is_itself(collection: Collection, query: Query, document: Document) -> bool:
    """Whether a document is a query itself, which is no pair of either kind."""
    version = collection.identical.get((query.query_id, query.language))
    return version == (document.content_id, document.language)


def _unit(vectors: Vectors) -> Floats:
    """The vectors in double precision, of unit length or zero, so that six digits of a cosine depend on no machine."""
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.asarray(exact / np.where(lengths == 0, 1, lengths))
