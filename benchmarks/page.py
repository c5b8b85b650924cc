"""Write docs/results from the records in benchmarks/results: python -m benchmarks.page

A page is made of its text in benchmarks/pages. There {{NAME}} stands for a table that a function below makes of a
record, and {{FOLDER/NAME}} for the table in benchmarks/results/tables/FOLDER/NAME.csv.
"""

from __future__ import annotations

import csv
import json
import re
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import install_sizes
from benchmarks.measuring import RESULTS
from benchmarks.pictures import ranking_cost

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = Path(__file__).parent / "pages"
NUMBER = re.compile(r"[-+]?\d[\d,.]*%?")


def main() -> None:
    made = tables()
    for page in sorted(PAGES.glob("*.md.in")):
        (DOCS / "results" / page.stem).write_text(filled(page.read_text(encoding="utf-8"), made), encoding="utf-8")
    record = json.loads((RESULTS / "ranking.json").read_text(encoding="utf-8"))
    chart = ranking_cost.draw(record["seconds"])
    (DOCS / "pictures" / "ranking-cost.svg").write_text(chart, encoding="utf-8")


def filled(text: str, made: dict[str, str]) -> str:
    """The text of a page with its tables."""
    return re.sub(r"\{\{(.+?)\}\}", lambda match: made[match[1]] if match[1] in made else recorded(match[1]), text)


def recorded(name: str) -> str:
    """The table of a CSV file in Markdown; columns of numbers stand to the right."""
    with (RESULTS / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    columns = list(zip(*rows, strict=True))
    numeric = [any(column) and all(NUMBER.match(cell) for cell in column if cell) for column in columns]
    marks = ["---:" if right else "---" for right in numeric]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, marks, *rows))


def tables() -> dict[str, str]:
    """Name -> table, of the records that are not tables already."""
    records = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in RESULTS.glob("*.json")}
    return {
        "MACHINE": machine(records["encoding"]["machine"]),
        "ENCODING": encoding(records["encoding"]),
        "RANKING": ranking(records["ranking"]),
        "BALANCES": balances(records["ranking_balances"]),
        "BIG": big(records["ranking_big"]),
        "SCALED_SEARCH": scaled_search(records["scaled_search"]),
        "TRAINING": training(records["training"]),
        "STARTUP": start_up(records["start_up"]),
        "INSTALL_SIZES": install_sizes.table(records["install_sizes"]),
        "INSTALL_SYSTEM": "{system} with Python {python}".format(**records["install_sizes"]),
    }


def machine(facts: dict[str, Any]) -> str:
    versions = ", ".join(
        f"{name} {facts[name]}" for name in ("torch", "transformers", "sentence-transformers", "numpy")
    )
    hardware = f"{facts['cores']} cores of an {facts['processor']} without AVX-512, Python {facts['python']}"
    return f"{hardware}, {versions}; {facts['date']}"


def spread(ratios: list[float]) -> str:
    least, median, most = ratios
    return f"{median:.2f} ({least:.2f}-{most:.2f})" if least < most else f"{median:.2f}"


def mib(row: dict[str, Any]) -> str:
    return f"{row['peak_mib']:,.0f}" if row["peak_mib"] else ""


def encoding(record: dict[str, Any]) -> str:
    lines = [
        f"{record['texts']} texts, {record['tokens']:,} tokens; product: {record['matmul_gflops']:.0f} GFLOP/s.",
        "",
        "| way | seconds | times as fast | share of the product's rate | cosine to the first, mean (least) | MiB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, row in record["ways"].items():
        lines.append(
            f"| {name} | {statistics.median(row['seconds']):.1f} | {spread(row['times_as_fast'])} | "
            f"{row['share_of_matmul']:.0%} | {row['cosine_mean']:.5f} ({row['cosine_min']:.5f}) | {mib(row)} |"
        )
    return "\n".join(lines)


def ranking(record: dict[str, Any]) -> str:
    lines = [
        f"{record['queries']:,} queries, {record['documents']:,} documents, 384 dimensions, two golds a query.",
        "",
        "| way | seconds | times the bare product |",
        "|---|---:|---:|",
    ]
    for name, row in record["ways"].items():
        lines.append(f"| {name} | {statistics.median(row['seconds']):.2f} | {spread(row['times_the_product'])} |")
    memory = record["peak_mib"]
    lines += [
        "",
        f"Peak memory: {memory['vectors']:.0f} MiB with the vectors alone, {memory['ranking']:.0f} MiB ranking them.",
    ]
    return "\n".join(lines)


def balances(record: dict[str, Any]) -> str:
    lines = [
        "| way | seconds | times the bare product | of the processor | times the bare product |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, row in record["ways"].items():
        cells = [name]
        for clock in ("wall", "processor"):
            cells += [f"{statistics.median(row[clock]['seconds']):.2f}", spread(row[clock]["times_the_product"])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def scaled_search(record: dict[str, Any]) -> str:
    ways = list(next(iter(record["languages"].values()))["milliseconds"])
    lines = [
        f"{record['passages']:,} passages, {record['questions']} questions, the first {record['k']} with their texts; "
        "milliseconds, p50 / p99.",
        "",
        f"| languages | {' | '.join(ways)} | its recall@{record['k']} |",
        f"|---:|{'---:|' * (len(ways) + 1)}",
    ]
    for languages, row in record["languages"].items():
        times = [np.percentile(row["milliseconds"][way], [50, 99]) for way in ways]
        cells = [f"{p50:.1f} / {p99:.1f}" for p50, p99 in times]
        lines.append(f"| {languages} | {' | '.join(cells)} | {row['recall']:.3f} |")
    return "\n".join(lines)


def big(record: dict[str, Any]) -> str:
    lines = ["| documents | seconds | MiB of its own |", "|---:|---:|---:|"]
    rows = [(int(count), row) for count, row in record["documents"].items()]
    lines += [f"| {count:,} | {row['seconds']:.1f} | {row['peak_mib']:.0f} |" for count, row in rows]
    (few, first), (many, last) = rows[0], rows[-1]
    slope = (last["seconds"] - first["seconds"]) / (many - few)
    growth = (last["peak_mib"] - first["peak_mib"]) / (many - few)
    ten = last["seconds"] + slope * (10_000_000 - many)
    memory = last["peak_mib"] + growth * (10_000_000 - many)
    lines += ["", f"Extrapolated to 10 million: {ten:.0f} s, {memory:.0f} MiB (not run)."]
    return "\n".join(lines)


def training(record: dict[str, Any]) -> str:
    lines = [
        f"Batches of {record['batch']} triplets of `mini@demo-train`, cut at 128, "
        f"{record['tokens_a_step']:,.0f} tokens; "
        f"rounds: {record['rounds']}; product: {record['matmul_gflops']:.0f} GFLOP/s.",
        "",
        "| way | seconds a step | times as fast | share of the product's rate | MiB at most |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, row in record["ways"].items():
        lines.append(
            f"| {name} | {row['seconds_a_step']:.2f} | {spread(row['times_as_fast'])} | "
            f"{row['share_of_matmul']:.0%} | {mib(row)} |"
        )
    return "\n".join(lines)


def start_up(record: dict[str, Any]) -> str:
    lines = ["| way | seconds, median (range) |", "|---|---:|"]
    for name, times in record["seconds"].items():
        lines.append(f"| {name} | {statistics.median(times):.2f} ({min(times):.2f}-{max(times):.2f}) |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
