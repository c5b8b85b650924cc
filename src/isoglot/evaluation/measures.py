"""Measures: pure functions of gold ranks and languages, one value a query. docs/reference/measures.md defines them.

Shares and gains are in percent (0-100), ranks start at 1. A query to which a measure does not apply gets NaN and is
left out of the mean. A query whose value is not known, because a gold is beyond the end of a run, gets infinity, and
then there is no mean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoglot.platform.arrays import Bools, Floats, Ints
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.result import BEYOND

DEFAULT_MEASURES = (
    "complete@10",
    "max_r",
    "max_r_norm",
    "ndcg@1",
    "ndcg@10",
    "recall@10",
    "rr",
    "rank_distance",
    "lpr",
    "tie_rate",
)
CLASSES = ("right_own", "right_other", "wrong_own", "wrong_other")
"""The classes of the first document, as names of measures: the content, and whether it is in the query's language."""

OTHER_GAIN = 0.5
"""``lang_ndcg``: the gain of a gold in another language than the query's, against 1 in the query's."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The ranks of the golds of q queries in one pool, at most g golds a query.

    Attributes:
        ranks: (q, g) gold ranks from 1; 0 where a query has no further gold, `BEYOND` where the run ends before it.
        tied: (q, g) whether the tie keys decided the gold's rank (see `Ranking.gold_tied`).
        languages: (q, g) position of each gold's language among the pool's languages.
        query_language: Position of the queries' language among the pool's languages; None if the pool has no document
            in it.
        documents: Number of documents in the pool.
        depth: Number of ranked documents of each query; None: all are ranked.
        top_languages: (q,) position of the first document's language among the pool's languages, -1 for a query
            without any; None in older audits.
        correlations: K -> (q,) rank correlation with the same question in the pool's other query languages (see
            `isoglot.evaluation.correlation`); only those that were asked for.
        grades: (q, g) grades of the golds, 0 where there is none; None: all are 1.
        lesser_ranks: (q, g) ranks of documents that are judged, but too low to be golds, in the columns behind the
            golds; `grades` has theirs too, and nDCG alone counts them. None: there are none.
    """

    ranks: Ints
    tied: Bools
    languages: Ints
    query_language: int | None
    documents: int
    depth: int | None = None
    top_languages: Ints | None = None
    correlations: Mapping[int, Floats] = field(default_factory=dict)
    grades: Floats | None = None
    lesser_ranks: Ints | None = None

    @property
    def counts(self) -> Ints:
        """(q,) number of golds of each query."""
        return np.asarray(np.count_nonzero(self.ranks, axis=1), dtype=np.int64)

    @property
    def beyond(self) -> Bools:
        """(q, g) whether a gold is beyond the end of the run."""
        return np.asarray(self.ranks == BEYOND)

    @property
    def best(self) -> Floats:
        """(q,) rank of the best-placed gold; infinite where all are beyond the end of the run."""
        return _finite_or_beyond(np.where(self.ranks > 0, self.ranks, BEYOND).min(axis=1))


def max_r(judged: Judged) -> Floats:
    """Max@R: the rank of the worst-placed gold; 1 and up, lower is better (arXiv 2604.05684)."""
    return _finite_or_beyond(judged.ranks.max(axis=1))


def max_r_norm(judged: Judged) -> Floats:
    """Max@R_norm: 100 (log2 D - log2 Max@R) / (log2 D - log2 R); 100 is perfect, 0 is last (arXiv 2604.05684).

    A pool in which every document is gold cannot be ranked wrongly and gets 100.
    """
    span = np.log2(judged.documents) - np.log2(judged.counts)
    worst = max_r(judged)
    reached = np.log2(judged.documents) - np.log2(worst)
    gained = 100 * np.divide(reached, span, out=np.ones_like(reached), where=span > 0)
    return np.where(np.isinf(worst), np.inf, gained)


def complete(judged: Judged, k: int) -> Floats:
    """Complete@K: whether all golds are in the top K, i.e. Max@R <= K; 0 or 100 (inferred from arXiv 2604.05684).

    NaN for a query with more than K golds, which nothing can complete.
    """
    return np.where(judged.counts > k, np.nan, _if_known(judged, k, 100.0 * (max_r(judged) <= k)))


def recall(judged: Judged, k: int) -> Floats:
    """Recall@K: the share of a query's golds that are in the top K; 0-100."""
    hits = np.count_nonzero((judged.ranks > 0) & (judged.ranks <= k), axis=1)
    with np.errstate(invalid="ignore"):  # a query without golds
        return _if_known(judged, k, 100 * hits / judged.counts)


def ndcg(judged: Judged, k: int) -> Floats:
    """nDCG@K with the grade as gain and discount 1 / log2(1 + rank); 0-100 (Jarvelin and Kekalainen 2002).

    The gain is the grade itself, as in trec_eval, and 1 without grades.
    """
    return _discounted(judged, np.ones(judged.ranks.shape), k)


