"""The model card of an aligned model, and the writing of card and record into its folder."""

from __future__ import annotations

from pathlib import Path

from isoglot.alignment.record import RECORD, AlignmentRecord, DataRecord, DevelopmentRecord, to_json
from isoglot.alignment.tables import before_after_table, cutoff_tables, tried_table, verdict_text
from isoglot.report.markdown import code, escape, table_to_markdown


def write_record(folder: Path, record: AlignmentRecord) -> None:
    """Write isoglot.json and the model card.

    Raises:
        OSError: The folder cannot be written.
    """
    (folder / RECORD).write_text(to_json(record), encoding="utf-8", newline="\n")
    (folder / "README.md").write_text(model_card(record), encoding="utf-8", newline="\n")


def model_card(record: AlignmentRecord) -> str:
    """The model card in Markdown: how the model was made, how it is loaded, and what came out."""
    options = ", ".join(escape(f"{name} {value}") for name, value in record.options.items()) or "none"
    loading = 'SentenceTransformer("this folder")'
    if record.needs_language:
        loading = 'SentenceTransformer("this folder", trust_remote_code=True)  # with isoglot installed'
    base, data = record.base, record.data
    languages = escape(", ".join(data.languages))
    return f"""---
library_name: sentence-transformers
tags: [isoglot, cross-lingual-alignment]
---
# {escape(base.name)}, aligned by isoglot with {code(record.method)}

- Method: {code(record.method)}: {escape(record.summary)}. Options: {options}. Seed {record.seed}.
- Data: {escape(data.name)}, {_amount(data)} in {languages} (fingerprint {data.fingerprint[:12]}).
  Licence of the data: {escape(", ".join(data.licences)) or "see its source"}.
- Base: {escape(base.name)} (fingerprint {base.fingerprint[:12]}); its licence applies.
- isoglot {record.isoglot}.{_scale(record)}

```python
from sentence_transformers import SentenceTransformer
model = {loading}
```

{_results(record)}"""


def _results(record: AlignmentRecord) -> str:
    if record.verdict is None or record.measures is None or record.development is None:
        return "Not audited on a development split.\n"
    development: DevelopmentRecord = record.development
    verdict = record.verdict.verdict()
    outcome = {True: "passed", False: "**failed**", None: verdict_text(record.verdict)}[verdict.kept]
    note = f" {escape(verdict.note)}" if verdict.note else ""
    text = f"""{table_to_markdown(before_after_table(record.measures, development.name))}
Guard: {outcome}: {escape(str(verdict))}; allowed is a loss of {verdict.max_loss:g}.{note}
Development split: {development.documents} documents and {development.queries} questions in \
{escape(", ".join(development.languages))} (fingerprint {development.fingerprint[:12]}), not trained on as questions.
"""
    tables = [*cutoff_tables(record), *([] if record.auto is None else [tried_table(record.auto)])]
    return "\n".join([text, *map(table_to_markdown, tables)])


def _scale(record: AlignmentRecord) -> str:
    """What became of ``--keep-scale``."""
    if not record.keep_scale:
        return ""
    if record.common_share is None:
        return "\n- Scale: not kept: the mean cosine of unrelated pairs has not fallen."
    share = record.common_share
    return (
        "\n- Scale: kept. Vectors have one more component than those of the base, equal in all of them, so that "
        f"unrelated pairs keep their mean cosine: a cosine c has become {1 - share:.4f} c + {share:.4f}. Rankings are "
        "the same without it."
    )


def _amount(data: DataRecord) -> str:
    """``320 rows``, or ``900 documents and 900 spans of them``."""
    if not data.documents:
        return f"{data.rows} rows"
    return f"{data.documents} documents and {data.queries} {'spans of them' if data.spans else 'questions'}"
