"""Expected numbers: experiments with their commands and results, read from one YAML file."""

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
"""Name of the training rows in commands; a user builds them, and ``--rows`` says where they are."""


class Tolerance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The difference that a number may have from the expected one: the larger of `absolute` and `relative`.

    Attributes:
        absolute: Difference in the unit of the measure: points, or ranks.
        relative: Difference as a share of the expected number.
        why: Cause of such a difference.
    """

    absolute: float
    relative: float
    why: str

    def allowed(self, expected: float) -> float:
        """Return the largest difference from `expected` that still counts as equal."""
        return max(self.absolute, self.relative * abs(expected))


class ExpectedNumber(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, kw_only=True):
    """One expected number: the mean of a measure over the cells of an audit that fit.

    Attributes:
        scenario: A name in ``isoglot.ranking.pools.SCENARIOS``.
        pool: Languages as the audit spells them, joined by ``+``. ``TARGET`` stands for each language but English,
            ``EACH`` for each.
        asked: Query language, ``TARGET`` or ``EACH``.
        measure: Name of the measure, such as ``complete@10``.
        expected: The number: in percent, or a rank.
    """

    scenario: str
    pool: str
    asked: str
    measure: str
    expected: float


class Experiment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One audit and the numbers expected of it.

    Attributes:
        name: Name; the id of a number is ``NAME/SCENARIO/POOL/ASKED/MEASURE``.
        set: Set that the experiment belongs to.
        model: Model that is audited or aligned, as on the command line.
        about: Description of what is audited, for people.
        source: Where the numbers are from.
        sure: How sure they are.
        tolerance: A name in `Expected.tolerances`.
        command: Command of the audit, as typed in the work folder; empty where nothing can be run.
        not_run: Reason why nothing can be run.
        remote_code: Whether the model's repository brings code that must be trusted.
        numbers: The numbers; ``rows`` in YAML.
    """

    name: str
    set: Literal["paper", "methods"]
    model: str
    about: str
    source: str
    sure: str
    tolerance: str
    numbers: list[ExpectedNumber] = msgspec.field(name="rows")
    command: str = ""
    not_run: str = ""
    remote_code: bool = False

    def number_id(self, number: ExpectedNumber) -> str:
        """Return the id of one of the numbers."""
        return "/".join((self.name, number.scenario, number.pool, number.asked, number.measure))


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a file of expected numbers.

    Attributes:
        tolerances: Tolerances by name.
        models: Folder in the work folder -> the command that makes it.
        notes: Set -> notes for its reader.
        experiments: Experiments in the order in which they are run and shown.
    """

    tolerances: dict[str, Tolerance]
    models: dict[str, str]
    notes: dict[str, list[str]]
    experiments: list[Experiment]

    def commands(self, experiment: Experiment) -> list[str]:
        """Return the commands of an experiment in their order: those that make its models, then the audit."""
        used = [self.models[word] for word in shlex.split(experiment.command) if word in self.models]
        return [*used, experiment.command] if experiment.command else []

    def allowed(self, experiment: Experiment, number: ExpectedNumber) -> float:
        """Return the largest difference from an expected number that still counts as equal."""
        return self.tolerances[experiment.tolerance].allowed(number.expected)

    def select(self, name: str, models: list[str] | None = None, only: list[str] | None = None) -> list[Experiment]:
        """Return the experiments of the set `name`, each with those of its numbers that were asked for.

        Args:
            name: ``paper`` or ``methods``.
            models: Names of models; None: all.
            only: Names of experiments or ids of numbers, with ``*`` for anything; None: all.

        Raises:
            IsoglotError: There is no such model, experiment or number in the set.
        """
        experiments = [experiment for experiment in self.experiments if experiment.set == name]
        known = dict.fromkeys(experiment.model for experiment in experiments)
        for model in models or []:
            if model not in known:
                raise IsoglotError(f"nothing of {name} is about the model {model!r}; known are {', '.join(known)}")
        experiments = [experiment for experiment in experiments if models is None or experiment.model in models]
        if only is None:
            return experiments
        for pattern in only:
            if not any(_fits(pattern, experiment, number) for experiment, number in _pairs(experiments)):
                raise IsoglotError(f"no number fits {pattern!r}; isoglot reproduce {name} --list shows all")
        chosen = [
            msgspec.structs.replace(
                experiment,
                numbers=[number for number in experiment.numbers if any(_fits(p, experiment, number) for p in only)],
            )
            for experiment in experiments
        ]
        return [experiment for experiment in chosen if experiment.numbers]


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
    ids = [experiment.number_id(number) for number in experiment.numbers]
    if not ids or len(set(ids)) < len(ids):
        raise IsoglotError("needs rows, each once")
    for number in experiment.numbers:
        if number.scenario not in SCENARIOS:
            raise IsoglotError(f"unknown scenario {number.scenario!r}")
        if not math.isfinite(number.expected):
            raise IsoglotError(f"the expected {number.measure} is not a number")
        check_measures([number.measure])


def _pairs(experiments: list[Experiment]) -> Iterator[tuple[Experiment, ExpectedNumber]]:
    return ((experiment, number) for experiment in experiments for number in experiment.numbers)


def _fits(pattern: str, experiment: Experiment, number: ExpectedNumber) -> bool:
    return fnmatchcase(experiment.name, pattern) or fnmatchcase(experiment.number_id(number), pattern)
