"""Exact ranks of gold documents and the exact top k, in blocks of bounded memory.

A gold's rank is 1 + the number of documents that score above it: no index, no approximation. Scores are inner products.
Blocks of them come from a float32 matrix product; where its rounding could decide, they are computed again in float64
(`isoglot.ranking.blocks`). So a ranking depends on the vectors alone, identical vectors always tie, and ties are
ordered by the pool's tie keys. Documents can be ranked in parts, on any machine, and the parts joined.

With a balance, ranks in the merged list come from the same counts, by language (`isoglot.ranking.balance`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoglot.platform.arrays import Floats, Ints, Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.blocks import WIDTH, Given, check_finite
from isoglot.ranking.parts import BLOCK_BYTES, exact_gold_scores, join, rank_part, stack_parts
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.ranking.task import RankingTask
from isoglot.ranking.walks import count_part, count_scaled


def rank(
    queries: Vectors,
    documents: NDArray[Any],
    golds: Ints,
    *,
    languages: Ints | None = None,
    tie_keys: Ints | None = None,
    balance: str = "none",
    top_k: int = 10,
    ignored: Ints | None = None,
    query_language: int | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Ranking:
    """Rank every document for every query by inner product.

    Args:
        queries: (q, d) float32.
        documents: (n, d) float16, float32 or int8; may be mapped from a file, it is read block by block.
        golds: (q, g) positions of the gold documents, filled up with -1; at least one a query.
        languages: (n,) language numbers from 0, not decreasing; None: one language.
        tie_keys: (n,) distinct numbers, smaller ranks first among equal scores; None: the documents' order.
        balance: How the languages' lists are merged, as `parse_balance` reads it.
        top_k: How many of the best documents to return; 0: none.
        ignored: (q,) positions of documents that their queries do not find, -1 for none; None: none at all.
        query_language: The number of the queries' language, which ``scaled`` may prefer; None: no document is in it.
        block_bytes: About how much memory a block of scores may take; the result does not depend on it.

    Raises:
        IsoglotError: A vector is not finite, the pool is empty, or the balance is unknown.
    """
    if not len(documents) or not len(queries):
        raise IsoglotError("the pool is empty: there is nothing to rank")
    check_finite(queries, "query")
    task = RankingTask(
        golds,
        len(documents),
        languages=languages,
        tie_keys=tie_keys,
        balance=balance,
        top_k=top_k,
        ignored=ignored,
        query_language=query_language,
    )
    gold_scores = exact_gold_scores(queries, documents, golds)
    return join([rank_part(queries, documents, task, gold_scores, block_bytes=block_bytes)], task)


def rank_pool(
    score: Callable[[int, int], Vectors | Floats], pool: Pool, *, balance: str = "none", top_k: int = 10
) -> Ranking:
    """Rank every document of a pool for each of its queries by any scores; see `rank_scores`.

    Args:
        score: Returns the (end - start, n) scores of all documents for the queries from start to end.
        pool: The pool.
        balance: How the languages' lists are merged, as `parse_balance` reads it.
        top_k: How many of the best documents to return; 0: none.

    Raises:
        IsoglotError: The balance is unknown.
    """
    return rank_scores(
        score,
        pool.golds,
        languages=pool.document_languages,
        tie_keys=pool.tie_keys,
        balance=balance,
        top_k=top_k,
        ignored=pool.ignored,
        query_language=pool.query_language_number,
    )


def rank_scores(
    score: Callable[[int, int], Vectors | Floats],
    golds: Ints,
    *,
    languages: Ints,
    tie_keys: Ints,
    balance: str = "none",
    top_k: int = 10,
    ignored: Ints | None = None,
    query_language: int | None = None,
) -> Ranking:
    """Rank every document for every query by any scores.

    Args:
        score: Returns the (end - start, n) scores of all documents for the queries from start to end, in float32 or
            float64.
        golds: (q, g) positions of the gold documents, filled up with -1; at least one a query.
        languages: (n,) language numbers from 0, not decreasing.
        tie_keys: (n,) distinct numbers, smaller ranks first among equal scores.
        balance: How the languages' lists are merged, as `parse_balance` reads it.
        top_k: How many of the best documents to return; 0: none.
        ignored: As for `rank`.
        query_language: As for `rank`.

    Raises:
        IsoglotError: The balance is unknown.
    """
    task = RankingTask(
        golds,
        len(languages),
        languages=languages,
        tie_keys=tie_keys,
        balance=balance,
        top_k=top_k,
        ignored=ignored,
        query_language=query_language,
    )
    step = max(1, BLOCK_BYTES // (4 * len(languages)))
    parts = []
    for start in range(0, len(golds), step):
        block_golds = golds[start : start + step]
        given = score(start, start + len(block_golds))
        scores = Given(given if task.ignored is None else given.copy())  # of which blocks are changed
        gold_scores = np.full(block_golds.shape, -np.inf)
        present = np.nonzero(block_golds >= 0)
        gold_scores[present] = scores.exact(present[0], block_golds[present])
        found = task.found(scores, slice(start, start + len(block_golds)))
        if task.balance.name == "scaled":
            totals = scores.totals(task.bounds)
            parts.append(count_scaled(found, WIDTH, task, block_golds, gold_scores, totals))
        else:
            parts.append(count_part(found, WIDTH, task, block_golds, gold_scores))
    return join([stack_parts(parts)], task)
