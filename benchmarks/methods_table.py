"""Print the tables of docs/results/methods.md: audits of one collection by several methods, as means with intervals.

    python -m benchmarks.methods_table NAME=AUDIT_FOLDER ...

A question's value is its mean over the languages it is asked in; 95% intervals resample contents with all questions
about them. The first table has pools of English and one other language, the second splits them by query language, and
the others have pools of other languages.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from isoglot import Audit
from isoglot.evaluation.measures import parse_measure
from isoglot.evaluation.results import ScenarioResult
from isoglot.evaluation.statistics.intervals import Interval, bootstrap_means

ENGLISH = {"en", "eng_Latn"}
COLUMNS = [
    ("multi", False, "complete@10"),
    ("multi", True, "complete@10"),
    ("multi", False, "max_r"),
    ("multi", True, "max_r"),
    ("multi", False, "max_r_norm"),
    ("multi", False, "ndcg@1"),
    ("mono-same", False, "ndcg@1"),
    ("mono-same", True, "ndcg@1"),
]


def results(audit: Audit, scenario: str, english: bool) -> list[ScenarioResult]:
    """Return the cells of a scenario with English queries, or those with others; of mixed pools, pairs with English."""
    return [
        cell
        for cell in audit.scenarios
        if cell.scenario == scenario
        and (cell.query_language in ENGLISH) == english
        and (scenario != "multi" or is_pair(cell))
    ]


def is_pair(cell: ScenarioResult) -> bool:
    return len(cell.pool_languages) == 2 and bool(ENGLISH & set(cell.pool_languages))


def mean(cells: Sequence[ScenarioResult], measure: str) -> Interval:
    values = []
    for cell in cells:
        assert cell.judged is not None
        order = np.argsort(cell.query_ids)
        values.append(parse_measure(measure)(cell.judged)[order])
    units = [cells[0].contents[index] for index in np.argsort(cells[0].query_ids)]
    return bootstrap_means(np.mean(values, axis=0)[:, None], units=units)[0]


def as_text(interval: Interval) -> str:
    return f"{interval.mean:.1f} ({interval.low:.1f}-{interval.high:.1f})"


def main(arguments: Sequence[str]) -> None:
    audits = {name: Audit.load(folder) for name, _, folder in (argument.partition("=") for argument in arguments)}
    heads = [f"{m}, {s}, {'English' if english else 'target'} queries" for s, english, m in COLUMNS]
    print("| method | " + " | ".join(heads) + " |\n|---|" + "---:|" * len(heads))
    for name, audit in audits.items():
        row = [as_text(mean(results(audit, scenario, english), measure)) for scenario, english, measure in COLUMNS]
        print(f"| {name} | " + " | ".join(row) + " |")
    first = next(iter(audits.values()))
    languages = [cell.query_language for cell in results(first, "multi", english=False)]
    print("\n| complete@10 | " + " | ".join(languages) + " |\n|---|" + "---:|" * len(languages))
    for name, audit in audits.items():
        row = [f"{cell.measures['complete@10'].mean:.1f}" for cell in results(audit, "multi", english=False)]
        print(f"| {name} | " + " | ".join(row) + " |")
    others = {cell.pool_languages for cell in first.scenarios if cell.scenario == "multi" and not is_pair(cell)}
    for pool in sorted(others, key=len):
        depths = [depth for depth in (10, 20, 50) if depth >= len(pool)]  # of the golds, one in each language
        measures = [*(f"complete@{depth}" for depth in depths), "max_r"]
        print(f"\n| {'+'.join(pool)} | " + " | ".join(measures) + " |\n|---|" + "---:|" * len(measures))
        for name, audit in audits.items():
            cells = [cell for cell in audit.scenarios if cell.scenario == "multi" and cell.pool_languages == pool]
            print(f"| {name} | " + " | ".join(as_text(mean(cells, measure)) for measure in measures) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
