"""Balance: how one list of results is made of several languages' documents.

``none`` orders all documents by score.

``equal`` and ``proportional`` merge the languages' own lists by rank. ``equal`` lets the languages take turns: the best
document of every language, then the second best of every language, and so on. ``proportional`` gives each language its
share of the corpus in every beginning of the list: the r-th document of a language with n documents has the turn
(r - 1/2) / n (Webster's method). Of documents with the same turn the better score is first, then the smaller tie key.

``scaled`` orders by score, less what is usual for the document's language and this query:

    scaled(q, d) = score(q, d) - [w mean of the k best scores of d's language for q + (1 - w) mean of all its scores]

With a margin, what is usual for the query's own language is less by it, so that of documents that differ by less the
one in that language is first. The order within a language stays as it is. It is isoglot's own; its relatives are the
merging of result lists normalised by their best scores (Lin and Chen, CLEF 2002) and CSLS (Conneau et al., ICLR 2018,
equation 3), which subtracts the mean of the k best scores on both sides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoglot.platform.arrays import Floats, Ints, Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import known

BALANCES = ("none", "equal", "proportional", "scaled")
SCALED_K, SCALED_WEIGHT = 5, 0.7
"""The defaults of ``scaled``; docs/results/development.md says on which development data they were chosen."""

RARE = 100
"""`scaling_notes` names a language with less than one document in so many of another's."""

_GRID = 2.0**36
"""What is usual is rounded to 1 / _GRID, so that sums over parts in another order give the same."""
_GRAMMAR = re.compile(r"scaled\(k=(\d+), ?weight=(\d*\.?\d+)(?:, ?prefer=(\d*\.?\d+))?\)")


@dataclass(frozen=True)
class Balance:
    """A balance with its options.

    Attributes:
        name: One of `BALANCES`.
        k: ``scaled``: how many of a language's best scores are averaged, at least 1.
        weight: ``scaled``: the weight of that average against the mean of all scores of the language, from 0 to 1.
        prefer: ``scaled``: what documents in the query's language gain, in units of the scores, at least 0.

    Raises:
        IsoglotError: The name is unknown, or an option is out of range.
    """

    name: str
    k: int = SCALED_K
    weight: float = SCALED_WEIGHT
    prefer: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in BALANCES:
            raise IsoglotError(f"unknown balance {self.name!r}; choose {', '.join(BALANCES)}")
        if self.k < 1:
            raise IsoglotError(f"scaled balance: k is {self.k}; it must be at least 1")
        if not 0 <= self.weight <= 1:
            raise IsoglotError(f"scaled balance: the weight is {self.weight:g}; it must be from 0 to 1")
        if not 0 <= self.prefer < math.inf:
            raise IsoglotError(f"scaled balance: the margin is {self.prefer:g}; it must be 0 or more and finite")

    def __str__(self) -> str:
        """The text that `parse_balance` reads; options are named where they are not the defaults."""
        if self.name != "scaled" or (self.k, self.weight, self.prefer) == (SCALED_K, SCALED_WEIGHT, 0):
            return self.name
        prefer = f", prefer={np.format_float_positional(self.prefer, trim='-')}" if self.prefer else ""
        return f"scaled(k={self.k}, weight={self.weight:g}{prefer})"

    @property
    def by_language(self) -> bool:
        """Whether the best documents of each language are needed, instead of those of all languages together."""
        return self.name != "none"


@cache
def parse_balance(text: str) -> Balance:
    """Read a balance: one of `BALANCES`, ``scaled(k=5, weight=0.7)`` or ``scaled(k=5, weight=0.7, prefer=0.02)``.

    Raises:
        IsoglotError: The text names no balance, or an option is out of range.
    """
    options = _GRAMMAR.fullmatch(text)
    if options is None:
        return Balance(text)
    return Balance("scaled", int(options[1]), float(options[2]), float(options[3] or 0))


def scaling_notes(pools: Sequence[Mapping[str, int]], balance: str) -> tuple[str, ...]:
    """Say what ``scaled`` cannot know of some pools: a sentence for each kind of ignorance, none for other balances.

    Args:
        pools: Language -> number of documents, of each pool; pools of one language stay as they are.
        balance: As `parse_balance` reads it.
    """
    parsed = parse_balance(balance)
    if parsed.name != "scaled":
        return ()
    few, rare, unknown = {}, {}, {}
    for sizes in (sizes for sizes in pools if len(sizes) > 1):
        largest = max(sizes, key=lambda tag: sizes[tag])
        for tag, size in sizes.items():
            if 0 < size < parsed.k:
                few[tag] = f"{tag} ({size})"
            if 0 < size * RARE < sizes[largest]:
                rare[tag] = f"{tag} ({size} beside {sizes[largest]} in {largest})"
            if known(tag) is None:
                unknown[tag] = f"{tag or 'without a tag'} ({size})"
    kinds = {
        f"languages with fewer than {parsed.k} documents": (few, "What is usual for them is the mean of fewer scores."),
        f"languages with less than 1 in {RARE} of another's documents": (
            rare,
            "They may stand too high where only the other one has the answer.",
        ),
        "documents of no known language": (unknown, "They are scaled as if they were all in one language."),
    }
    return tuple(
        f"Scaled balance, {kind}: {', '.join(named.values())}. {meaning}"
        for kind, (named, meaning) in kinds.items()
        if named
    )


