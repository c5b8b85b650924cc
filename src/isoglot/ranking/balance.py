"""The order of passages by their scores: plain, or with a share of the results for each language."""

from __future__ import annotations

import numpy as np

from isoglot.platform.arrays import Ints, Vectors
from isoglot.platform.errors import IsoglotError

BALANCES = ("none", "equal", "proportional")


def check_balance(balance: str) -> None:
    """Refuse an unknown way to balance.

    Raises:
        IsoglotError: It is none of `BALANCES`.
    """
    if balance not in BALANCES:
        raise IsoglotError(f"unknown balance {balance!r}; choose {', '.join(BALANCES)}")


def dot(vectors: Vectors, vector: Vectors) -> Vectors:
    """(n,) the product of each of (n, d) vectors with a vector (d,).

    Equal rows give equal scores, wherever they stand: BLAS would round them by their position.
    """
    return np.asarray(np.einsum("ij,j->i", vectors, vector))


def order(scores: Vectors, languages: Ints, sizes: Ints, balance: str) -> Ints:
    """(n,) positions, best first; of equal scores the earlier position is first.

    ``none`` orders by score. ``equal`` merges the languages' own lists by rank: the best of every language, then the
    second best of every language, and so on (as ``isoglot.ranking.exact``). ``proportional`` merges them so that every
    beginning of the list holds each language as often as the corpus does: the r-th passage of a language with n
    passages stands at (r - 1/2) / n (Webster's method). Of two that have the same turn, the better score is first.

    Args:
        scores: (n,) of the passages.
        languages: (n,) numbers of their languages.
        sizes: (L,) how many passages each language has in the corpus.
        balance: One of `BALANCES`.
    """
    by_score = np.argsort(-scores, kind="stable")
    if balance == "none":
        return by_score
    turns = np.empty(len(scores))
    for language in np.unique(languages):
        own = by_score[languages[by_score] == language]
        ranks = np.arange(1, len(own) + 1)
        turns[own] = ranks if balance == "equal" else (ranks - 0.5) / sizes[language]
    return by_score[np.argsort(turns[by_score], kind="stable")]


def top(scores: Vectors, languages: Ints, sizes: Ints, balance: str, k: int) -> Ints:
    """The first k positions of `order`, without ordering the rest."""
    groups = (
        [np.arange(len(scores))] if balance == "none" else [np.flatnonzero(languages == n) for n in range(len(sizes))]
    )
    best = np.sort(np.concatenate([_at_least_kth(scores, group, k) for group in groups]))
    return best[order(scores[best], languages[best], sizes, balance)][:k]


def _at_least_kth(scores: Vectors, group: Ints, k: int) -> Ints:
    if len(group) <= k:
        return group
    own = scores[group]
    return np.asarray(group[own >= np.partition(own, len(own) - k)[len(own) - k]])
