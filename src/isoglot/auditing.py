"""Auditing: what happens when a model's documents of several languages compete in one pool."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from isoglot.collection import Collection
from isoglot.intervals import bootstrap_means, bootstrap_ratios
from isoglot.measures import (
    DEFAULT_MEASURES,
    Judged,
    best_in_language,
    check_measures,
    parse_measure,
    worst_in_language,
)
from isoglot.pools import SCENARIOS, Pool, PoolBuilder
from isoglot.ranks import Ranking, rank
from isoglot.results import Audit, LanguageResult, ScenarioResult
from isoglot.sources import load_collection

if TYPE_CHECKING:
    from isoglot.encoders.sentence_transformer import Encoder

TOP_K = 10
"""How deep the language mix of the top results is looked at."""


def audit(
    model: str | Encoder,
    collection: str | Collection,
    *,
    pools: Sequence[Sequence[str]] | None = None,
    query_languages: Sequence[str] | None = None,
    scenarios: Sequence[str] = SCENARIOS,
    documents: str = "dedup",
    balanced: bool = False,
    limit: int | None = None,
    measures: Sequence[str] = DEFAULT_MEASURES,
    seed: int = 0,
    device: str = "auto",
    trust_remote_code: bool = False,
    run_depth: int = 0,
    progress: bool = False,
) -> Audit:
    """Ask a model every query of a collection in pools of one and of several languages.

    Args:
        model: An embedded model's name, a folder, a hub id, or an `Encoder`.
        collection: A source such as ``xquad:DIR``, or a `Collection`.
        pools: The languages of each pool; None: English with each other language of the documents.
        query_languages: The languages to ask in; None: those of each pool.
        scenarios: Names out of ``isoglot.pools.SCENARIOS``.
        documents: ``dedup``, or ``rows`` to reproduce the paper's pools (one document for each question).
        balanced: Whether each query's results take an equal share from each language of the pool, merged by rank.
        limit: Ask at most this many questions, chosen by seed, the same in all languages.
        measures: Names such as ``max_r`` or ``complete@10``.
        seed: Of ties, control pools, the limit and the bootstrap.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside the model's repository may run.
        run_depth: How many of the top documents of each query to keep for a TREC run.
        progress: Whether to show progress on standard error.

    Raises:
        IsoglotError: Something named does not exist or cannot be used; the message says what to do.
    """
    import isoglot

    check_measures(measures)
    loaded = load_collection(collection) if isinstance(collection, str) else collection
    names = dict(loaded.names)
    language_sets = None if pools is None else [_resolve(loaded, pool, names) for pool in pools]
    asked = None if query_languages is None else _resolve(loaded, query_languages, names)
    builder = PoolBuilder(loaded, documents, limit, seed)
    built = builder.build(scenarios, language_sets, asked)
    encoder = _encoder(model, device, trust_remote_code)
    used_queries = np.unique(np.concatenate([pool.queries for pool in built]))
    used_documents = np.unique(np.concatenate([pool.documents for pool in built]))
    query_vectors = encoder.encode(
        [loaded.queries[at].text for at in used_queries],
        "query",
        [loaded.queries[at].language for at in used_queries],
        show_progress=progress,
    )
    document_vectors = encoder.encode(
        [loaded.documents[at].text for at in used_documents],
        "document",
        [loaded.documents[at].language for at in used_documents],
        show_progress=progress,
    )
    results = []
    for pool in built:
        ranking = rank(
            query_vectors[np.searchsorted(used_queries, pool.queries)],
            document_vectors[np.searchsorted(used_documents, pool.documents)],
            pool.golds,
            languages=pool.document_languages,
            tie_keys=pool.tie_keys,
            balanced=balanced,
            top_k=max(TOP_K, run_depth),
        )
        results.append(_result(loaded, pool, ranking, documents, measures, names, seed, run_depth))
    return Audit(
        describe_model(encoder),
        {
            "name": loaded.name,
            "fingerprint": loaded.fingerprint,
            "languages": [names.get(tag, tag) for tag in loaded.languages],
            "notes": list(loaded.notes),
        },
        tuple(results),
        seed,
        limit,
        balanced,
        _environment(encoder),
        isoglot.__version__,
    )


def describe_model(encoder: Encoder) -> dict[str, Any]:
    """What an audit records of its model; equal for models that give equal vectors under one name."""
    return {
        "name": encoder.name,
        "fingerprint": encoder.fingerprint,
        "dimension": encoder.dimension,
        "max_length": encoder.max_length,
        "prompts": {role: {"text": p.text, "source": p.source} for role, p in encoder.prompts.items()},
        "language_given": encoder.uses_language,
    }


def _resolve(collection: Collection, tags: Sequence[str], names: dict[str, str]) -> list[str]:
    """Canonical tags of the languages a user named; `names` learns the user's spelling."""
    found = []
    for tag in tags:
        language = collection.find_language(tag)
        names[language] = tag
        found.append(language)
    return found