def rr(judged: Judged) -> Floats:
    """Reciprocal rank of the best-placed gold; 0-100."""
    return np.where(np.isinf(judged.best), np.inf, 100 / judged.best)


def rr_cut(judged: Judged, k: int) -> Floats:
    """RR@K: the reciprocal rank of the best-placed gold if it is in the top K, else 0; 0-100 (MRR@10 of MS MARCO)."""
    return _if_known(judged, k, np.where(judged.best <= k, 100 / judged.best, 0.0))


def rank_distance(judged: Judged) -> Floats:
    """The worst gold's rank less the best gold's; NaN with one gold (Elmahdy et al., arXiv 2408.10536)."""
    best = np.where(np.isinf(judged.best), 0, judged.best)
    return np.where(judged.counts > 1, max_r(judged) - best, np.nan)


def lpr(judged: Judged) -> Floats:
    """Language preference: whether the best gold in the query's language outranks all golds in others; 0 or 100.

    NaN for a query without golds on both sides. A mean of 50 shows no preference; at 100 the query's language always
    wins.
    """
    if judged.query_language is None:
        return np.full(len(judged.ranks), np.nan)
    same = best_in_language(judged, judged.query_language)
    others = [
        best_in_language(judged, language)
        for language in range(int(judged.languages.max()) + 1)
        if language != judged.query_language
    ]
    other = np.fmin.reduce(others) if others else np.full(len(same), np.nan)
    preferred = np.where(np.isinf(same) & np.isinf(other), np.inf, 100.0 * (same < other))
    return np.where(np.isnan(same) | np.isnan(other), np.nan, preferred)


def tlr(judged: Judged, k: int) -> Floats:
    """TLR@K: the share of a query's golds in other languages that are in the top K; 0-100 (arXiv 2606.18801).

    NaN for a query without golds in other languages than its own.
    """
    return recall(_in_other_languages(judged), k)


def lang_ndcg(judged: Judged, k: int) -> Floats:
    """Lang-nDCG@K: nDCG@K in which golds in other languages gain `OTHER_GAIN`; 0-100.

    The idea is that of MLAIRE (arXiv 2605.07249), whose formula is not public to us; this form is isoglot's own.
    """
    own = judged.languages == (-1 if judged.query_language is None else judged.query_language)
    return _discounted(judged, np.where(own, 1.0, OTHER_GAIN), k)


def own_first(judged: Judged, k: int) -> Floats:
    """Own-first@K: whether all golds are in the top K, and the first of them is in the query's language; 0 or 100.

    NaN for a query without golds on both sides, or with more than K golds. isoglot's own.
    """
    preferred, completed = lpr(judged), complete(judged, k)
    values = np.where(preferred == 0, 0.0, completed)
    return np.where(np.isnan(preferred) | np.isnan(completed), np.nan, values)


def first_document(judged: Judged, right: bool, own: bool) -> Floats:
    """Whether the first document is of a class of `CLASSES`; 0 or 100 (MLAIRE, arXiv 2605.07249).

    NaN where the language of the first document is not known. A query without any document is in no class.

    Args:
        judged: The ranks of the golds.
        right: Whether the class is that of golds.
        own: Whether it is that of documents in the query's language.
    """
    if judged.top_languages is None:
        return np.full(len(judged.ranks), np.nan)
    is_right = (judged.ranks == 1).any(axis=1)
    is_own = judged.top_languages == (-2 if judged.query_language is None else judged.query_language)
    return np.asarray(100.0 * ((is_right == right) & (is_own == own) & (judged.top_languages >= 0)))


def mrc(judged: Judged, k: int) -> Floats:
    """MRC@K: rank correlation with the same question in other languages; -100 to 100 (see `Judged.correlations`).

    NaN for a query that is not asked in another language, and where it was not asked for before the ranking.
    """
    return judged.correlations.get(k, np.full(len(judged.ranks), np.nan))


def tie_rate(judged: Judged) -> Floats:
    """The share of a query's golds that have the same score as another document; 0-100."""
    rate = 100 * np.count_nonzero(judged.tied & (judged.ranks > 0), axis=1) / judged.counts
    return np.where(judged.beyond.any(axis=1), np.inf, rate)


def best_in_language(judged: Judged, language: int) -> Floats:
    """(q,) rank of the best-placed gold in a language; NaN where a query has none in it."""
    in_language = (judged.ranks > 0) & (judged.languages == language)
    ranks = _finite_or_beyond(np.where(in_language, judged.ranks, BEYOND).min(axis=1))
    return np.where(in_language.any(axis=1), ranks, np.nan)


