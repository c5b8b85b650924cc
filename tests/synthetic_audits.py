"""Audits of any size without a model: gold ranks drawn at random, hard contents hard in every language."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isoglot import Audit
from isoglot.corpora.collection import CollectionRecord
from isoglot.evaluation.measures import DEFAULT_MEASURES, Judged, parse_measure
from isoglot.evaluation.results import ScenarioResult
from isoglot.evaluation.statistics.intervals import bootstrap_means
from isoglot.retrievers.base import RetrieverRecord


def synthetic_audit(
    name: str,
    seed: int,
    *,
    rank: float = 10,
    contents: int = 20,
    queries: int = 60,
    languages: Sequence[str] = ("de", "zh"),
    scenarios: Sequence[str] = ("multi", "mono-same"),
    measures: Sequence[str] = DEFAULT_MEASURES,
    with_contents: bool = True,
) -> Audit:
    """Pools of English and another language; golds are about `rank` places down, less where a content is easy."""
    generator = np.random.default_rng(seed)
    ease = np.random.default_rng(0).normal(size=contents)[np.arange(queries) % contents]
    results = []
    for scenario in scenarios:
        pools = [(("en", tag), asked) for tag in languages for asked in ("en", tag)]
        if scenario == "mono-same":
            pools = [((tag,), tag) for tag in ("en", *languages)]
        for pool, asked in pools:
            spread = rank * np.exp(ease[:, None] + generator.normal(scale=0.3, size=(queries, len(pool))))
            ranks = np.clip(np.round(np.sort(spread, axis=1) + np.arange(len(pool))), 1, contents * len(pool))
            gold_languages = np.tile(np.arange(len(pool)), (queries, 1))
            documents = contents * len(pool)
            judged = Judged(
                ranks=ranks.astype(np.int64),
                tied=np.zeros(ranks.shape, bool),
                languages=gold_languages,
                query_language=pool.index(asked),
                documents=documents,
            )
            asks = tuple(f"p{at % contents}" for at in range(queries)) if with_contents else ()
            values = np.stack([parse_measure(measure)(judged) for measure in measures], axis=1)
            means = bootstrap_means(values, units=asks, resamples=20)
            by_name = dict(zip(measures, means, strict=True))
            ids = tuple(f"q{at}" for at in range(queries))
            results.append(
                ScenarioResult(
                    scenario=scenario,
                    pool_languages=pool,
                    query_language=asked,
                    documents_mode="dedup",
                    documents=documents,
                    queries=queries,
                    measures=by_name,
                    by_language={},
                    query_ids=ids,
                    judged=judged,
                    contents=asks,
                )
            )
    return Audit(
        model=RetrieverRecord(name=name, fingerprint=name),
        collection=CollectionRecord("synthetic", "0", ("en", *languages)),
        scenarios=tuple(results),
        seed=0,
        limit=None,
        balance="none",
        environment={},
        isoglot="0",
    )


def write_as_older(folder: Path, body: dict[str, Any]) -> None:
    """Put another audit.json beside the ranks, which then are as in audits without its digest."""
    (folder / "audit.json").write_text(json.dumps(body))
    with np.load(folder / "ranks.npz") as archive:
        arrays = {name: archive[name] for name in archive.files if name != "audit"}
    np.savez_compressed(folder / "ranks.npz", **arrays)
