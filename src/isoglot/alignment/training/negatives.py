"""Hard negatives, equal over languages: mined with the model's own vectors (isoglot's own).

The best-scoring wrong candidates are mostly in the query's language, and training on them would push that language
away. So the language of each negative is set beforehand, in turn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isoglot.platform.arrays import Bools, Ints, Vectors
from isoglot.platform.errors import IsoglotError

BLOCK_BYTES = 128 * 2**20
NEAR_DUPLICATE = 0.99
"""The cosine similarity to a gold from which a candidate counts as a copy of it."""

_LAST_RESORT = -2.0  # below any score


def mine(
    queries: Vectors,
    content_ids: Sequence[str],
    candidates: Vectors,
    candidate_contents: Sequence[str],
    candidate_languages: Sequence[str],
    *,
    count: int,
    seed: int,
    max_score_share: float = 0.95,
    block_bytes: int = BLOCK_BYTES,
) -> Ints:
    """For each query, choose candidates of other contents that score high, each language the same number of times.

    Candidates are whatever the loss contrasts: documents, or other queries. A query's golds are the candidates of its
    content. Each of its places is given a language, in turn and in a random order, and takes the best-scoring candidate
    in that language that is of another content, repeats no gold (`NEAR_DUPLICATE`), was not taken for this query yet,
    and scores at most `max_score_share` of what the query's best gold scores: above it, unlabelled answers are likely
    ("TopK-PercPos" of NV-Retriever, arXiv 2407.15831; here, a negative score of the gold allows less than that score).
    If a language has no such candidate, the place goes to the next language; if none has, to the lowest-scoring
    candidate of another content that repeats no gold.

    Args:
        queries: Unit vectors, (n, d).
        content_ids: The content of each of the n queries.
        candidates: Unit vectors, (m, d).
        candidate_contents: The content of each of the m candidates.
        candidate_languages: The language tag of each of the m candidates.
        count: Negatives of each query, at least 1.
        seed: Random seed for the order of the languages.
        max_score_share: The most that a negative scores, as a share of the best gold's score, in (0, 1].
        block_bytes: About how much memory a block of scores may take.

    Returns:
        Positions of candidates, (n, count).

    Raises:
        IsoglotError: `count` or `max_score_share` is out of range, the candidates are of fewer than two contents, or a
            query has no gold or too few candidates of other contents.
    """
    if count < 1:
        raise IsoglotError(f"{count} hard negatives for a query; it must be at least 1")
    if not 0 < max_score_share <= 1:
        raise IsoglotError(f"max score share is {max_score_share}; it must be above 0 and at most 1")
    if len(set(candidate_contents)) < 2:
        raise IsoglotError("hard negatives need at least two contents, else there is nothing to choose from")
    order = np.argsort(candidate_languages, kind="stable")
    candidates = candidates[order]
    _, starts = np.unique(np.asarray(candidate_languages)[order], return_index=True)
    _, contents = np.unique([*content_ids, *candidate_contents], return_inverse=True)
    query_contents, contents_of_candidates = contents[: len(queries)], contents[len(queries) :][order]
    turns = _turns(len(queries), count, len(starts), seed)
    negatives = np.empty((len(queries), count), dtype=np.int64)
    block_size = max(1, block_bytes // (16 * len(candidates)))
    for start in range(0, len(queries), block_size):
        block = slice(start, start + block_size)
        is_gold = query_contents[block, None] == contents_of_candidates
        preferences = _preferences(queries[block] @ candidates.T, is_gold, max_score_share)
        for query, (preference, gold) in enumerate(zip(preferences, is_gold, strict=True), start=start):
            if not gold.any():
                raise IsoglotError(f"hard negatives: content {content_ids[query]!r} has no candidate of its own")
            for place, turn in enumerate(turns[query]):
                chosen = _take(preference, starts, int(turn), candidates, candidates[gold])
                if chosen is None:
                    raise IsoglotError(
                        f"hard negatives: content {content_ids[query]!r} has {place} candidates of other contents that "
                        f"do not repeat it; {count} are wanted"
                    )
                negatives[query, place] = order[chosen]
    return negatives


def _turns(queries: int, count: int, languages: int, seed: int) -> Ints:
    """Language numbers, (queries, count): round by round, each language once in every round and in random order."""
    rounds = np.tile(np.arange(languages), (-(-queries * count // languages), 1))
    shuffled = np.random.default_rng(seed).permuted(rounds, axis=1)
    return shuffled.ravel()[: queries * count].reshape(queries, count)


def _preferences(scores: Vectors, is_gold: Bools, max_score_share: float) -> Vectors:
    """(b, m): scores that are low enough; others below `_LAST_RESORT`, the lowest score preferred; golds -inf."""
    best = np.where(is_gold, scores, -np.inf).max(axis=1, keepdims=True)
    highest = best - (1 - max_score_share) * np.abs(best)
    return np.where(is_gold, -np.inf, np.where(scores <= highest, scores, 2 * _LAST_RESORT - scores))


def _take(preference: Vectors, starts: Ints, turn: int, candidates: Vectors, golds: Vectors) -> int | None:
    """Take the most preferred candidate of the language whose turn it is; None if no candidate is left.

    It is set to -inf in `preference`, so that it is not taken again.
    """
    while (best := np.maximum.reduceat(preference, starts)).max() > -np.inf:
        usable = best > _LAST_RESORT
        if usable.any():
            language = (turn + int(np.roll(usable, -turn).argmax())) % len(starts)
            begin, end = starts[language], [*starts[1:], len(preference)][language]
        else:
            begin, end = 0, len(preference)
        position = int(begin + preference[begin:end].argmax())
        preference[position] = -np.inf
        if (golds @ candidates[position]).max() < NEAR_DUPLICATE:
            return position
    return None
