"""What is expected: experiments with their commands and numbers, read from one YAML file."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import msgspec

from isoglot.evaluation.measures import check_measures
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.ranking.pools import SCENARIOS

SHIPPED = Path(__file__).with_name("expected.yaml")

ROWS_FILE = "mix.jsonl"
"""What commands call the training rows that a user builds; ``--rows`` says where they are."""


class Tolerance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a number may be from the expected one: `absolute`, or `relative` of it where that is more.

    Attributes:
        absolute: In the unit of the measure: points, or ranks.
        relative: A share of the expected number.
        why: What makes such a difference.
    """

    absolute: float
    relative: float
    why: str

    def allowed(self, expected: float) -> float:
        """The largest difference that is none."""
        return max(self.absolute, self.relative * abs(expected))


class Row(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One expected number: the mean of a measure over the cells of an audit that `scenario`, `pool`, `asked` name.

    Attributes:
        scenario: A name out of ``isoglot.ranking.pools.SCENARIOS``.
        pool: Languages as the audit spells them, joined by ``+``. ``TARGET`` stands for each language but English,
            ``EACH`` for each.
        asked: The language of the questions, likewise.
        measure: Such as ``complete@10``.
        expected: In percent, or a rank.
    """

    scenario: str
    pool: str
    asked: str
    measure: str
    expected: float


class Experiment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One audit and what is expected of it.

    Attributes:
        name: Names it; the id of a row is ``NAME/SCENARIO/POOL/ASKED/MEASURE``.
        set: What it belongs to.
        model: The model that is audited or aligned, as the command line names it.
        about: What is audited, for people.
        source: Where the numbers are from.
        sure: How sure they are.
        tolerance: A name out of `Expected.tolerances`.
        command: The audit, as one would type it in the work folder; empty where nothing can be run.
        not_run: Why nothing can be run.
        remote_code: Whether the model's repository brings code that must be trusted.
        rows: The numbers.
    """

    name: str
    set: Literal["paper", "methods"]
    model: str
    about: str
    source: str
    sure: str
    tolerance: str
    rows: list[Row]
    command: str = ""
    not_run: str = ""
    remote_code: bool = False

    def row_id(self, row: Row) -> str:
        """What names a row."""
        return "/".join((self.name, row.scenario, row.pool, row.asked, row.measure))


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is expected.

    Attributes:
        tolerances: By name.
        models: Folder in the work folder -> the command that makes it.
        notes: Of each set, what its reader must know.
        experiments: In the order in which they are run and shown.
    """

    tolerances: dict[str, Tolerance]
    models: dict[str, str]
    notes: dict[str, list[str]]
    experiments: list[Experiment]

    def commands(self, experiment: Experiment) -> list[str]:
        """The commands of an experiment in their order: those that make its models, then the audit."""
        used = [self.models[word] for word in shlex.split(experiment.command) if word in self.models]
        return [*used, experiment.command] if experiment.command else []

    def allowed(self, experiment: Experiment, row: Row) -> float:
        """How far the measured number may be from the expected one."""
        return self.tolerances[experiment.tolerance].allowed(row.expected)

    def select(self, name: str, models: list[str] | None = None, only: list[str] | None = None) -> list[Experiment]:
        """The experiments of the set `name` with those of their rows that were asked for.

        Args:
            name: ``paper`` or ``methods``.
            models: Names of models; None: all.
            only: Names of experiments or ids of rows, with ``*`` for anything; None: all.

        Raises:
            IsoglotError: There is no such model, experiment or row in the set.
        """
        found = [experiment for experiment in self.experiments if experiment.set == name]
        known = dict.fromkeys(experiment.model for experiment in found)
        for model in models or []:
            if model not in known:
                raise IsoglotError(f"nothing of {name} is about the model {model!r}; known are {', '.join(known)}")
        found = [experiment for experiment in found if models is None or experiment.model in models]
        for pattern in only or []:
            if not any(_fits(pattern, experiment, row) for experiment, row in _pairs(found)):
                raise IsoglotError(f"no row fits {pattern!r}; isoglot reproduce {name} --list shows all")
        if only is None:
            return found
        chosen = [
            msgspec.structs.replace(
                experiment, rows=[row for row in experiment.rows if any(_fits(p, experiment, row) for p in only)]
            )
            for experiment in found
        ]
        return [experiment for experiment in chosen if experiment.rows]


def load_expected(path: Path = SHIPPED) -> Expected:
    """Read a file of expected numbers.

    Raises:
        InputError: It is not in the form of `Expected`, or something in it names what does not exist.
    """
    try:
        expected = msgspec.yaml.decode(path.read_bytes(), type=Expected)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path) from error
    except msgspec.MsgspecError as error:
        raise InputError(" ".join(str(error).split()), path) from error
    names: set[str] = set()
    for experiment in expected.experiments:
        try:
            _check(experiment, expected)
        except IsoglotError as error:
            raise InputError(f"experiment {experiment.name!r}: {error}", path) from error
        if experiment.name in names:
            raise InputError(f"two experiments are called {experiment.name!r}", path)
        names.add(experiment.name)
    return expected


def _check(experiment: Experiment, expected: Expected) -> None:
    if experiment.tolerance not in expected.tolerances:
        raise IsoglotError(f"unknown tolerance {experiment.tolerance!r}")
    if bool(experiment.command) == bool(experiment.not_run):
        raise IsoglotError("needs either a command or not_run")
    ids = [experiment.row_id(row) for row in experiment.rows]
    if not ids or len(set(ids)) < len(ids):
        raise IsoglotError("needs rows, each once")
    for row in experiment.rows:
        if row.scenario not in SCENARIOS:
            raise IsoglotError(f"unknown scenario {row.scenario!r}")
        if not math.isfinite(row.expected):
            raise IsoglotError(f"the expected {row.measure} is no number")
        check_measures([row.measure])


def _pairs(experiments: list[Experiment]) -> Iterator[tuple[Experiment, Row]]:
    return ((experiment, row) for experiment in experiments for row in experiment.rows)


def _fits(pattern: str, experiment: Experiment, row: Row) -> bool:
    return fnmatchcase(experiment.name, pattern) or fnmatchcase(experiment.row_id(row), pattern)
