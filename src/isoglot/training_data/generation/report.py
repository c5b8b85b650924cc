"""What a run with a language model did."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field

from isoglot.training_data.generation.answers import REASONS


@dataclass(frozen=True)
class LeftOut:
    """A cell for which no answer was kept.

    Attributes:
        content_id: Of the row.
        language: Of the cell.
        reason: A name out of `REASONS`.
        detail: What was found in the last answer.
    """

    content_id: str
    language: str
    reason: str
    detail: str


@dataclass
class Usage:
    """What the API says it counted in this run; answers that never arrived are not in it.

    Attributes:
        answers: Received, good ones and bad.
        tokens_in: Of prompts.
        tokens_out: Of answers.
        unstated: Answers without a count; isoglot's estimate stands in for it.
        cost: In USD; None where prices are unknown.
    """

    answers: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    unstated: int = 0
    cost: float | None = None


@dataclass
class LlmReport:
    """What a run did.

    Attributes:
        output: The file of rows.
        journal: The file of answers beside it.
        model: Its name.
        cells: How many were wanted.
        resumed: Cells whose answers were in the journal.
        rows: How many were written.
        languages: Language -> how many cells the model wrote that are in the output.
        left_out: Cells that are not in it.
        usage: What it cost.
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
        found = Counter(cell.reason for cell in self.left_out)
        return {reason: found[reason] for reason in REASONS if found[reason]}

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps({**asdict(self), "reasons": self.reasons}, ensure_ascii=False, indent=1) + "\n"

    def __str__(self) -> str:
        kept = sum(self.languages.values())
        lines = [f"{self.output}: {self.rows} rows; {kept} of {self.cells} cells by {self.model}"]
        if self.resumed:
            lines.append(f"  {self.resumed} answers were in {self.journal}")
        usage = self.usage
        price = "" if usage.cost is None else f", USD {usage.cost:.4f}"
        lines.append(f"  {usage.answers} answers: {usage.tokens_in} tokens in, {usage.tokens_out} out{price}")
        if usage.unstated:
            lines.append(f"  {usage.unstated} of them came without a count of tokens, which is estimated")
        lines += [f"  left out {count}: {reason}: {REASONS[reason]}" for reason, count in self.reasons.items()]
        return "\n".join(lines)
