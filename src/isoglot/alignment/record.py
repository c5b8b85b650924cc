"""What an aligned model's folder says of itself: isoglot.json and the model card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isoglot.alignment.guard import Verdict
from isoglot.evaluation.results import without_nan
from isoglot.evaluation.statistics.intervals import Interval

RECORD = "isoglot.json"
"""The file in an aligned model's folder that says how it was made."""


def read_record(folder: Path) -> dict[str, Any] | None:
    """How the model in `folder` was aligned; None if isoglot did not make it."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write isoglot.json and the model card.

    Raises:
        OSError: The folder cannot be written.
    """
    text = json.dumps(without_nan(dict(record)), indent=1, ensure_ascii=False)
    (folder / RECORD).write_text(text + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_model_card(record), encoding="utf-8")


def verdict_to_record(verdict: Verdict) -> dict[str, Any]:
    """The verdict as a record holds it."""
    found = verdict.difference
    numbers = {"mean": found.mean, "low": found.low, "high": found.high}
    return {**numbers, "max_loss": verdict.max_loss, "passed": verdict.passed}


def verdict_of(record: Mapping[str, Any], max_loss: float) -> Verdict:
    """The verdict in a record, by another bound."""
    numbers = (record["verdict"][name] for name in ("mean", "low", "high"))
    return Verdict(Interval(*(float("nan") if value is None else value for value in numbers)), max_loss)


def _model_card(record: Mapping[str, Any]) -> str:
    options = ", ".join(f"{name} {value}" for name, value in record["options"].items()) or "none"
    loading = 'SentenceTransformer("this folder")'
    if record["needs_language"]:
        loading = 'SentenceTransformer("this folder", trust_remote_code=True)  # with isoglot installed'
    data = record["data"]
    return f"""---
library_name: sentence-transformers
tags: [isoglot, cross-lingual-alignment]
---
# {record["base"]["name"]}, aligned by isoglot with `{record["method"]}`

- Method: `{record["method"]}`: {record["summary"]}. Options: {options}. Seed {record["seed"]}.
- Data: {data["name"]}, {data["rows"]} rows in {", ".join(data["languages"])} (fingerprint {data["fingerprint"][:12]}).
  Licence of the data: {", ".join(data["licences"]) or "see its source"}.
- Base: {record["base"]["name"]} (fingerprint {record["base"]["fingerprint"][:12]}); its licence applies.
- isoglot {record["isoglot"]}.

```python
from sentence_transformers import SentenceTransformer
model = {loading}
```

{_results(record)}"""


def _results(record: Mapping[str, Any]) -> str:
    from isoglot.report.alignment import before_after_table, tried_table
    from isoglot.report.markdown import table_to_markdown

    if record["verdict"] is None:
        return "Not audited on a development split.\n"
    development, bound = record["development"], record["verdict"]["max_loss"]
    verdict = verdict_of(record, bound)
    outcome = "passed" if verdict.passed else "**failed**"
    text = f"""{table_to_markdown(before_after_table(record))}
Guard: {outcome}: {verdict}; allowed is a loss of {bound:g}.
Development split: {development["documents"]} documents and {development["queries"]} questions in \
{", ".join(development["languages"])} (fingerprint {development["fingerprint"][:12]}), not trained on as questions.
"""
    return f"{text}\n{table_to_markdown(tried_table(record['auto']))}" if "auto" in record else text