def turns(ranks: Ints, size: Any, balance: Balance) -> Floats:
    """When each document of a language's list has its turn in the merged list; smaller is earlier.

    Args:
        ranks: Ranks in the language's own list, from 1, of any shape.
        size: Number of documents of the language; a number, or an array that broadcasts against `ranks`.
        balance: ``equal`` or ``proportional``.
    """
    return np.asarray(ranks, dtype=np.float64) if balance.name == "equal" else (ranks - 0.5) / size


def merged_before(before: Ints, gold_languages: Ints, sizes: Ints, balance: Balance) -> Ints:
    """Count the documents of each language that stand before each gold in the merged list: (3, q, g, L).

    A gold with r documents of its own language above it has the turn of rank r + 1. Of another language with n
    documents, those whose turn is earlier are before it, and the one with the same turn, if there is one, where so
    many of that language score above the gold. So no list is needed, only counts.

    Args:
        before: (3, q, g, L) documents of each language that score above each gold (see `isoglot.ranking.task.Part`).
        gold_languages: (q, g) language numbers.
        sizes: (L,) number of documents of each language.
        balance: ``equal`` or ``proportional``.
    """
    in_language = np.take_along_axis(before, gold_languages[None, :, :, None], axis=3)
    if balance.name == "equal":
        earlier, same = in_language, in_language + 1
    else:  # turns are compared in whole numbers: (2 r - 1) / (2 n) against that of the gold's own language
        gold_sizes = sizes[gold_languages][None, :, :, None]
        twice = (2 * in_language + 1) * sizes + gold_sizes  # the rank with the same turn is twice / (2 gold_sizes)
        earlier = -(-twice // (2 * gold_sizes)) - 1
        same = np.where(twice % (2 * gold_sizes) == 0, earlier + 1, np.iinfo(np.int64).max)
    return np.asarray(np.minimum(earlier, sizes) + (before >= same))


def usual_scores(
    best: Sequence[Floats], totals: Floats, sizes: Ints, balance: Balance, query_language: int | None = None
) -> Floats:
    """What is usual for each language and query, less its margin, which ``scaled`` subtracts: (q, L).

    Args:
        best: For each language the best scores of each query, in descending order: (q, m); m is at least k, or all
            documents of the language. Those of minus infinity, which a query does not find, do not count.
        totals: (q, L) sums of all scores of each language.
        sizes: (L,) number of documents of each language; those with none get 0.
        balance: ``scaled``.
        query_language: The number of the queries' language, which has the margin; None: it is not among them.
    """
    margins = balance.prefer * (np.arange(len(sizes)) == (-1 if query_language is None else query_language))
    highest = np.stack([_mean_of_found(scores[:, : balance.k]) for scores in best])
    means = totals / np.maximum(sizes, 1)
    usual = balance.weight * highest.T + (1 - balance.weight) * means - margins
    return np.asarray(np.round(usual * _GRID) / _GRID)


def _mean_of_found(scores: Floats) -> Floats:
    """The mean (q,) of finite scores (q, m); 0 where there is none."""
    found = np.isfinite(scores)
    return np.asarray(np.where(found, scores, 0).sum(axis=1) / np.maximum(found.sum(axis=1), 1))


def merge_lists(
    lists: Sequence[tuple[Ints, Floats]], sizes: Ints, keys: Ints, balance: Balance, k: int, usual: Floats | None
) -> tuple[Ints, Floats]:
    """The positions (q, k) and scores (q, k) of the first `k` documents of the merged list.

    Args:
        lists: For each language the positions (q, m) and scores (q, m) of its best documents, best first.
        sizes: (L,) number of documents of each language.
        keys: (n,) tie keys of all documents.
        balance: Any but ``none``.
        k: Most documents.
        usual: (q, L) of `usual_scores` for ``scaled``, whose scores are returned less these; else None.
    """
    positions, scores = (np.concatenate(parts, axis=1) for parts in zip(*lists, strict=True))
    if usual is not None:
        scores = scores - np.repeat(usual, [found.shape[1] for found, _ in lists], axis=1)
        best_first = np.lexsort((keys[positions], -scores))[:, :k]
    else:
        ranks = [np.arange(1, found.shape[1] + 1) for found, _ in lists]
        turn = np.concatenate([turns(*of_language, balance) for of_language in zip(ranks, sizes, strict=True)])
        best_first = np.lexsort((keys[positions], -scores, np.broadcast_to(turn, positions.shape)))[:, :k]
    return np.take_along_axis(positions, best_first, axis=1), np.take_along_axis(scores, best_first, axis=1)


def dot(vectors: Vectors, vector: Vectors) -> Vectors:
    """The inner products of (n, d) vectors with one vector (d,): (n,).

    Equal rows give equal scores, wherever they stand: BLAS would round them by their position.
    """
    return np.asarray(np.einsum("ij,j->i", vectors, vector))


def compared(
    scores: Vectors | Floats, languages: Ints, sizes: Ints, balance: str, query_language: int | None = None
) -> tuple[NDArray[Any], str]:
    """The scores (n,) that are compared, and the balance by which: scaled scores are ordered as they are.

    Args:
        scores: (n,) of all passages of these languages.
        languages: (n,) numbers of their languages.
        sizes: (L,) number of passages of each language in the corpus.
        balance: As `parse_balance` reads it.
        query_language: As for `usual_scores`.
    """
    parsed = parse_balance(balance)
    if parsed.name != "scaled":
        return scores, balance
    return scaled(scores, languages, sizes, parsed, query_language), "none"


def order(scores: NDArray[Any], languages: Ints, sizes: Ints, balance: str, query_language: int | None = None) -> Ints:
    """All positions, best first: (n,). Of equal scores the earlier position is first.

    Args:
        scores: (n,) of the passages.
        languages: (n,) numbers of their languages.
        sizes: (L,) number of passages of each language in the corpus.
        balance: As `parse_balance` reads it.
        query_language: As for `usual_scores`.
    """
    scores, balance = compared(scores, languages, sizes, balance, query_language)
    by_score = np.argsort(-scores, kind="stable")
    if balance == "none":
        return by_score
    turn = np.empty(len(scores))
    for language in np.unique(languages):
        in_language = by_score[languages[by_score] == language]
        turn[in_language] = turns(np.arange(1, len(in_language) + 1), sizes[language], parse_balance(balance))
    return by_score[np.argsort(turn[by_score], kind="stable")]


def scaled(
    scores: Vectors | Floats, languages: Ints, sizes: Ints, balance: Balance, query_language: int | None = None
) -> Floats:
    """The scores (n,) of one query's passages, scaled: less what is usual for their languages.

    Args:
        scores: (n,) of all passages of these languages.
        languages: (n,) numbers of their languages.
        sizes: (L,) number of passages of each language in the corpus.
        balance: ``scaled``.
        query_language: As for `usual_scores`.
    """
    exact = scores.astype(np.float64)
    usual = np.zeros(len(sizes))
    for language in np.unique(languages):
        in_language = exact[languages == language]
        best = -np.sort(-_at_least(in_language, balance.k))[None, :]
        total = np.array([[in_language.sum()]])
        own = 0 if language == query_language else None
        usual[language] = usual_scores([best], total, np.array([len(in_language)]), balance, own)[0, 0]
    return np.asarray(exact - usual[languages])


def top(
    scores: NDArray[Any], languages: Ints, sizes: Ints, balance: str, k: int, query_language: int | None = None
) -> Ints:
    """The first `k` positions of `order`, without ordering the rest."""
    scores, balance = compared(scores, languages, sizes, balance, query_language)
    groups = (
        [np.arange(len(scores))]
        if balance == "none"
        else [np.flatnonzero(languages == number) for number in range(len(sizes))]
    )
    best = np.sort(np.concatenate([_at_least_kth(scores, group, k) for group in groups]))
    return best[order(scores[best], languages[best], sizes, balance)][:k]


def _at_least_kth(scores: NDArray[Any], group: Ints, k: int) -> Ints:
    """Those positions of a group whose scores are at least its k-th best."""
    if len(group) <= k:
        return group
    in_group = scores[group]
    return np.asarray(group[in_group >= np.partition(in_group, len(in_group) - k)[len(in_group) - k]])


def _at_least(scores: Floats, k: int) -> Floats:
    """The k best of (n,) scores, in no order; all if there are fewer."""
    return scores if len(scores) <= k else np.partition(scores, len(scores) - k)[len(scores) - k :]
