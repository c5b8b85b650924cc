"""What a reproduction shows: tables for the terminal, a page in HTML or Markdown, JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from isoglot.platform.version import __version__
from isoglot.report.markdown import table_to_markdown
from isoglot.report.tables import Table, number
from isoglot.reproduction.expected import Expected
from isoglot.reproduction.running import Outcome, Result, State

COLUMNS = ("scenario", "pool", "asked in", "measure", "expected", "measured", "difference", "allowed", "")
LABELS = 4


@dataclass(frozen=True)
class Reproduction:
    """A set of experiments and what became of each.

    Attributes:
        name: ``paper`` or ``methods``.
        expected: Where they are from.
        outcomes: One for each experiment that was asked for.
    """

    name: str
    expected: Expected
    outcomes: Sequence[Outcome]

    @property
    def results(self) -> list[Result]:
        """Those of all experiments."""
        return [result for outcome in self.outcomes for result in outcome.results]

    @property
    def reproduced(self) -> bool:
        """Whether all that ran is ok."""
        return not any(result.state in (State.OFF, State.FAILED) for result in self.results)

    @property
    def summary(self) -> str:
        """``41 ok, 2 off, 7 not run``."""
        counts = Counter(result.state for result in self.results)
        shown = [state for state in State if counts[state] or state is not State.FAILED]
        return ", ".join(f"{counts[state]} {state}" for state in shown)

    def notes(self) -> list[str]:
        """What a reader must know."""
        return self.expected.notes.get(self.name, [])

    def to_json(self) -> str:
        """Everything, as JSON."""
        body = {
            "schema": "isoglot.reproduction/1",
            "isoglot": __version__,
            "set": self.name,
            "reproduced": self.reproduced,
            "counts": Counter(result.state for result in self.results),
            "notes": self.notes(),
            "experiments": [self._experiment(outcome) for outcome in self.outcomes],
        }
        return json.dumps(body, indent=1, ensure_ascii=False) + "\n"

    def _experiment(self, outcome: Outcome) -> dict[str, Any]:
        experiment = outcome.experiment
        fields = ("name", "model", "about", "source", "sure")
        return {
            **{name: getattr(experiment, name) for name in fields},
            "tolerance": self.expected.tolerances[experiment.tolerance].why,
            "commands": self.expected.commands(experiment),
            "why": outcome.why or None,
            "rows": [
                {
                    "id": result.row_id,
                    **{name: getattr(result.row, name) for name in result.row.__struct_fields__},
                    "allowed": result.allowed,
                    "measured": result.measured,
                    "difference": result.difference,
                    "state": result.state,
                }
                for result in outcome.results
            ],
        }

    def to_markdown(self) -> str:
        """The page as Markdown."""
        lines = [f"# isoglot reproduce {self.name}", "", f"{self.summary}; isoglot {__version__}.", ""]
        lines += [f"- {escape(note, quote=False)}" for note in self.notes()]
        for outcome in self.outcomes:
            experiment = outcome.experiment
            lines += ["", table_to_markdown(outcome_table(outcome))]
            lines += [f"- {label}: {escape(text, quote=False)}" for label, text in facts(self.expected, outcome)]
            if experiment.command:
                commands = "\n".join(f"    {command}" for command in self.expected.commands(experiment))
                lines += ["", commands]
        return "\n".join(lines) + "\n"

    def to_html(self) -> str:
        """The page as one offline HTML file."""
        from isoglot.report.html.templates import environment, style

        return (
            environment(Path(__file__).parent)
            .get_template("page.html.j2")
            .render(
                page=self,
                columns=COLUMNS,
                labels=LABELS,
                cells=cells,
                facts=facts,
                style=style(),
                version=__version__,
            )
        )


def cells(result: Result) -> tuple[str, ...]:
    """A row of text under `COLUMNS`."""
    row = result.row
    difference = "-" if result.difference is None else f"{round(result.difference, 2) + 0.0:+.2f}"  # + 0.0: no -0.00
    return (
        row.scenario,
        row.pool,
        row.asked,
        row.measure,
        number(row.expected),
        number(result.measured),
        difference,
        number(result.allowed),
        str(result.state),
    )


def outcome_table(outcome: Outcome) -> Table:
    """An experiment with all of its rows."""
    title = f"{outcome.experiment.name}: {outcome.experiment.about}"
    return Table(title, COLUMNS, tuple(map(cells, outcome.results)), LABELS)


def terminal_tables(outcomes: Sequence[Outcome]) -> list[Table]:
    """What ran, with all rows; then the rows that are off once more."""
    results = [result for outcome in outcomes for result in outcome.results]
    off = tuple((result.row_id, *cells(result)[LABELS:-1]) for result in results if result.state is State.OFF)
    ran = [outcome_table(outcome) for outcome in outcomes if outcome.audit is not None]
    return [*ran, *([Table("Off", ("row", *COLUMNS[LABELS:-1]), off, labels=1)] if off else [])]


def without_audit(outcomes: Sequence[Outcome]) -> list[str]:
    """What did not run, and why, a line each."""
    return [
        f"{outcome.experiment.name}, {len(outcome.results)} rows: {outcome.results[0].state}: {outcome.why}"
        for outcome in outcomes
        if outcome.audit is None
    ]


def facts(expected: Expected, outcome: Outcome) -> list[tuple[str, str]]:
    """What stands below an experiment's rows: where the numbers are from, how sure, what was measured with."""
    experiment = outcome.experiment
    found = [
        ("expected", f"{experiment.source}; {experiment.sure}"),
        ("allowed", expected.tolerances[experiment.tolerance].why),
    ]
    if outcome.why:
        found.append((str(outcome.results[0].state), outcome.why))
    if outcome.audit is not None:
        audit = outcome.audit
        prompts = ", ".join(f"{role} {prompt.text!r}" for role, prompt in audit.model.prompts.items())
        machine = ", ".join(f"{name} {value}" for name, value in audit.environment.items())
        found += [
            (
                "measured",
                f"model {audit.model.fingerprint[:16]}, prompts {prompts}; {audit.collection.name} "
                f"{audit.collection.fingerprint[:16]}; seed {audit.seed}; isoglot {audit.isoglot}",
            ),
            ("on", machine),
        ]
    return found
