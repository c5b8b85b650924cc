"""Views of a reproduction: tables for the terminal, a page in HTML or Markdown, and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import msgspec

from isoglot.platform.version import __version__
from isoglot.report.markdown import table_to_markdown
from isoglot.report.tables import Table, number
from isoglot.reproduction.expected import Expected
from isoglot.reproduction.running import ExperimentResult, NumberResult, State

SCHEMA = "isoglot.reproduction/1"
COLUMNS = ("scenario", "pool", "asked in", "measure", "expected", "measured", "difference", "allowed", "")
LABELS = 4
"""Number of columns that hold text; the others hold numbers."""


class NumberRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A `NumberResult` as JSON holds it."""

    id: str
    scenario: str
    pool: str
    asked: str
    measure: str
    expected: float
    allowed: float
    measured: float | None
    difference: float | None
    state: State


class ExperimentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An `ExperimentResult` as JSON holds it; `tolerance` is the reason of the tolerance."""

    name: str
    model: str
    about: str
    source: str
    sure: str
    tolerance: str
    commands: list[str]
    why: str | None
    rows: list[NumberRecord]


class ReproductionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A `Reproduction` as JSON holds it."""

    schema: str
    isoglot: str
    set: str
    reproduced: bool
    counts: dict[State, int]
    notes: list[str]
    experiments: list[ExperimentRecord]


@dataclass(frozen=True)
class Reproduction:
    """A set of experiments and what came out of each.

    Attributes:
        name: ``paper`` or ``methods``.
        expected: The file that the experiments are from.
        results: A result for each experiment that was asked for.
    """

    name: str
    expected: Expected
    results: Sequence[ExperimentResult]

    @property
    def numbers(self) -> list[NumberResult]:
        """The results of all numbers of all experiments."""
        return [compared for result in self.results for compared in result.numbers]

    @property
    def reproduced(self) -> bool:
        """Whether every number of an experiment that was run is ok."""
        return not any(compared.state in (State.OFF, State.FAILED) for compared in self.numbers)

    @property
    def summary(self) -> str:
        """Counts of states, such as ``41 ok, 2 off, 7 not run``."""
        counts = Counter(compared.state for compared in self.numbers)
        shown = [state for state in State if counts[state] or state is not State.FAILED]
        return ", ".join(f"{counts[state]} {state}" for state in shown)

    def notes(self) -> list[str]:
        """Return the notes on the set for its reader."""
        return self.expected.notes.get(self.name, [])

    def to_json(self) -> str:
        """Return everything as JSON."""
        record = ReproductionRecord(
            schema=SCHEMA,
            isoglot=__version__,
            set=self.name,
            reproduced=self.reproduced,
            counts=Counter(compared.state for compared in self.numbers),
            notes=self.notes(),
            experiments=[self._record(result) for result in self.results],
        )
        return json.dumps(msgspec.to_builtins(record), indent=1, ensure_ascii=False) + "\n"

    def _record(self, result: ExperimentResult) -> ExperimentRecord:
        experiment = result.experiment
        return ExperimentRecord(
            name=experiment.name,
            model=experiment.model,
            about=experiment.about,
            source=experiment.source,
            sure=experiment.sure,
            tolerance=self.expected.tolerances[experiment.tolerance].why,
            commands=self.expected.commands(experiment),
            why=result.reason or None,
            rows=[
                NumberRecord(
                    id=compared.number_id,
                    **msgspec.structs.asdict(compared.number),
                    allowed=compared.allowed,
                    measured=compared.measured,
                    difference=compared.difference,
                    state=compared.state,
                )
                for compared in result.numbers
            ],
        )

    def to_markdown(self) -> str:
        """Return the page as Markdown."""
        lines = [f"# isoglot reproduce {self.name}", "", f"{self.summary}; isoglot {__version__}.", ""]
        lines += [f"- {escape(note, quote=False)}" for note in self.notes()]
        for result in self.results:
            lines += ["", table_to_markdown(experiment_table(result))]
            lines += [f"- {label}: {escape(text, quote=False)}" for label, text in facts(self.expected, result)]
            if result.experiment.command:
                commands = "\n".join(f"    {command}" for command in self.expected.commands(result.experiment))
                lines += ["", commands]
        return "\n".join(lines) + "\n"

    def to_html(self) -> str:
        """Return the page as one HTML file that makes no request."""
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


def cells(result: NumberResult) -> tuple[str, ...]:
    """Return the texts of a number under `COLUMNS`."""
    expected = result.number
    difference = "-" if result.difference is None else f"{round(result.difference, 2) + 0.0:+.2f}"  # + 0.0: no -0.00
    return (
        expected.scenario,
        expected.pool,
        expected.asked,
        expected.measure,
        number(expected.expected),
        number(result.measured),
        difference,
        number(result.allowed),
        str(result.state),
    )


def experiment_table(result: ExperimentResult) -> Table:
    """Return the table of all numbers of an experiment."""
    title = f"{result.experiment.name}: {result.experiment.about}"
    return Table(title, COLUMNS, tuple(map(cells, result.numbers)), LABELS)


def terminal_tables(results: Sequence[ExperimentResult]) -> list[Table]:
    """Return a table for each experiment that was run, then one with the numbers that are off."""
    off = tuple(
        (compared.number_id, *cells(compared)[LABELS:-1])
        for result in results
        for compared in result.numbers
        if compared.state is State.OFF
    )
    tables = [experiment_table(result) for result in results if result.audit is not None]
    return [*tables, *([Table("Off", ("number", *COLUMNS[LABELS:-1]), off, labels=1)] if off else [])]


def lines_without_audit(results: Sequence[ExperimentResult]) -> list[str]:
    """Return a line for each experiment that was not run or failed, with the reason."""
    return [
        f"{result.experiment.name}, {len(result.numbers)} numbers: {result.numbers[0].state}: {result.reason}"
        for result in results
        if result.audit is None
    ]


def facts(expected: Expected, result: ExperimentResult) -> list[tuple[str, str]]:
    """Return (label, text) of what stands below an experiment's numbers: their source, tolerance and circumstances."""
    experiment = result.experiment
    lines = [
        ("expected", f"{experiment.source}; {experiment.sure}"),
        ("allowed", expected.tolerances[experiment.tolerance].why),
    ]
    if result.reason:
        lines.append((str(result.numbers[0].state), result.reason))
    if result.audit is not None:
        audit = result.audit
        prompts = ", ".join(f"{role} {prompt.text!r}" for role, prompt in audit.model.prompts.items())
        machine = ", ".join(f"{name} {value}" for name, value in audit.environment.items())
        lines += [
            (
                "measured",
                f"model {audit.model.fingerprint[:16]}, prompts {prompts}; {audit.collection.name} "
                f"{audit.collection.fingerprint[:16]}; seed {audit.seed}; isoglot {audit.isoglot}",
            ),
            ("on", machine),
        ]
    return lines
