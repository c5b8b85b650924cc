"""Running what is expected: each command once, kept in a work folder, then every row against its number."""

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

from isoglot.encoders.models import BUNDLED, model_path
from isoglot.evaluation.results import Audit
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import cache_dir, os_errors_explained, sha256, write_text
from isoglot.platform.languages import canonical
from isoglot.platform.version import __version__
from isoglot.reproduction.expected import ROWS_FILE, Expected, Experiment, Row

MADE = "reproduction.json"
"""In a finished folder: what made it. Another command, input or version of isoglot makes it anew."""

NEEDS_ROWS = f"needs the rows: isoglot data build mix -o {ROWS_FILE}, then --rows {ROWS_FILE}"
NEEDS_TRUST = "runs code from the model's repository: read it, then pass --trust-remote-code"


class State(StrEnum):
    """What became of a row."""

    OK = "ok"
    OFF = "off"
    NOT_RUN = "not run"
    FAILED = "failed"


@dataclass(frozen=True)
class Result:
    """One row and what was measured.

    Attributes:
        row_id: Names the row.
        row: What was expected.
        allowed: The largest difference that is none.
        measured: None where nothing was.
        state: What became of it.
    """

    row_id: str
    row: Row
    allowed: float
    measured: float | None
    state: State

    @property
    def difference(self) -> float | None:
        """Measured less expected."""
        return None if self.measured is None else self.measured - self.row.expected


@dataclass(frozen=True)
class Outcome:
    """One experiment and what became of it.

    Attributes:
        experiment: What was to be run.
        results: One for each of its rows.
        why: Why it was not run, or how its command failed; else empty.
        audit: What was measured; None if it was not run.
    """

    experiment: Experiment
    results: tuple[Result, ...]
    why: str = ""
    audit: Audit | None = None


class CommandError(IsoglotError):
    """A command ended otherwise than isoglot does where it says what is wrong."""


def in_a_process(arguments: Sequence[str], work: Path) -> None:
    """Run a command of isoglot in the folder `work`; its progress goes on to standard error.

    Raises:
        IsoglotError: It says what is wrong with its input.
        CommandError: It ended otherwise.
    """
    command = [sys.executable, "-P", "-m", "isoglot", *arguments]  # -P: nothing is imported from the work folder
    environment = {**os.environ, "ISOGLOT_CACHE": str(cache_dir().absolute())}
    last = ""
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
                last = line.strip() or last
        except BaseException:
            process.kill()  # all that it keeps is safe against this
            raise
    said = last.removeprefix("isoglot: ")
    if process.returncode == 2:
        raise IsoglotError(said)
    if process.returncode != 0:
        raise CommandError(f"the command ended with {process.returncode}: {said}")