def _encoder(model: str | Encoder, device: str, trust_remote_code: bool) -> Encoder:
    from isoglot.encoders.sentence_transformer import load_encoder

    return load_encoder(model, device=device, trust_remote_code=trust_remote_code) if isinstance(model, str) else model


def _result(
    collection: Collection,
    pool: Pool,
    ranking: Ranking,
    mode: str,
    measures: Sequence[str],
    names: Mapping[str, str],
    seed: int,
    run_depth: int,
) -> ScenarioResult:
    query_language = pool.languages.index(pool.query_language) if pool.query_language in pool.languages else None
    judged = Judged(
        ranking.gold_ranks,
        ranking.gold_tied,
        pool.document_languages[pool.golds],
        query_language,
        len(pool.documents),
    )
    values = np.stack([parse_measure(name)(judged) for name in measures], axis=1)
    query_ids = tuple(collection.queries[at].query_id for at in pool.queries)
    contents = tuple(collection.golds[query_id][0] for query_id in query_ids)
    return ScenarioResult(
        pool.scenario,
        tuple(names.get(tag, tag) for tag in pool.languages),
        names.get(pool.query_language, pool.query_language),
        mode,
        len(pool.documents),
        len(pool.queries),
        dict(zip(measures, bootstrap_means(values, seed, units=contents), strict=True)),
        _by_language(pool, ranking, judged, names, contents, seed),
        query_ids,
        judged,
        _run(collection, pool, ranking, query_ids, run_depth),
        contents,
    )


def _by_language(
    pool: Pool, ranking: Ranking, judged: Judged, names: Mapping[str, str], contents: Sequence[str], seed: int
) -> dict[str, LanguageResult]:
    numbers = range(len(pool.languages))
    counts = np.bincount(pool.document_languages, minlength=len(pool.languages))
    top = pool.document_languages[ranking.top[:, :TOP_K]]
    best = [best_in_language(judged, number) for number in numbers]
    worst = [worst_in_language(judged, number) for number in numbers]
    shares = [100 * np.mean(top == number, axis=1) for number in numbers]
    means = bootstrap_means(np.stack([*best, *worst, *shares], axis=1), seed, units=contents)
    above = ranking.above.astype(np.float64)
    above_shares = bootstrap_ratios(
        100 * above, np.repeat(above.sum(axis=1, keepdims=True), len(numbers), axis=1), seed, units=contents
    )
    size = len(numbers)
    return {
        names.get(tag, tag): LanguageResult(
            int(counts[number]),
            100 * float(counts[number]) / len(pool.documents),
            means[number],
            None if np.isnan(best[number]).all() else float(np.nanmedian(best[number])),
            means[size + number],
            means[2 * size + number],
            above_shares[number],
        )
        for number, tag in enumerate(pool.languages)
    }


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
            ),
        )
        for row, query_id in enumerate(query_ids if depth else ())
    )


def _environment(encoder: Encoder) -> dict[str, Any]:
    libraries = ("torch", "sentence-transformers", "transformers", "tokenizers", "numpy")
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        "device": str(encoder.model.device),
        "dtype": str(encoder.model.dtype),
        "cpus": os.cpu_count(),
        **{name: version(name) for name in libraries},
    }
