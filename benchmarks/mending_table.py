"""Print the table of docs/results/methods.md on calibration and scaling: audits of one collection, as means.

    python -m benchmarks.mending_table NAME=AUDIT_FOLDER ...

Columns: complete@10 of target and English questions in pools of English and one other language, with the 95% interval
of the former; the lowest language; mono-same ndcg@1 of both; control ndcg@10; complete@20 in the pool of all languages.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.methods_table import ENGLISH, is_pair, mean
from isoglot import Audit
from isoglot.evaluation.results import ScenarioResult

HEADINGS = ("", "complete@10", "lowest", "mono-same ndcg@1", "control ndcg@10", "all languages, complete@20")


def row(audit: Audit) -> list[str]:
    """Return the numbers of an audit in the order of `HEADINGS`."""

    def cells(scenario: str, english: bool | None) -> list[ScenarioResult]:
        found = [cell for cell in audit.scenarios if cell.scenario == scenario]
        found = [cell for cell in found if scenario == "mono-same" or is_pair(cell)]
        return [cell for cell in found if english is None or (cell.query_language in ENGLISH) == english]

    def both(scenario: str, measure: str) -> str:
        return " / ".join(f"{mean(cells(scenario, english), measure).mean:.1f}" for english in (False, True))

    target = mean(cells("multi", False), "complete@10")
    by_language = {cell.query_language: mean([cell], "complete@10").mean for cell in cells("multi", False)}
    lowest = min(by_language, key=lambda tag: by_language[tag])
    wide = [cell for cell in audit.scenarios if cell.scenario == "multi" and len(cell.pool_languages) > 2]
    return [
        f"{both('multi', 'complete@10')} ({target.low:.1f}-{target.high:.1f})",
        f"{by_language[lowest]:.1f} ({lowest})",
        both("mono-same", "ndcg@1"),
        f"{mean(cells('control', None), 'ndcg@10').mean:.1f}",
        f"{mean(wide, 'complete@20').mean:.1f}" if wide else "",
    ]


def main() -> None:
    """Print the table in Markdown."""
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    for argument in sys.argv[1:]:
        name, _, folder = argument.partition("=")
        print(f"| {name} | {' | '.join(row(Audit.load(Path(folder))))} |", flush=True)


if __name__ == "__main__":
    main()
