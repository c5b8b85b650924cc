"""Balance: how one list of results is made of several languages' documents.

``none`` orders all documents by score. The others merge the languages' own lists. ``equal`` lets the languages take
turns: the best document of every language, then the second best of every language, and so on. ``proportional`` gives
each language its share of the corpus in every beginning of the list: the r-th document of a language with n documents
has the turn (r - 1/2) / n (Webster's method). Of documents with the same turn the better score is first, then the
smaller tie key.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoglot.platform.arrays import Floats, Ints, Vectors
from isoglot.platform.errors import IsoglotError

BALANCES = ("none", "equal", "proportional")


def check_balance(balance: str) -> None:
    """Refuse an unknown balance.

    Raises:
        IsoglotError: `balance` is none of `BALANCES`.
    """
    if balance not in BALANCES:
        raise IsoglotError(f"unknown balance {balance!r}; choose {', '.join(BALANCES)}")


def turns(ranks: Ints, size: Any, balance: str) -> Floats:
    """When each document of a language's list has its turn in the merged list; smaller is earlier.

    Args:
        ranks: Ranks in the language's own list, from 1, of any shape.
        size: How many documents the language has; a number or an array that broadcasts against `ranks`.
        balance: ``equal`` or ``proportional``.
    """
    return np.asarray(ranks, dtype=np.float64) if balance == "equal" else (ranks - 0.5) / size


def merged_before(before: Ints, gold_languages: Ints, sizes: Ints, balance: str) -> Ints:
    """How many documents of each language stand before each gold in the merged list: (3, q, g, L).

    A gold with r documents of its own language above it has the turn of rank r + 1. Of another language with n
    documents, those whose turn is earlier are before it, and the one with the same turn, if there is one, where so
    many of that language score above the gold. So no list is needed, only counts.

    Args:
        before: (3, q, g, L) how many documents of each language score above each gold (see `Part`).
        gold_languages: (q, g) language numbers.
        sizes: (L,) how many documents each language has.
        balance: ``equal`` or ``proportional``.
    """
    own = np.take_along_axis(before, gold_languages[None, :, :, None], axis=3)
    if balance == "equal":
        earlier, same = own, own + 1
    else:  # turns are compared in whole numbers: (2 r - 1) / (2 n) < (2 r_own - 1) / (2 n_own)
        own_size = sizes[gold_languages][None, :, :, None]
        twice = (2 * own + 1) * sizes + own_size  # the rank of the same turn is twice / (2 n_own)
        earlier = -(-twice // (2 * own_size)) - 1
        same = np.where(twice % (2 * own_size) == 0, earlier + 1, np.iinfo(np.int64).max)
    return np.asarray(np.minimum(earlier, sizes) + (before >= same))


def merge_lists(lists: list[tuple[Ints, Floats]], sizes: Ints, keys: Ints, balance: str, k: int) -> tuple[Ints, Floats]:
    """The first `k` of the merged list, for each of q queries.

    Args:
        lists: For each language the positions (q, m) and scores (q, m) of its best documents, best first.
        sizes: (L,) how many documents each language has.
        keys: (n,) tie keys of all documents.
        balance: ``equal`` or ``proportional``.
        k: How many at most.
    """
    top, scores = (np.concatenate(parts, axis=1) for parts in zip(*lists, strict=True))
    turn = np.concatenate(
        [turns(np.arange(1, found.shape[1] + 1), size, balance) for (found, _), size in zip(lists, sizes, strict=True)]
    )
    order_ = np.lexsort((keys[top], -scores, np.broadcast_to(turn, top.shape)))[:, :k]
    return np.take_along_axis(top, order_, axis=1), np.take_along_axis(scores, order_, axis=1)


def dot(vectors: Vectors, vector: Vectors) -> Vectors:
    """The inner products of (n, d) vectors with one vector (d,): (n,).

    Equal rows give equal scores, wherever they stand: BLAS would round them by their position.
    """
    return np.asarray(np.einsum("ij,j->i", vectors, vector))


def order(scores: Vectors, languages: Ints, sizes: Ints, balance: str) -> Ints:
    """All positions, best first: (n,). Of equal scores the earlier position is first.

    Args:
        scores: (n,) of the passages.
        languages: (n,) numbers of their languages.
        sizes: (L,) how many passages each language has in the corpus.
        balance: One of `BALANCES`.
    """
    by_score = np.argsort(-scores, kind="stable")
    if balance == "none":
        return by_score
    turn = np.empty(len(scores))
    for language in np.unique(languages):
        own = by_score[languages[by_score] == language]
        turn[own] = turns(np.arange(1, len(own) + 1), sizes[language], balance)
    return by_score[np.argsort(turn[by_score], kind="stable")]


def top(scores: Vectors, languages: Ints, sizes: Ints, balance: str, k: int) -> Ints:
    """The first `k` positions of `order`, without ordering the rest."""
    groups = (
        [np.arange(len(scores))] if balance == "none" else [np.flatnonzero(languages == n) for n in range(len(sizes))]
    )
    best = np.sort(np.concatenate([_at_least_kth(scores, group, k) for group in groups]))
    return best[order(scores[best], languages[best], sizes, balance)][:k]


def _at_least_kth(scores: NDArray[Any], group: Ints, k: int) -> Ints:
    if len(group) <= k:
        return group
    own = scores[group]
    return np.asarray(group[own >= np.partition(own, len(own) - k)[len(own) - k]])
