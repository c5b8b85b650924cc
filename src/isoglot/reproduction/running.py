"""Run experiments: each command once, its output kept in a work folder, then every number against the expected one."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec

from isoglot.encoders.models import BUNDLED, model_path
from isoglot.evaluation.results import Audit
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import cache_dir, os_errors_explained, sha256, write_text
from isoglot.platform.languages import canonical
from isoglot.platform.version import __version__
from isoglot.reproduction.expected import ROWS_FILE, Expected, ExpectedNumber, Experiment

ORIGIN_FILE = "reproduction.json"
"""Name of the file with the `Origin` of a finished folder."""

NEEDS_ROWS = (
    f"needs training rows: run isoglot data build mix --without mini -o {ROWS_FILE}, then pass --rows {ROWS_FILE}"
)
NEEDS_TRUST = "runs code from the model's repository: read it, then pass --trust-remote-code"


class Origin(msgspec.Struct, frozen=True):
    """Everything that a finished folder was made from; where any of it has changed, the folder is made again.

    Attributes:
        command: Arguments of isoglot.
        of: Names of bundled models and hashes of other inputs.
        isoglot: Version of isoglot.
    """

    command: list[str]
    of: list[str]
    isoglot: str

    def to_json(self) -> str:
        """Return the origin as JSON."""
        return json.dumps(msgspec.to_builtins(self), indent=1)


class State(StrEnum):
    """How a measured number compares with the expected one."""

    OK = "ok"
    OFF = "off"
    NOT_RUN = "not run"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class NumberResult:
    """One expected number and what was measured.

    Attributes:
        number_id: Id of the number, see `Experiment.number_id`.
        number: The expected number.
        allowed: Largest difference that still counts as equal.
        measured: Measured number; None if there is none.
        state: How the two compare.
    """

    number_id: str
    number: ExpectedNumber
    allowed: float
    measured: float | None
    state: State

    @property
    def difference(self) -> float | None:
        """The measured number minus the expected one."""
        return None if self.measured is None else self.measured - self.number.expected


@dataclass(frozen=True)
class ExperimentResult:
    """One experiment and what came out.

    Attributes:
        experiment: The experiment.
        numbers: A result for each of its numbers.
        reason: Why it was not run, or how its command failed; else empty.
        audit: Audit that was made; None if it was not run.
    """

    experiment: Experiment
    numbers: tuple[NumberResult, ...]
    reason: str = ""
    audit: Audit | None = None


class CommandError(IsoglotError):
    """A command that ended in another way than with a message about its input."""


def run_in_process(arguments: Sequence[str], work: Path) -> None:
    """Run a command of isoglot in the folder `work` and pass its progress on to standard error.

    Raises:
        IsoglotError: The command reported that something is wrong with its input.
        CommandError: The command ended in another way.
    """
    command = [sys.executable, "-P", "-m", "isoglot", *arguments]  # -P: nothing is imported from the work folder
    environment = {**os.environ, "ISOGLOT_CACHE": str(cache_dir().absolute())}
    last_line = ""
    with subprocess.Popen(
        command,
        cwd=work,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            assert process.stderr is not None  # it is a pipe
            for line in process.stderr:
                print(line, end="", file=sys.stderr, flush=True)
                last_line = line.strip() or last_line
        except BaseException:
            process.kill()  # an interruption ends the command too; commands write their files whole or not at all
            raise
    message = last_line.removeprefix("isoglot: ")
    if process.returncode == 2:
        raise IsoglotError(message)
    if process.returncode != 0:
        raise CommandError(f"the command ended with {process.returncode}: {message}")


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs experiments in a work folder, where finished audits and models are kept.

    Attributes:
        expected: The file that the experiments are from.
        work: Work folder.
        sources: Where sources are read from, such as ``{"xquad": "xquad:DIR"}``; others are read from the hub.
        rows: File of training rows; None if there is none.
        trust_remote_code: Whether code inside a model's repository may run.
        execute: Function that runs isoglot with arguments in a folder. It raises an IsoglotError where isoglot reports
            what is wrong, and a `CommandError` where isoglot fails in another way.
    """

    expected: Expected
    work: Path
    sources: dict[str, str] = field(default_factory=dict)
    rows: Path | None = None
    trust_remote_code: bool = False
    execute: Callable[[Sequence[str], Path], None] = run_in_process

    def run(self, experiment: Experiment) -> ExperimentResult:
        """Run the commands of an experiment that are not finished yet, and compare its numbers.

        Raises:
            IsoglotError: The work folder cannot be written to.
        """
        obstacle = self._obstacle(experiment)
        if obstacle:
            return self._without_audit(experiment, State.NOT_RUN, obstacle)
        with os_errors_explained(self.work):
            self.work.mkdir(parents=True, exist_ok=True)
        try:
            folders = [self._finished_folder(command, experiment) for command in self.expected.commands(experiment)]
            audit = Audit.load(folders[-1])
            numbers = [
                self._compared(experiment, number, measured_value(audit, number)) for number in experiment.numbers
            ]
        except CommandError as error:
            return self._without_audit(experiment, State.FAILED, str(error))
        except IsoglotError as error:
            return self._without_audit(experiment, State.NOT_RUN, str(error))
        return ExperimentResult(experiment, tuple(numbers), audit=audit)

    def _obstacle(self, experiment: Experiment) -> str:
        """Say why an experiment cannot be run; empty if it can."""
        if experiment.not_run:
            return experiment.not_run
        if experiment.remote_code and not self.trust_remote_code:
            return NEEDS_TRUST
        words = [word for command in self.expected.commands(experiment) for word in shlex.split(command)]
        return NEEDS_ROWS if ROWS_FILE in words and self.rows is None else ""

    def _without_audit(self, experiment: Experiment, state: State, reason: str) -> ExperimentResult:
        numbers = [
            NumberResult(
                number_id=experiment.number_id(number),
                number=number,
                allowed=self.expected.allowed(experiment, number),
                measured=None,
                state=state,
            )
            for number in experiment.numbers
        ]
        return ExperimentResult(experiment, tuple(numbers), reason)

    def _compared(self, experiment: Experiment, number: ExpectedNumber, measured: float) -> NumberResult:
        allowed = self.expected.allowed(experiment, number)
        return NumberResult(
            number_id=experiment.number_id(number),
            number=number,
            allowed=allowed,
            measured=measured,
            state=State.OK if abs(measured - number.expected) <= allowed else State.OFF,
        )

    def _finished_folder(self, command: str, experiment: Experiment) -> Path:
        """Return the folder that a command makes; it is made now unless one with the same origin is there."""
        words = shlex.split(command)
        folder = self.work / words[words.index("-o") + 1]
        arguments = [self._resolved(word) for word in words[1:]]
        if experiment.remote_code:
            arguments.append("--trust-remote-code")
        origin = Origin(arguments, self._inputs(words), __version__).to_json()
        record = folder / ORIGIN_FILE
        if not record.exists() or record.read_text(encoding="utf-8") != origin:
            print(f"isoglot {shlex.join(arguments)}", file=sys.stderr, flush=True)
            self.execute([*arguments, "--force"], self.work)
            write_text(record, origin)
        return folder

    def _resolved(self, word: str) -> str:
        if word == ROWS_FILE and self.rows is not None:
            return str(self.rows.resolve())
        return self.sources.get(word, word)

    def _inputs(self, words: Sequence[str]) -> list[str]:
        """Name what decides a command's result besides its words: bundled models, models made before, training rows."""
        bundled = [Path(model_path(word)).name for word in words if word in BUNDLED]
        inputs = words[: words.index("-o")]
        models = [sha256(self.work / word / ORIGIN_FILE) for word in inputs if word in self.expected.models]
        rows = [sha256(self.rows) for word in words if word == ROWS_FILE and self.rows is not None]
        return [*bundled, *models, *rows]


def measured_value(audit: Audit, number: ExpectedNumber) -> float:
    """Return the mean of the number's measure over the audit's cells that fit it, each cell with equal weight.

    Raises:
        IsoglotError: The audit has no such cell, or was saved without its ranks.
    """
    import numpy as np

    from isoglot.evaluation.measures import parse_measure

    languages = number.pool.split("+")
    cells = [
        cell.judged
        for cell in audit.scenarios
        if cell.scenario == number.scenario
        and len(cell.pool_languages) == len(languages)
        and all(map(_stands_for, languages, cell.pool_languages))
        and _stands_for(number.asked, cell.query_language)
    ]
    if not cells:
        raise IsoglotError(f"the audit has no {number.scenario} pool {number.pool} asked in {number.asked}")
    values = parse_measure(number.measure)
    means = [np.nanmean(values(judged)) for judged in cells if judged is not None]
    if len(means) < len(cells):
        raise IsoglotError("the audit was saved without its ranks (ranks.npz); make it again")
    return float(np.mean(means))


def _stands_for(word: str, language: str) -> bool:
    return word in ("EACH", language) or (word == "TARGET" and canonical(language) != "en")
