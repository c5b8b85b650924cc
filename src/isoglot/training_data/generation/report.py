"""The report of a run in which a language model wrote or translated rows, and the end of such a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import write_text
from isoglot.training_data.building import report_path
from isoglot.training_data.generation.answers import REASONS
from isoglot.training_data.row import Row, check_row_file, write_rows


@dataclass(frozen=True)
class LeftOut:
    """A cell for which no answer was kept.

    Attributes:
        content_id: Content id of the row.
        language: Language of the cell.
        reason: Name of the reason, one of `REASONS`.
        detail: The fault of the last answer.
    """

    content_id: str
    language: str
    reason: str
    detail: str


@dataclass(kw_only=True)
class Usage:
    """What the API says it counted in this run, without answers that never arrived.

    Attributes:
        answers: Number of answers received, good and bad.
        tokens_in: Number of tokens of the prompts.
        tokens_out: Number of tokens of the answers.
        unstated: Number of answers without a count, for which isoglot's estimate stands in.
        cost: Cost in USD; None where prices are unknown.
    """

    answers: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    unstated: int = 0
    cost: float | None = None


@dataclass(kw_only=True)
class GenerationReport:
    """What a run did.

    Attributes:
        output: File of the rows.
        journal: File of the answers, beside it.
        model: Name of the model.
        cells: Number of cells wanted.
        resumed: Number of cells whose answers were in the journal.
        rows: Number of rows written.
        languages: Language -> number of cells in the output that the model wrote.
        left_out: Cells that are not in the output, or keep their heading.
        usage: Answers, tokens and cost.
    """

    output: str
    journal: str
    model: str
    cells: int = 0
    resumed: int = 0
    rows: int = 0
    languages: dict[str, int] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)

    @property
    def reasons(self) -> dict[str, int]:
        """Reason -> how many cells were left out for it, in the order of `REASONS`."""
        counts = Counter(cell.reason for cell in self.left_out)
        return {reason: counts[reason] for reason in REASONS if counts[reason]}

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps({**asdict(self), "reasons": self.reasons}, ensure_ascii=False, indent=1) + "\n"

    def __str__(self) -> str:
        kept = sum(self.languages.values())
        lines = [f"{self.output}: {self.rows} rows; {kept} of {self.cells} cells by {self.model}"]
        if self.resumed:
            lines.append(f"  {self.resumed} of them were answered in {self.journal}")
        usage = self.usage
        price = "" if usage.cost is None else f", USD {usage.cost:.4f}"
        lines.append(f"  {usage.answers} answers: {usage.tokens_in} tokens in, {usage.tokens_out} out{price}")
        if usage.unstated:
            lines.append(f"  {usage.unstated} of them came without a count of tokens, which is estimated")
        lines += [f"  left out {count}: {reason}: {REASONS[reason]}" for reason, count in self.reasons.items()]
        return "\n".join(lines)


def start_report(output: str | Path, model: str) -> GenerationReport:
    """Return an empty report for `output`, whose name is checked before anything is paid for.

    Raises:
        IsoglotError: Rows cannot be written under that name.
    """
    check_row_file(output)
    journal = Path(output).with_suffix(".answers.jsonl")
    return GenerationReport(output=str(output), journal=str(journal), model=model)


def write_rows_and_report(rows: Sequence[Row], languages: Mapping[str, int], report: GenerationReport) -> None:
    """Complete the report and write it, and then the rows.

    Args:
        rows: The rows to write.
        languages: Language -> number of cells in `rows` that the model wrote.
        report: The report of the run.

    Raises:
        IsoglotError: The model wrote no cell of them; then there is a report, but no file of rows.
    """
    report.rows, report.languages = len(rows), dict(sorted(languages.items()))
    write_text(report_path(report.output), report.to_json())
    if not languages:
        raise IsoglotError(f"no answer was good: {report.reasons}; {report_path(report.output)} says more")
    write_rows(report.output, rows)
