"""What is to be ranked, and what some of a pool's documents add to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoglot.platform.arrays import Floats, Ints
from isoglot.ranking.balance import parse_balance
from isoglot.ranking.blocks import Scores, Without


class RankingTask:
    """What is to be ranked: a pool of n documents in L languages, and the golds of q queries.

    Args:
        golds: (q, g) positions of the gold documents, filled up with -1.
        n: Number of documents.
        languages: (n,) language numbers from 0, not decreasing; None: one language.
        tie_keys: (n,) distinct numbers, smaller ranks first among equal scores; None: the documents' order.
        balance: As `parse_balance` reads it.
        top_k: How many of the best documents to return; 0: none.
        ignored: (q,) positions of documents that their queries do not find, -1 for none; None: none at all.
        query_language: The number of the queries' language, which ``scaled`` may prefer; None: no document is in it.

    Attributes:
        bounds: (L + 1,) where each language's documents begin, and n.
        sizes: (L,) number of documents of each language.
        keys: (n,) tie keys.
        depth: How many of the best documents each part has to return (of each language, with a balance).

    Raises:
        IsoglotError: The balance is unknown.
    """

    def __init__(
        self,
        golds: Ints,
        n: int,
        *,
        languages: Ints | None = None,
        tie_keys: Ints | None = None,
        balance: str = "none",
        top_k: int = 10,
        ignored: Ints | None = None,
        query_language: int | None = None,
    ) -> None:
        self.ignored = ignored if ignored is not None and (ignored >= 0).any() else None
        self.query_language = query_language
        self.golds, self.balance, self.top_k = golds, parse_balance(balance), min(top_k, n)
        self.bounds = _language_bounds(np.zeros(n, dtype=np.int64) if languages is None else languages)
        self.sizes = np.diff(self.bounds)
        self.keys = np.arange(n) if tie_keys is None else tie_keys
        self.depth = max(self.top_k, self.balance.k) if self.balance.name == "scaled" else self.top_k

    def found(self, scores: Scores, rows: slice, positions: Ints | None = None) -> Scores:
        """The scores of some queries, of which none finds the document that it ignores."""
        return scores if self.ignored is None else Without(scores, self.ignored[rows], positions)

    @property
    def gold_languages(self) -> Ints:
        """(q, g) language numbers of the golds; of -1 that of the last document."""
        return self.languages_of(self.golds)

    def languages_of(self, positions: Ints) -> Ints:
        """Language numbers of documents at these positions; of -1 that of the last document."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)[positions]


@dataclass(frozen=True)
class Peaks:
    """What some of a pool's documents tell about the usual scores of each language, for q queries.

    Attributes:
        tops: The best of these documents: (q, m) positions and scores, of each language; without a balance of all.
        totals: (q, L) sums of the scores of each language; None unless the balance is ``scaled``.
    """

    tops: tuple[tuple[Ints, Floats], ...]
    totals: Floats | None = None


@dataclass(frozen=True)
class Part:
    """What some of a pool's documents add to the ranking of q queries.

    Attributes:
        before: (3, q, g, L) number of documents of each language before each gold: if it won all ties, if the keys
            decide, if it lost all ties.
        peaks: The best of these documents; None where they were found before.
    """

    before: Ints
    peaks: Peaks | None


def _language_bounds(languages: Ints) -> Ints:
    """Where each language's documents begin, and n: (L + 1,)."""
    if np.any(np.diff(languages) < 0):
        raise ValueError("documents must be grouped by language")
    return np.searchsorted(languages, np.arange(languages[-1] + 2)).astype(np.int64)
