"""Auditing: what happens when documents of several languages compete in one pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.corpora.sources import load_collection
from isoglot.evaluation.measures import (
    DEFAULT_MEASURES,
    Judged,
    best_in_language,
    check_measures,
    parse_measure,
    worst_in_language,
)
from isoglot.evaluation.results import Audit, Cut, LanguageResult, ScenarioResult
from isoglot.evaluation.statistics.intervals import bootstrap_means, bootstrap_ratios
from isoglot.platform.arrays import Floats
from isoglot.platform.version import __version__
from isoglot.ranking.exact import Ranking
from isoglot.ranking.pools import SCENARIOS, Pool, PoolBuilder
from isoglot.retrievers.base import Retriever, Scorer, model_record
from isoglot.retrievers.registry import as_retriever

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder

TOP_K = 10
"""How deep the language mix of the top results is looked at."""


def audit(
    model: str | Encoder | Retriever | Scorer,
    collection: str | Collection,
    *,
    pools: Sequence[Sequence[str]] | None = None,
    query_languages: Sequence[str] | None = None,
    scenarios: Sequence[str] = SCENARIOS,
    documents_mode: str = "dedup",
    balance: str = "none",
    limit: int | None = None,
    measures: Sequence[str] = DEFAULT_MEASURES,
    seed: int = 0,
    device: str = "auto",
    trust_remote_code: bool = False,
    run_depth: int = 0,
    show_progress: bool = False,
) -> Audit:
    """Ask a retriever every query of a collection in pools of one and of several languages.

    Args:
        model: A bundled model's name, a folder, a hub id, ``bm25``, ``openai:MODEL``, ``vectors:DIR``, an `Encoder`, a
            `Retriever`, or an object with one method, ``scores(queries, documents)`` (see `Scorer`).
        collection: A source such as ``xquad:DIR``, or a `Collection`.
        pools: The languages of each pool; None: English with each other language of the documents.
        query_languages: The languages to ask in; None: those of each pool.
        scenarios: Names out of ``isoglot.ranking.pools.SCENARIOS``.
        documents_mode: ``dedup``, or ``per-question`` to reproduce the paper's pools (one document for each question).
        balance: How the languages' results are merged: ``none`` (by score), ``equal`` (they take turns) or
            ``proportional`` (to their shares of the pool); see `isoglot.ranking.balance`.
        limit: Ask at most this many questions, chosen by seed, the same in all languages.
        measures: Names such as ``max_r`` or ``complete@10``.
        seed: Of ties, control pools, the limit and the bootstrap.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside the model's repository may run.
        run_depth: How many of the top documents of each query to keep for a TREC run.
        show_progress: Whether to show progress on standard error.

    Raises:
        IsoglotError: Something named does not exist or cannot be used; the message says what to do.
    """

    check_measures(measures)
    loaded = load_collection(collection) if isinstance(collection, str) else collection
    names = dict(loaded.names)
    language_sets = None if pools is None else [_resolve(loaded, pool, names) for pool in pools]
    asked = None if query_languages is None else _resolve(loaded, query_languages, names)
    builder = PoolBuilder(loaded, documents_mode, limit, seed)
    built = builder.build(scenarios, language_sets, asked)
    spelled = replace(loaded, names=names)
    retriever = as_retriever(model, device=device, trust_remote_code=trust_remote_code)
    depth = max(TOP_K, run_depth)
    rankings = retriever.rankings(spelled, built, balance=balance, top_k=depth, show_progress=show_progress)
    results = [
        _result(spelled, pool, ranking, documents_mode, measures, seed, run_depth)
        for pool, ranking in zip(built, rankings, strict=True)
    ]
    return Audit(
        model_record(retriever.describe()),
        {
            "name": loaded.name,
            "fingerprint": loaded.fingerprint,
            "languages": list(map(spelled.named, loaded.languages)),
            "notes": list(loaded.notes),
        },
        tuple(results),
        seed,
        limit,
        balance,
        retriever.environment(),
        __version__,
    )


def _resolve(collection: Collection, tags: Sequence[str], names: dict[str, str]) -> list[str]:
    """Canonical tags of the languages a user named; `names` learns the user's spelling."""
    found = []
    for tag in tags:
        language = collection.find_language(tag)
        names[language] = tag
        found.append(language)
    return found


