"""From the ranking of one pool to its result: measures, what became of each language, and the top documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.evaluation.measures import Judged, best_in_language, parse_measure, worst_in_language
from isoglot.evaluation.results import Cell, Cut, LanguageResult, ScenarioResult
from isoglot.evaluation.statistics.intervals import Interval, bootstrap_means, bootstrap_ratios
from isoglot.platform.arrays import Floats, Ints
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking

TOP_K = 10
"""How many of the top documents count for `LanguageResult.top_share`."""


@dataclass(frozen=True, eq=False)
class RankedPool:
    """One pool and how its documents were ranked.

    Attributes:
        collection: What the pool's positions point into, with the user's spelling of languages.
        pool: q queries in one language, and documents in L languages.
        ranking: Their ranking, with at least `TOP_K` of the best documents.
        seed: Random seed for the bootstrap.
        correlations: As `Judged.correlations`.
    """

    collection: Collection
    pool: Pool
    ranking: Ranking
    seed: int
    correlations: Mapping[int, Floats] = field(default_factory=dict)

    def result(self, documents_mode: str, measures: Sequence[str], run_depth: int) -> ScenarioResult:
        """Compute the result of the pool.

        Args:
            documents_mode: How the pool was built, for the record.
            measures: Names of the measures to compute.
            run_depth: How many of the top documents of each query to keep.
        """
        values = np.stack([parse_measure(name)(self.judged) for name in measures], axis=1)
        intervals = bootstrap_means(values, self.seed, units=self._contents)
        cell = cell_of(self.pool, self.collection)
        return ScenarioResult(
            scenario=cell.scenario,
            pool_languages=cell.pool_languages,
            query_language=cell.query_language,
            documents_mode=documents_mode,
            documents=len(self.pool.documents),
            queries=len(self.pool.queries),
            measures=dict(zip(measures, intervals, strict=True)),
            by_language=self._by_language(),
            cut=self._cut() if self._is_cut else None,
            query_ids=self._query_ids,
            judged=self.judged,
            run=self._run(run_depth) if run_depth else (),
            contents=self._contents,
        )

    @cached_property
    def _is_cut(self) -> bool:
        """Whether not all documents of the pool are ranked for every query."""
        return bool(self.ranking.ranked.min() < len(self.pool.documents))

    @cached_property
    def _query_ids(self) -> tuple[str, ...]:
        return tuple(self.collection.queries[position].query_id for position in self.pool.queries)

    @cached_property
    def _contents(self) -> tuple[str, ...]:
        """(q,) the first gold of each query."""
        return tuple(self.collection.golds[query_id][0] for query_id in self._query_ids)

    @cached_property
    def judged(self) -> Judged:
        """The ranks of the golds."""
        pool, ranking = self.pool, self.ranking
        lesser = pool.lesser
        return Judged(
            ranks=ranking.gold_ranks if lesser is None else np.where(lesser, 0, ranking.gold_ranks),
            tied=ranking.gold_tied,
            languages=pool.document_languages[pool.golds],
            query_language=pool.query_language_number,
            documents=len(pool.documents),
            depth=int(ranking.ranked.max()) if self._is_cut else None,
            top_languages=self._top_languages[:, 0] if self._top_languages.size else np.full(len(ranking.top), -1),
            correlations=self.correlations,
            grades=pool.grades,
            lesser_ranks=None if lesser is None else np.where(lesser, ranking.gold_ranks, 0),
        )

    @cached_property
    def _best(self) -> list[Floats]:
        """For each of the L languages (q,) ranks of the best gold in it."""
        return [best_in_language(self.judged, language) for language in range(len(self.pool.languages))]

    def _cut(self) -> Cut:
        judged, ranked = self.judged, self.ranking.ranked
        names = [self.collection.named(tag) for tag in self.pool.languages]
        beyond = np.bincount(judged.languages[judged.beyond], minlength=len(names))
        depth, missing = int(ranked.max()), int(np.count_nonzero(ranked == 0))
        return Cut(
            depth=depth,
            golds=int(judged.counts.sum()),
            beyond={name: int(count) for name, count in zip(names, beyond, strict=True)},
            medians_beyond=tuple(
                name for name, ranks in zip(names, self._best, strict=True) if _middle(ranks).min() == np.inf
            ),
            missing=missing,
            short=int(np.count_nonzero(ranked < depth)) - missing,
        )

    def _by_language(self) -> dict[str, LanguageResult]:
        languages = self.pool.languages
        size, total = len(languages), len(self.pool.documents)
        counts = np.bincount(self.pool.document_languages, minlength=size)
        worst = [worst_in_language(self.judged, language) for language in range(size)]
        columns = np.stack([*self._best, *worst, *self._top_shares()], axis=1)
        means = bootstrap_means(columns, self.seed, units=self._contents)
        above_shares = self._above_shares()
        return {
            self.collection.named(tag): LanguageResult(
                documents=int(counts[position]),
                pool_share=100 * float(counts[position]) / total,
                mean_rank=means[position],
                median_rank=_median(self._best[position]),
                worst_share=means[size + position],
                top_share=means[2 * size + position],
                above_share=above_shares[position],
            )
            for position, tag in enumerate(languages)
        }

    def _top_shares(self) -> list[Floats]:
        """For each of the L languages (q,) its share of the top documents in percent; NaN for a query without any."""
        languages = self._top_languages[:, :TOP_K]
        with np.errstate(invalid="ignore"):
            return [
                100 * (np.count_nonzero(languages == language, axis=1) / np.count_nonzero(languages >= 0, axis=1))
                for language in range(len(self.pool.languages))
            ]

    @cached_property
    def _top_languages(self) -> Ints:
        """(q, k) language numbers of the best documents; -1 where there is none."""
        top = self.ranking.top
        return np.where(top >= 0, self.pool.document_languages[top], -1)

    def _above_shares(self) -> list[Interval]:
        """For each of the L languages its share of the non-gold documents above the worst-placed golds."""
        above = np.where(self.judged.beyond.any(axis=1, keepdims=True), np.inf, self.ranking.above)
        totals = np.repeat(above.sum(axis=1, keepdims=True), len(self.pool.languages), axis=1)
        return bootstrap_ratios(100 * above, totals, self.seed, units=self._contents)

    def _run(self, depth: int) -> tuple[tuple[str, tuple[tuple[str, str, float], ...]], ...]:
        """The top documents of each query, as `ScenarioResult.run`."""
        documents = [self.collection.documents[position] for position in self.pool.documents]
        top, scores = self.ranking.top[:, :depth], self.ranking.top_scores[:, :depth]
        return tuple(
            (
                query_id,
                tuple(
                    (documents[position].content_id, documents[position].language, float(score))
                    for position, score in zip(query_top, query_scores, strict=True)
                    if position >= 0
                ),
            )
            for query_id, query_top, query_scores in zip(self._query_ids, top, scores, strict=True)
        )


def cell_of(pool: Pool, collection: Collection) -> Cell:
    """The cell of a pool, in the spelling of the collection."""
    languages = tuple(map(collection.named, pool.languages))
    return Cell(pool.scenario, languages, collection.named(pool.query_language))


def _middle(ranks: Floats) -> Floats:
    """(2,) the two ranks in the middle of those that are not NaN, whose mean is the median; NaN if there is none."""
    known = np.sort(ranks[~np.isnan(ranks)])
    return known[[(len(known) - 1) // 2, len(known) // 2]] if len(known) else np.full(2, np.nan)


def _median(ranks: Floats) -> float | None:
    """The median of the ranks that are not NaN; None if there is none, or it is beyond the end of a run."""
    middle = _middle(ranks)
    return float(middle.mean()) if np.isfinite(middle).all() else None
