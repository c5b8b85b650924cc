"""Language lift: what vectors alone say of a language bias, without questions and labels. isoglot's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.evaluation.similarities import in_order
from isoglot.platform.arrays import Ints, Vectors
from isoglot.ranking.pools import Pool

NEIGHBOURS = 10
"""Nearest documents that are looked at."""
ASKED = 1000
"""Documents that stand in for questions at most, evenly over languages; a share is then known to about 2 points."""
FEW = 30
"""Documents of a language from which on neighbours in it say something."""
MOST_DOCUMENTS = 20_000
"""Documents of an audit among which neighbours are looked for at most."""
_BLOCK = 16_384


class LanguageLift(msgspec.Struct, frozen=True, kw_only=True):
    """The language lift of a language.

    Attributes:
        documents: Number of documents in the language.
        own: Share of their nearest neighbours in the same language, 0 to 100.
        lift: That share divided by the language's share of all other documents; 1: meaning alone decides.
    """

    documents: int
    own: float
    lift: float


def lift_of_pools(
    collection: Collection,
    pools: Sequence[Pool],
    vectors_at: Callable[[Ints, Ints], tuple[Vectors, Vectors]],
    seed: int,
) -> dict[str, LanguageLift]:
    """Find the language lift among the documents of pools; see `language_lift`.

    Args:
        collection: What the pools' positions point into.
        pools: The pools that are audited.
        vectors_at: Returns the (q, d) and (n, d) vectors of queries and documents at positions in the collection.
        seed: Random seed of the sample.
    """
    every = in_order([pool.documents for pool in pools])
    sample = np.random.default_rng(seed).permutation(every)[:MOST_DOCUMENTS]
    _, vectors = vectors_at(np.empty(0, dtype=np.int64), sample)
    return language_lift(vectors, [collection.named(collection.documents[at].language) for at in sample], seed)


def language_lift(vectors: Vectors, languages: Sequence[str], seed: int = 0) -> dict[str, LanguageLift]:
    """Find how often the nearest documents of a document are in its own language, over what chance would give.

    Args:
        vectors: (n, d) float32 vectors of documents, by whose inner products they are near.
        languages: The language of each.
        seed: Random seed of which documents are asked about.

    Returns:
        Language -> what was found; of languages with at least two documents. None where all are in one language.
    """
    tags, of, counts = _groups(languages)
    if len(tags) < 2 or counts.max() < 2:
        return {}
    asked = _spread(of, counts, seed)
    neighbours = of[_nearest(vectors, asked)]
    own = (neighbours == of[asked][:, None]).mean(axis=1)
    found = {}
    for number, tag in enumerate(tags):
        if counts[number] > 1:
            share = float(own[of[asked] == number].mean())
            others = int(counts[number]) - 1
            lift = share * (len(vectors) - 1) / others
            found[tag] = LanguageLift(documents=others + 1, own=round(100 * share, 3), lift=round(lift, 3))
    return found


def before_and_after(
    before: Vectors, after: Vectors, languages: Sequence[str], seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return the lift of each language in (n, d) unit vectors of documents, and in the same ones, changed."""
    found, changed = (language_lift(vectors, languages, seed) for vectors in (before, after))
    return {tag: (lift.lift, changed[tag].lift) for tag, lift in found.items()}


def neighbours_kept(before: Vectors, after: Vectors, languages: Sequence[str], seed: int = 0) -> dict[str, float]:
    """Find how many of a document's nearest in its own language stay among them when vectors are changed.

    What a transform must not lose, seen without questions and labels. isoglot's own.

    Args:
        before: (n, d) float32 vectors of documents.
        after: The same, changed.
        languages: The language of each.
        seed: Random seed of which documents are asked about.

    Returns:
        Language -> share of the `NEIGHBOURS` nearest that stay, 0 to 100; of languages with at least `FEW` documents.
    """
    tags, of, counts = _groups(languages)
    kept = {}
    for number in np.flatnonzero(counts >= FEW):
        inside = np.flatnonzero(of == number)
        asked = np.sort(np.random.default_rng(seed).permutation(len(inside))[: max(ASKED // len(tags), FEW)])
        nearest = [_nearest(vectors[inside], asked) for vectors in (before, after)]
        common = [len(np.intersect1d(*pair)) / len(pair[0]) for pair in zip(*nearest, strict=True)]
        kept[tags[number]] = round(100 * float(np.mean(common)), 3)
    return kept


def _groups(languages: Sequence[str]) -> tuple[list[str], Ints, Ints]:
    """The languages, the place of each document's among them, and how many documents each has."""
    tags, of = np.unique(np.array(languages, dtype=object).astype(str), return_inverse=True)
    return tags.tolist(), of, np.bincount(of, minlength=len(tags))


def _spread(of: Ints, counts: Ints, seed: int) -> Ints:
    """Positions of documents to ask about, as many of each language as of the others, as far as there are."""
    order = np.random.default_rng(seed).permutation(len(of))
    each = max(ASKED // len(counts), 1)
    chosen = [order[of[order] == number][:each] for number in np.flatnonzero(counts > 1)]
    return np.sort(np.concatenate(chosen))


def _nearest(vectors: Vectors, asked: Ints) -> Ints:
    """The positions of the nearest documents of each that is asked about, itself left out, (a, k)."""
    count = min(NEIGHBOURS, len(vectors) - 1)
    best: Vectors = np.full((len(asked), count), -np.inf, dtype=np.float32)
    places: Ints = np.zeros((len(asked), count), dtype=np.int64)
    rows = np.arange(len(asked))
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        scores = vectors[asked] @ block.T
        inside = (asked >= start) & (asked < start + len(block))
        scores[rows[inside], asked[inside] - start] = -np.inf
        all_scores = np.concatenate([best, scores], axis=1)
        all_places = np.concatenate(
            [places, np.broadcast_to(np.arange(start, start + len(block)), scores.shape)], axis=1
        )
        top = np.argpartition(-all_scores, count - 1, axis=1)[:, :count]
        best, places = np.take_along_axis(all_scores, top, axis=1), np.take_along_axis(all_places, top, axis=1)
    return places
