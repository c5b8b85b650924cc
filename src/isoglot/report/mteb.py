"""Audits as JSON that mteb 2.x reads, and what its tasks are called; needs no mteb."""

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
    """The JSON of mteb's ``BenchmarkResults``, with scenarios as tasks, a pool asked in one language as a subset.

    Measures are named as mteb names them (``ndcg_at_10``), and shares and gains run from 0 to 1.

    Args:
        audits: Of any models and collections.
        names: What to call their models; None: by their own names.

    Raises:
        IsoglotError: An audit has no ndcg@10, mteb's main score, or there are more or fewer names than audits.
    """
    named = [audit.retriever for audit in audits] if names is None else names
    if len(named) != len(audits):
        raise IsoglotError(f"{len(named)} names for {len(audits)} audits")
    body = {"model_results": [_model_result(audit, name) for audit, name in zip(audits, named, strict=True)]}
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


def task_name(collection: str, scenario: str, revision: str) -> str:
    """What the mteb task of a scenario is called.

    The revision is in it because mteb takes complete results that it kept for a name, whatever revision they are of.
    """
    return re.sub(r"[^\w@.+-]", "_", f"isoglot-{collection}-{scenario}-{revision}")


def revision(fingerprint: str, documents_mode: str, limit: int | None, seed: int) -> str:
    """Eight hex digits over all that decides a scenario's pools: a collection's fingerprint and how pools are built."""
    return hashlib.sha256(json.dumps([fingerprint, documents_mode, limit, seed]).encode()).hexdigest()[:8]


def subset_name(pool: Sequence[str], query_language: str) -> str:
    """What a pool asked in one language is called, from canonical tags: ``en+zh.zh``."""
    return f"{'+'.join(pool)}.{query_language}"


def mteb_languages(pool: Sequence[str], query_language: str) -> list[str]:
    """The languages of a pool and its queries as mteb names them: ``eng-Latn``, ``zho-Hans``."""
    import langcodes

    full = [langcodes.Language.get(tag).maximize() for tag in dict.fromkeys((*pool, query_language))]
    return [f"{language.to_alpha3()}-{language.script}" for language in full]


def _model_result(audit: Audit, name: str) -> dict[str, Any]:
    tasks: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in audit.scenarios:
        made = revision(audit.collection["fingerprint"], result.documents_mode, audit.limit, audit.seed)
        tasks.setdefault((result.scenario, made), []).append(_scores(audit, result))
    return {
        "model_name": name,
        "model_revision": audit.model["fingerprint"],
        "task_results": [
            {
                "task_name": task_name(audit.collection["name"], scenario, made),
                "dataset_revision": made,
                "mteb_version": None,
                "evaluation_time": None,
                "scores": {SPLIT: scores},
            }
            for (scenario, made), scores in tasks.items()
        ],
    }


def _scores(audit: Audit, result: ScenarioResult) -> dict[str, Any]:
    if MAIN_MEASURE not in result.measures or math.isnan(result.measures[MAIN_MEASURE].mean):
        raise IsoglotError(f"the audit of {audit.retriever} has no {MAIN_MEASURE}, mteb's main score; make it with it")
    pool, asked = [canonical(tag) for tag in result.pool_languages], canonical(result.query_language)
    values = {
        name.replace("@", "_at_"): interval.mean if name in _IN_RANKS else interval.mean / 100
        for name, interval in result.measures.items()
    }
    shown: dict[str, Any] = without_nan(values)
    return {
        **{name: value for name, value in shown.items() if value is not None},
        "main_score": result.measures[MAIN_MEASURE].mean / 100,
        "hf_subset": subset_name(pool, asked),
        "languages": mteb_languages(pool, asked),
    }
