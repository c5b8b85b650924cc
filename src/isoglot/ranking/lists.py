"""Rankings out of ordered lists, one a query, which may end before the last document of the pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isoglot.platform.arrays import Floats, Ints
from isoglot.ranking.balance import compared, order
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import BEYOND, Ranking, Stage


@dataclass(frozen=True)
class RankedList:
    """The list of one query.

    Attributes:
        positions: (m,) positions of documents in the pool, best first.
        scores: (m,) their scores.
        hidden: Number of documents that the system ranked and that do not count: the query itself.
    """

    positions: Ints
    scores: Floats
    hidden: int = 0

    def first(self, depth: int) -> RankedList:
        """The first documents of the list."""
        return RankedList(self.positions[:depth], self.scores[:depth], self.hidden)


def ordered_list(positions: Ints, scores: Floats, pool: Pool, balance: str, hidden: int = 0) -> RankedList:
    """Order the documents that a system found for one query, ties by the pool's tie keys.

    With a balance, the list is merged out of the languages' lists as they were found. What is usual for a language is
    the mean of its best k scores in the list, or of all if it has fewer there.

    Args:
        positions: (m,) positions in the pool, in any order.
        scores: (m,) their scores.
        pool: The pool.
        balance: As `isoglot.ranking.balance.parse_balance` reads it.
        hidden: As `RankedList.hidden`.
    """
    by_key = np.argsort(pool.tie_keys[positions])
    positions, scores = positions[by_key], np.asarray(scores, dtype=np.float64)[by_key]
    languages, sizes = pool.document_languages[positions], language_sizes(pool)
    own = pool.query_language_number
    best_first = order(scores, languages, sizes, balance, own)
    return RankedList(positions[best_first], compared(scores, languages, sizes, balance, own)[0][best_first], hidden)


def language_sizes(pool: Pool) -> Ints:
    """(L,) number of the pool's documents in each language."""
    return np.bincount(pool.document_languages, minlength=len(pool.languages))


def rank_lists(lists: Sequence[RankedList], pool: Pool, top_k: int, stages: Sequence[Stage] = ()) -> Ranking:
    """The ranking of a pool out of the list of each of its q queries.

    A document's rank is its place in the list. Of a document that is not in it, all that is known is that it stands
    behind the end.

    Args:
        lists: q lists.
        pool: The pool.
        top_k: How many of the best documents to return.
        stages: What a pipeline's stages found before.
    """
    width = min(top_k, max(len(each.positions) for each in lists))
    ranks = np.where(pool.golds >= 0, BEYOND, 0)
    tied = np.zeros(ranks.shape, dtype=bool)
    top = np.full((len(lists), width), -1)
    top_scores = np.full(top.shape, np.nan, dtype=np.float32)
    above = np.zeros((len(lists), len(pool.languages)), dtype=np.int64)
    for row, each in enumerate(lists):
        shown = min(width, len(each.positions))
        top[row, :shown], top_scores[row, :shown] = each.positions[:width], each.scores[:width]
        for column, gold in enumerate(pool.golds[row]):
            places = np.flatnonzero(each.positions == gold)
            if len(places):
                ranks[row, column] = places[0] + 1
                tied[row, column] = np.count_nonzero(each.scores == each.scores[places[0]]) > 1
        others = each.positions[: ranks[row].max()]
        others = others[~np.isin(others, pool.golds[row])]
        above[row] = np.bincount(pool.document_languages[others], minlength=len(pool.languages))
    ranked = np.array([len(each.positions) + each.hidden for each in lists], dtype=np.int64)
    return Ranking(
        gold_ranks=ranks,
        gold_tied=tied,
        top=top,
        top_scores=top_scores,
        above=above,
        ranked=ranked,
        stages=tuple(stages),
    )
