"""Hard negatives, equal over languages: mined with the model's own vectors (isoglot's own).

If they were simply the best-scoring wrong candidates, most would be in the query's language, and what training then
pushes away is that language: so each negative's language is set beforehand, in turn.
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
    """For each query, candidates of other contents that score high, each language the same number of times.

    Candidates are whatever the loss contrasts: documents, or other queries. A query's golds are the candidates of its
    content. Each of its places is given a language, in turn and in a random order, and takes the best-scoring candidate
    in that language that is of another content, repeats no gold (`NEAR_DUPLICATE`), was not taken for this query yet,
    and scores at most `max_score_share` of what the query's best gold scores: above it, unlabelled answers are likely
    ("TopK-PercPos" of NV-Retriever, arXiv 2407.15831; here, also a negative score allows less than the gold's). If
    a language has no such candidate, the place goes to the next language; if none has, to the lowest-scoring candidate
    of another content that repeats no gold.

    Args:
        queries: (n, d) unit vectors.
        content_ids: Of the n queries.
        candidates: (m, d) unit vectors.
        candidate_contents: Content ids of the m candidates.
        candidate_languages: Tags of the m candidates.
        count: Negatives for a query, at least 1.
        seed: Of the languages' order.
        max_score_share: Above 0, at most 1.
        block_bytes: About how much memory a block of scores may take.

    Returns:
        (n, count) positions of candidates.

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
    own_content, other_contents = contents[: len(queries)], contents[len(queries) :][order]
    turns = _turns(len(queries), count, len(starts), seed)
    negatives = np.empty((len(queries), count), dtype=np.int64)
    rows = max(1, block_bytes // (16 * len(candidates)))
    for start in range(0, len(queries), rows):
        block = slice(start, start + rows)
        is_gold = own_content[block, None] == other_contents
        preferences = _preferences(queries[block] @ candidates.T, is_gold, max_score_share)
        for at, (preference, gold) in enumerate(zip(preferences, is_gold, strict=True), start=start):
            if not gold.any():
                raise IsoglotError(f"hard negatives: content {content_ids[at]!r} has no candidate of its own")
            for place, turn in enumerate(turns[at]):
                chosen = _take(preference, starts, int(turn), candidates, candidates[gold])
                if chosen is None:
                    raise IsoglotError(
                        f"hard negatives: content {content_ids[at]!r} has {place} candidates of other contents that "
                        f"do not repeat it; {count} are wanted"
                    )
                negatives[at, place] = order[chosen]
    return negatives


def _turns(queries: int, count: int, languages: int, seed: int) -> Ints:
    """(queries, count) language numbers; of as many places in a row as there are languages, each language has one."""
    rounds = np.tile(np.arange(languages), (-(-queries * count // languages), 1))
    shuffled = np.random.default_rng(seed).permuted(rounds, axis=1)
    return shuffled.ravel()[: queries * count].reshape(queries, count)


def _preferences(scores: Vectors, is_gold: Bools, max_score_share: float) -> Vectors:
    """(b, m) the scores that are low enough; for others below `_LAST_RESORT`, lowest score first; for golds -inf."""
    best = np.where(is_gold, scores, -np.inf).max(axis=1, keepdims=True)
    highest = best - (1 - max_score_share) * np.abs(best)
    return np.where(is_gold, -np.inf, np.where(scores <= highest, scores, 2 * _LAST_RESORT - scores))


def _take(preference: Vectors, starts: Ints, turn: int, candidates: Vectors, golds: Vectors) -> int | None:
    """The most preferred candidate of the language whose turn it is, which is then preferred no more; None: no one."""
    while (best := np.maximum.reduceat(preference, starts)).max() > -np.inf:
        usable = best > _LAST_RESORT
        if usable.any():
            language = (turn + int(np.roll(usable, -turn).argmax())) % len(starts)
            begin, end = starts[language], [*starts[1:], len(preference)][language]
        else:
            begin, end = 0, len(preference)
        at = int(begin + preference[begin:end].argmax())
        preference[at] = -np.inf
        if (golds @ candidates[at]).max() < NEAR_DUPLICATE:
            return at
    return None