def worst_in_language(judged: Judged, language: int) -> Floats:
    """(q,) 100 where the worst-placed gold is in a language, else 0; NaN for a query with one gold."""
    worst = judged.languages[np.arange(len(judged.ranks)), judged.ranks.argmax(axis=1)]
    undecided = (judged.beyond & (judged.languages != worst[:, None])).any(axis=1)
    shares = np.where(undecided, np.inf, 100.0 * (worst == language))
    return np.where(judged.counts > 1, shares, np.nan)


def _in_other_languages(judged: Judged) -> Judged:
    """The golds that are not in the query's language."""
    own = judged.languages == (-1 if judged.query_language is None else judged.query_language)
    return replace(judged, ranks=np.where(own, 0, judged.ranks))


def _discounted(judged: Judged, gains: Floats, k: int) -> Floats:
    """(q,) the discounted gains of the golds in the top k, over those of the best possible order; 0-100.

    Args:
        judged: The ranks of the golds, and of what is judged lower.
        gains: (q, g) what a grade of 1 gains.
        k: How many of the first documents count.
    """
    if judged.lesser_ranks is not None:
        judged = replace(judged, ranks=judged.ranks + judged.lesser_ranks)
    if judged.grades is not None:
        gains = gains * judged.grades
    in_top = (judged.ranks > 0) & (judged.ranks <= k)
    gained = np.where(in_top, gains / np.log2(1 + np.maximum(judged.ranks, 1)), 0).sum(axis=1)
    best_first = -np.sort(-np.where(judged.ranks > 0, gains, 0), axis=1)[:, :k]
    ideal = np.cumsum(best_first / np.log2(1 + np.arange(1, best_first.shape[1] + 1)), axis=1)[:, -1]
    return _if_known(judged, k, 100 * gained / ideal)


def _finite_or_beyond(ranks: Ints) -> Floats:
    """Ranks as floats, infinite where they are `BEYOND`."""
    return np.where(ranks == BEYOND, np.inf, ranks.astype(np.float64))


def _if_known(judged: Judged, k: int, values: NDArray[Any]) -> Floats:
    """(q,) `values` of the top k, infinite where the run is shorter than k and a gold is beyond its end."""
    cut = judged.depth is not None and k > judged.depth
    return np.where(judged.beyond.any(axis=1) & cut, np.inf, values)


_PLAIN: dict[str, Callable[[Judged], Floats]] = {
    "max_r": max_r,
    "max_r_norm": max_r_norm,
    "rr": rr,
    "rank_distance": rank_distance,
    "lpr": lpr,
    "tie_rate": tie_rate,
    "right_own": partial(first_document, right=True, own=True),
    "right_other": partial(first_document, right=True, own=False),
    "wrong_own": partial(first_document, right=False, own=True),
    "wrong_other": partial(first_document, right=False, own=False),
}
_CUT: dict[str, Callable[[Judged, int], Floats]] = {
    "complete": complete,
    "ndcg": ndcg,
    "recall": recall,
    "rr": rr_cut,
    "tlr": tlr,
    "lang_ndcg": lang_ndcg,
    "own_first": own_first,
    "mrc": mrc,
}
LOWER_IS_BETTER = frozenset({"max_r", "rank_distance", "tie_rate", "wrong_own", "wrong_other"})
"""Of the others more is better, but for ``lpr`` and ``right_other``, which are good neither high nor low."""


def mean_of_known(values: Sequence[float]) -> float:
    """The mean without NaN, which a measure has where it applies to no query; NaN if there is nothing else."""
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan


def parse_measure(name: str) -> Callable[[Judged], Floats]:
    """Return the function that a name such as ``max_r`` or ``complete@10`` stands for.

    Raises:
        IsoglotError: There is no measure of that name.
    """
    if name in _PLAIN:
        return _PLAIN[name]
    match = re.fullmatch(r"(\w+)@([1-9]\d{0,8})", name)
    if match is None or match[1] not in _CUT:
        known = [*_PLAIN, *(f"{cut}@K" for cut in _CUT)]
        raise IsoglotError(f"unknown measure {name!r}; known are {', '.join(known)}")
    function, k = _CUT[match[1]], int(match[2])
    return lambda judged: function(judged, k)


def correlation_cutoffs(names: Sequence[str]) -> tuple[int, ...]:
    """The K of each ``mrc@K`` among names of measures."""
    return tuple(int(name.removeprefix("mrc@")) for name in dict.fromkeys(names) if name.startswith("mrc@"))


def spelled_out(names: Sequence[str]) -> list[str]:
    """Return names of measures, each once, with those of `CLASSES` in place of ``classes``."""
    return list(dict.fromkeys(each for name in names for each in (CLASSES if name == "classes" else (name,))))


def check_measures(names: Sequence[str]) -> None:
    """Refuse names that are not those of measures.

    Raises:
        IsoglotError: There is no measure of a name.
    """
    for name in names:
        parse_measure(name)
