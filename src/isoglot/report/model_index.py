"""Results of audits as model-index entries, the form in which model cards on the Hugging Face hub hold results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from isoglot.evaluation.results import Audit
from isoglot.platform.languages import canonical
from isoglot.platform.version import HOMEPAGE
from isoglot.report.mteb import SPLIT, mteb_measure, result_revision, subset_name, task_name
from isoglot.report.tables import pool_name

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TASK_TYPE = "text-retrieval"
"""The hub's name of the task, which mteb gives its retrieval tasks too."""


def eval_results(audit: Audit, measures: Sequence[tuple[str, str]]) -> list[EvalResult]:
    """Return an entry for each measure of each pool asked in one language.

    Data sets, subsets and measures are named as in `isoglot.report.mteb.audits_to_mteb`: the task's name begins with
    ``isoglot-``, so no reader takes it for a task of mteb's own. Shares and gains run from 0 to 1.

    Args:
        audit: The audit.
        measures: Scenarios and measures, such as ``("multi", "complete@10")``; those that the audit lacks are left out.
    """
    from huggingface_hub import EvalResult

    results = []
    for result in audit.scenarios:
        pool, asked = pool_name(result.pool_languages), result.query_language
        built = result_revision(audit, result)
        for scenario, measure in measures:
            interval = result.measures.get(measure)
            if scenario != result.scenario or interval is None or not math.isfinite(interval.mean):
                continue
            name, value = mteb_measure(measure, interval.mean)
            results.append(
                EvalResult(
                    task_type=TASK_TYPE,
                    task_name=f"{scenario}: {result.documents} documents in {pool}, asked in {asked}",
                    dataset_type=task_name(audit.collection.name, scenario, built),
                    dataset_name=f"{audit.collection.name}, isoglot's {scenario} pools",
                    dataset_config=subset_name([canonical(tag) for tag in result.pool_languages], canonical(asked)),
                    dataset_split=SPLIT,
                    dataset_revision=built,
                    metric_type=name,
                    metric_name=measure,
                    metric_value=round(value, 6),
                    source_name="isoglot",
                    source_url=HOMEPAGE,
                )
            )
    return results
