"""The records of an alignment: isoglot.json, seeds.json, losses.jsonl and epochs.jsonl."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from isoglot.alignment.guard import Measures, Verdict
from isoglot.encoders.models import ALIGNMENT_RECORD
from isoglot.evaluation.goals import TOGETHER, GoalName
from isoglot.evaluation.results import without_nan
from isoglot.evaluation.similarities import Similarities
from isoglot.evaluation.statistics.intervals import Interval
from isoglot.platform.errors import IsoglotError

RECORD, SEEDS, EPOCHS, LOSSES = ALIGNMENT_RECORD, "seeds.json", "epochs.jsonl", "losses.jsonl"
SCHEMA, SEEDS_SCHEMA = "isoglot.alignment/1", "isoglot.seeds/1"

OptionValues = dict[str, bool | int | float | str]
"""The options of a method by name."""

Means = dict[str, float | None]
"""A measure such as ``multi complete@10`` -> its mean over languages; None: it has none."""


class StepLoss(msgspec.Struct, frozen=True):
    """The loss of one training step."""

    step: int
    loss: float


class EpochMeasures(msgspec.Struct, frozen=True):
    """The measures of the development split after an epoch; epoch 0 is the base."""

    epoch: int | float
    measures: Measures


class BaseRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The model that was aligned, and the prompts that the user chose for it by role."""

    name: str
    fingerprint: str
    prompts: dict[str, str] = msgspec.field(default_factory=dict)


class DataRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The training rows, or the texts of a corpus."""

    name: str
    fingerprint: str
    languages: list[str]
    rows: int
    licences: list[str] = msgspec.field(default_factory=list)
    documents: int = 0
    queries: int = 0
    spans: bool = False


class DevelopmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The development split."""

    name: str
    fingerprint: str
    languages: list[str]
    documents: int
    queries: int


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides the result of an alignment.

    Attributes:
        schema: The schema of isoglot.json.
        isoglot: The version that made it.
        method: The method's name.
        needs_language: Whether the aligned model must know each text's language.
        options: All options of the method, with their defaults.
        seed: Random seed of the training.
        base: The model that was aligned.
        data: The training rows.
        development: The development split; None: no guard.
        keep_scale: Whether unrelated pairs are to keep their mean cosine (see `isoglot.alignment.keep_scale`).
        goal: The goal by which the development split was audited.
    """

    schema: str
    isoglot: str
    method: str
    needs_language: bool
    options: OptionValues
    seed: int
    base: BaseRecord
    data: DataRecord
    development: DevelopmentRecord | None = None
    keep_scale: bool = False
    goal: GoalName = TOGETHER.name


class AutoRecipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides what ``--method auto`` chooses, but the speed of the machine."""

    isoglot: str
    base: BaseRecord
    data: DataRecord
    development: DevelopmentRecord | None
    seed: int
    options: OptionValues
    budget: float
    no_tag: bool
    max_loss: float
    keep_scale: bool = False
    goal: GoalName = TOGETHER.name


class VerdictRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict as JSON: the difference with its interval, the bound, and the rule's answer."""

    mean: float | None
    low: float | None
    high: float | None
    max_loss: float
    passed: bool
    kept: bool | None = None

    @classmethod
    def of(cls, verdict: Verdict) -> VerdictRecord:
        """The record of a verdict."""
        difference = verdict.difference
        return cls(
            mean=difference.mean,
            low=difference.low,
            high=difference.high,
            max_loss=verdict.max_loss,
            passed=verdict.passed,
            kept=verdict.kept,
        )

    def verdict(self, max_loss: float | None = None) -> Verdict:
        """The verdict by another bound, or by the same.

        The answer is computed anew: a record of an older version can state another, or none.
        """
        numbers = (float("nan") if value is None else value for value in (self.mean, self.low, self.high))
        return Verdict(Interval(*numbers), self.max_loss if max_loss is None else max_loss)


class MeasuresRecord(msgspec.Struct, frozen=True):
    """The measures of base and aligned model on the development split."""

    base: Measures
    aligned: Measures