@dataclass(frozen=True)
class Runner:
    """Runs experiments in a work folder, where finished audits and models are kept.

    Attributes:
        expected: Where the experiments are from.
        work: The folder.
        sources: What a source is to be read from, such as ``{"xquad": "xquad:DIR"}``; else it is the hub's.
        rows: Where the training rows are; None if there are none.
        trust_remote_code: Whether code inside a model's repository may run.
        execute: Runs isoglot with arguments in a folder; raises an IsoglotError where that says what is wrong, a
            `CommandError` where it fails otherwise.
    """

    expected: Expected
    work: Path
    sources: dict[str, str] = field(default_factory=dict)
    rows: Path | None = None
    trust_remote_code: bool = False
    execute: Callable[[Sequence[str], Path], None] = in_a_process

    def run(self, experiment: Experiment) -> Outcome:
        """Run what of an experiment is not yet made, and judge its rows.

        Raises:
            IsoglotError: The work folder cannot be written to.
        """
        why = self._why_not(experiment)
        if why:
            return self._without(experiment, State.NOT_RUN, why)
        with os_errors_explained(self.work):
            self.work.mkdir(parents=True, exist_ok=True)
        try:
            folders = [self._made(command, experiment) for command in self.expected.commands(experiment)]
            audit = Audit.load(folders[-1])
            results = [self._judged(experiment, row, measured(audit, row)) for row in experiment.rows]
        except CommandError as error:
            return self._without(experiment, State.FAILED, str(error))
        except IsoglotError as error:
            return self._without(experiment, State.NOT_RUN, str(error))
        return Outcome(experiment, tuple(results), audit=audit)

    def _why_not(self, experiment: Experiment) -> str:
        if experiment.not_run:
            return experiment.not_run
        if experiment.remote_code and not self.trust_remote_code:
            return NEEDS_TRUST
        words = [word for command in self.expected.commands(experiment) for word in shlex.split(command)]
        return NEEDS_ROWS if ROWS_FILE in words and self.rows is None else ""

    def _without(self, experiment: Experiment, state: State, why: str) -> Outcome:
        results = [
            Result(experiment.row_id(row), row, self.expected.allowed(experiment, row), None, state)
            for row in experiment.rows
        ]
        return Outcome(experiment, tuple(results), why)

    def _judged(self, experiment: Experiment, row: Row, value: float) -> Result:
        allowed = self.expected.allowed(experiment, row)
        state = State.OK if abs(value - row.expected) <= allowed else State.OFF
        return Result(experiment.row_id(row), row, allowed, value, state)

    def _made(self, command: str, experiment: Experiment) -> Path:
        """The folder that a command makes, made now unless it was made before from the same."""
        words = shlex.split(command)
        folder = self.work / words[words.index("-o") + 1]
        arguments = [self._resolved(word) for word in words[1:]]
        if experiment.remote_code:
            arguments.append("--trust-remote-code")
        made = json.dumps({"command": arguments, "of": self._inputs(words), "isoglot": __version__}, indent=1)
        marker = folder / MADE
        if not marker.exists() or marker.read_text(encoding="utf-8") != made:
            print(f"isoglot {shlex.join(arguments)}", file=sys.stderr, flush=True)
            self.execute([*arguments, "--force"], self.work)
            write_text(marker, made)
        return folder

    def _resolved(self, word: str) -> str:
        if word == ROWS_FILE and self.rows is not None:
            return str(self.rows.resolve())
        return self.sources.get(word, word)

    def _inputs(self, words: Sequence[str]) -> list[str]:
        """What decides a command's result besides its words: bundled models, models made before, rows."""
        found = [Path(model_path(word)).name for word in words if word in BUNDLED]
        used = words[: words.index("-o")]
        found += [sha256(self.work / word / MADE) for word in used if word in self.expected.models]
        return found + [sha256(self.rows) for word in words if word == ROWS_FILE and self.rows is not None]


def measured(audit: Audit, row: Row) -> float:
    """The mean of the row's measure over the audit's cells that it names, each cell with equal weight.

    Raises:
        IsoglotError: The audit has no such cell, or was saved without its ranks.
    """
    import numpy as np

    from isoglot.evaluation.measures import parse_measure

    parts = row.pool.split("+")
    cells = [
        cell.judged
        for cell in audit.scenarios
        if cell.scenario == row.scenario
        and len(cell.pool_languages) == len(parts)
        and all(map(_stands_for, parts, cell.pool_languages))
        and _stands_for(row.asked, cell.query_language)
    ]
    if not cells:
        raise IsoglotError(f"the audit has no {row.scenario} pool {row.pool} asked in {row.asked}")
    value = parse_measure(row.measure)
    means = [np.nanmean(value(judged)) for judged in cells if judged is not None]
    if len(means) < len(cells):
        raise IsoglotError("the audit was saved without its ranks (ranks.npz)")
    return float(np.mean(means))


def _stands_for(word: str, language: str) -> bool:
    return word in ("EACH", language) or (word == "TARGET" and canonical(language) != "en")
