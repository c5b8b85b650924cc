"""Audits as JSON that mteb 2.x reads, and the names of its tasks; mteb itself is not required."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from typing import Any

from isoglot.evaluation.results import Audit, ScenarioResult, without_nan
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import canonical

MAIN_MEASURE = "ndcg@10"
SPLIT = "test"
_IN_RANKS = ("max_r", "rank_distance")


def audits_to_mteb(audits: Sequence[Audit], names: Sequence[str] | None = None) -> str:
    """Write the JSON of mteb's ``BenchmarkResults``: a scenario is a task, a pool asked in one language a subset.

    Measures are named as mteb names them (``ndcg_at_10``); shares and gains run from 0 to 1.

    Args:
        audits: Of any models and collections.
        names: What to call the audits' models; None: as the audits call them.

    Raises:
        IsoglotError: An audit has no ndcg@10, mteb's main score, or the number of names is not that of the audits.
    """
    labels = [audit.retriever for audit in audits] if names is None else names
    if len(labels) != len(audits):
        raise IsoglotError(f"{len(labels)} names for {len(audits)} audits; give each audit one")
    body = {"model_results": [_model_result(audit, label) for audit, label in zip(audits, labels, strict=True)]}
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


def task_name(collection: str, scenario: str, revision: str) -> str:
    """Name the mteb task of a scenario.

    The revision is part of the name because mteb reuses complete results that it kept under a name, whatever their
    revision.
    """
    return re.sub(r"[^\w@.+-]", "_", f"isoglot-{collection}-{scenario}-{revision}")


def revision(fingerprint: str, documents_mode: str, limit: int | None, seed: int) -> str:
    """Hash everything that decides a scenario's pools: a collection's fingerprint and how pools are built.

    Returns:
        Eight hex digits.
    """
    return hashlib.sha256(json.dumps([fingerprint, documents_mode, limit, seed]).encode()).hexdigest()[:8]


def subset_name(pool: Sequence[str], query_language: str) -> str:
    """Name a pool asked in one language, by canonical tags: ``en+zh.zh``."""
    return f"{'+'.join(pool)}.{query_language}"


def mteb_languages(pool: Sequence[str], query_language: str) -> list[str]:
    """Name the languages of a pool and its queries as mteb does: ``eng-Latn``, ``zho-Hans``."""
    import langcodes

    full = [langcodes.Language.get(tag).maximize() for tag in dict.fromkeys((*pool, query_language))]
    return [f"{language.to_alpha3()}-{language.script}" for language in full]


def mteb_measure(measure: str, value: float) -> tuple[str, float]:
    """Return a measure's name and value as mteb has them: ``ndcg_at_10``, and shares and gains from 0 to 1."""
    return measure.replace("@", "_at_"), value if measure in _IN_RANKS else value / 100


def result_revision(audit: Audit, result: ScenarioResult) -> str:
    """Return the `revision` of a result of an audit."""
    return revision(audit.collection.fingerprint, result.documents_mode, audit.limit, audit.seed)


def _model_result(audit: Audit, name: str) -> dict[str, Any]:
    tasks: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in audit.scenarios:
        built = result_revision(audit, result)
        tasks.setdefault((result.scenario, built), []).append(_scores(audit, result))
    return {
        "model_name": name,
        "model_revision": audit.model.fingerprint,
        "task_results": [
            {
                "task_name": task_name(audit.collection.name, scenario, built),
                "dataset_revision": built,
                "mteb_version": None,
                "evaluation_time": None,
                "scores": {SPLIT: scores},
            }
            for (scenario, built), scores in tasks.items()
        ],
    }


def _scores(audit: Audit, result: ScenarioResult) -> dict[str, Any]:
    if MAIN_MEASURE not in result.measures or math.isnan(result.measures[MAIN_MEASURE].mean):
        raise IsoglotError(
            f"the audit of {audit.retriever} has no {MAIN_MEASURE}, mteb's main score; add it to its --measures"
        )
    pool, asked = [canonical(tag) for tag in result.pool_languages], canonical(result.query_language)
    values = dict(mteb_measure(name, interval.mean) for name, interval in result.measures.items())
    known: dict[str, Any] = without_nan(values)
    return {
        **{name: value for name, value in known.items() if value is not None},
        "main_score": result.measures[MAIN_MEASURE].mean / 100,
        "hf_subset": subset_name(pool, asked),
        "languages": mteb_languages(pool, asked),
    }