class SimilaritiesRecord(msgspec.Struct, frozen=True):
    """The similarities of base and aligned model on the development split."""

    base: Similarities
    aligned: Similarities


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A method that ``--method auto`` tried.

    Attributes:
        method: The method's name.
        needs_language: Whether the aligned model must know each text's language.
        folder: The name of its folder.
        measures: The means of the aligned model; empty if the method was left out.
        verdict: The guard's verdict; None if the method was left out.
        seconds: The time that it took; None if it was left out.
        left_out: Why it was left out; empty if it was not.
    """

    method: str
    needs_language: bool
    folder: str
    measures: Means
    verdict: VerdictRecord | None
    seconds: float | None
    left_out: str


class AutoRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--method auto`` tried, and why it chose the method that it chose."""

    recipe: AutoRecipe
    budget: float
    base: Means
    tried: list[Trial]
    why: str


class AlignmentRecord(Recipe, frozen=True, kw_only=True):
    """What isoglot.json holds: how a model was aligned, and what came out.

    Attributes:
        summary: The method in one line.
        seconds: The time of the fit or training.
        measures: The measures before and after; None: there was no development split.
        verdict: The guard's verdict; None: there was no development split.
        similarities: The similarities before and after; None: there was no development split.
        common_share: a, which all cosines have in common by ``--keep-scale``; None: the scale was not kept.
        auto: What ``--method auto`` tried; None: the user named the method.
    """

    summary: str = ""
    seconds: float | None = None
    measures: MeasuresRecord | None = None
    verdict: VerdictRecord | None = None
    similarities: SimilaritiesRecord | None = None
    common_share: float | None = None
    auto: AutoRecord | None = None

    @property
    def recipe(self) -> Recipe:
        """The part that decides the result."""
        return Recipe(**{name: getattr(self, name) for name in Recipe.__struct_fields__})


class SeedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one seed."""

    seed: int
    folder: str
    measures: Means
    verdict: VerdictRecord | None


class SeedsRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What seeds.json holds: the development measures of each seed, their mean and standard deviation (n - 1)."""

    schema: str
    base: Means | None
    seeds: list[SeedRecord]
    mean: Means
    standard_deviation: Means


class _Schema(msgspec.Struct):
    schema: str


Record = TypeVar("Record", AlignmentRecord, SeedsRecord)


def digest(recipe: Recipe | AutoRecipe) -> str:
    """A hash of a recipe, which tells its working folder from those of others."""
    text = json.dumps(_plain(recipe), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_record(folder: Path) -> AlignmentRecord | None:
    """How the model in a folder was aligned; None if the folder has no isoglot.json.

    Raises:
        IsoglotError: isoglot.json is damaged, of another schema, or cannot be read.
    """
    return _read(folder / RECORD, AlignmentRecord, SCHEMA)


def read_seeds(folder: Path) -> SeedsRecord | None:
    """The results of several seeds; None if the folder has no seeds.json.

    Raises:
        IsoglotError: seeds.json is damaged, of another schema, or cannot be read.
    """
    return _read(folder / SEEDS, SeedsRecord, SEEDS_SCHEMA)


def read_epochs(folder: Path) -> list[EpochMeasures]:
    """The measures after each epoch in a folder's epochs.jsonl; none if there is no such file.

    Raises:
        IsoglotError: The file is damaged or cannot be read.
    """
    path = folder / EPOCHS
    data = _bytes(path)
    try:
        return [] if data is None else msgspec.json.Decoder(EpochMeasures).decode_lines(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IsoglotError(f"{path}: is damaged: {error}; remove its folder to train anew") from error


def to_json(record: AlignmentRecord | SeedsRecord) -> str:
    """The text of isoglot.json or seeds.json; NaN becomes null."""
    plain = _plain(record)
    if isinstance(record, AlignmentRecord) and record.auto is None:
        del plain["auto"]
    return json.dumps(without_nan(plain), indent=1, ensure_ascii=False) + "\n"


def to_jsonl(entries: Sequence[StepLoss | EpochMeasures]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(msgspec.to_builtins(entry)) + "\n" for entry in entries)


def _plain(record: msgspec.Struct) -> dict[str, Any]:
    """A record as plain data; a user's options may be numpy's floats, which are floats too."""
    plain: dict[str, Any] = msgspec.to_builtins(record, enc_hook=float)
    return plain


def _read(path: Path, kind: type[Record], schema: str) -> Record | None:
    data = _bytes(path)
    if data is None:
        return None
    try:
        stated = msgspec.json.decode(data, type=_Schema).schema
        if stated != schema:
            raise IsoglotError(f"{path}: has the schema {stated!r}; this isoglot reads {schema!r}")
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IsoglotError(f"{path}: is damaged: {error}; move its folder away or pass --force") from error


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise IsoglotError(f"{path}: cannot read: {error.strerror}") from error