def _result(
    collection: Collection,
    pool: Pool,
    ranking: Ranking,
    mode: str,
    measures: Sequence[str],
    seed: int,
    run_depth: int,
) -> ScenarioResult:
    cut = ranking.ranked.min() < len(pool.documents)
    query_language = pool.languages.index(pool.query_language) if pool.query_language in pool.languages else None
    judged = Judged(
        ranking.gold_ranks,
        ranking.gold_tied,
        pool.document_languages[pool.golds],
        query_language,
        len(pool.documents),
        int(ranking.ranked.max()) if cut else None,
    )
    values = np.stack([parse_measure(name)(judged) for name in measures], axis=1)
    query_ids = tuple(collection.queries[at].query_id for at in pool.queries)
    contents = tuple(collection.golds[query_id][0] for query_id in query_ids)
    return ScenarioResult(
        pool.scenario,
        tuple(map(collection.named, pool.languages)),
        collection.named(pool.query_language),
        mode,
        len(pool.documents),
        len(pool.queries),
        dict(zip(measures, bootstrap_means(values, seed, units=contents), strict=True)),
        _by_language(pool, ranking, judged, collection.names, contents, seed),
        query_ids,
        judged,
        _run(collection, pool, ranking, query_ids, run_depth),
        contents,
        _cut(collection, pool, ranking, judged) if cut else None,
    )


def _cut(collection: Collection, pool: Pool, ranking: Ranking, judged: Judged) -> Cut:
    beyond = np.bincount(judged.languages[judged.beyond], minlength=len(pool.languages))
    medians_beyond = [
        tag for at, tag in enumerate(pool.languages) if _middle(best_in_language(judged, at)).min() == np.inf
    ]
    depth, missing = int(ranking.ranked.max()), int(np.count_nonzero(ranking.ranked == 0))
    return Cut(
        depth,
        int(judged.counts.sum()),
        {collection.named(tag): int(count) for tag, count in zip(pool.languages, beyond, strict=True)},
        tuple(map(collection.named, medians_beyond)),
        missing,
        int(np.count_nonzero(ranking.ranked < depth)) - missing,
    )


def _by_language(
    pool: Pool, ranking: Ranking, judged: Judged, names: Mapping[str, str], contents: Sequence[str], seed: int
) -> dict[str, LanguageResult]:
    numbers = range(len(pool.languages))
    counts = np.bincount(pool.document_languages, minlength=len(pool.languages))
    top = np.where(ranking.top >= 0, pool.document_languages[ranking.top], -1)[:, :TOP_K]
    best = [best_in_language(judged, number) for number in numbers]
    worst = [worst_in_language(judged, number) for number in numbers]
    with np.errstate(invalid="ignore"):  # a query without results has no shares
        shares = [100 * (np.count_nonzero(top == n, axis=1) / np.count_nonzero(top >= 0, axis=1)) for n in numbers]
    means = bootstrap_means(np.stack([*best, *worst, *shares], axis=1), seed, units=contents)
    above = np.where(judged.beyond.any(axis=1, keepdims=True), np.inf, ranking.above)
    above_shares = bootstrap_ratios(
        100 * above, np.repeat(above.sum(axis=1, keepdims=True), len(numbers), axis=1), seed, units=contents
    )
    size = len(numbers)
    return {
        names.get(tag, tag): LanguageResult(
            int(counts[number]),
            100 * float(counts[number]) / len(pool.documents),
            means[number],
            float(_middle(best[number]).mean()) if np.isfinite(_middle(best[number])).all() else None,
            means[size + number],
            means[2 * size + number],
            above_shares[number],
        )
        for number, tag in enumerate(pool.languages)
    }


def _middle(ranks: Floats) -> Floats:
    """The two ranks in the middle of those that there are, whose mean is the median; NaN if there are none."""
    found = np.sort(ranks[~np.isnan(ranks)])
    return found[[(len(found) - 1) // 2, len(found) // 2]] if len(found) else np.full(2, np.nan)


def _run(
    collection: Collection, pool: Pool, ranking: Ranking, query_ids: tuple[str, ...], depth: int
) -> tuple[tuple[str, tuple[tuple[str, str, float], ...]], ...]:
    documents = [collection.documents[at] for at in pool.documents] if depth else []
    return tuple(
        (
            query_id,
            tuple(
                (documents[at].content_id, documents[at].language, float(score))
                for at, score in zip(ranking.top[row, :depth], ranking.top_scores[row, :depth], strict=True)
                if at >= 0
            ),
        )
        for row, query_id in enumerate(query_ids if depth else ())
    )
