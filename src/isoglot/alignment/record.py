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
    """A line of losses.jsonl: the loss of one training step.

    Attributes:
        step: Number of the step, from 1.
        loss: Loss of its batch.
    """

    step: int
    loss: float


class EpochMeasures(msgspec.Struct, frozen=True):
    """A line of epochs.jsonl: the measures of the development split after an epoch.

    Attributes:
        epoch: Number of the epoch; 0 is the base.
        measures: Query language, or ``mean`` -> measure -> its mean.
    """

    epoch: int | float
    measures: Measures


class BaseRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The model that was aligned.

    Attributes:
        name: Name of the model.
        fingerprint: Fingerprint of the model.
        prompts: Role -> prompt that the user chose.
    """

    name: str
    fingerprint: str
    prompts: dict[str, str] = msgspec.field(default_factory=dict)


class DataRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The training rows, or the texts of a corpus.

    Attributes:
        name: Name of the data.
        fingerprint: Fingerprint of the rows or texts.
        languages: Their languages.
        rows: Number of rows; 0 for a corpus.
        licences: Licences of the rows.
        documents: Number of documents of a corpus.
        queries: Number of its questions or spans.
        spans: Whether spans of the documents stood in for questions.
    """

    name: str
    fingerprint: str
    languages: list[str]
    rows: int
    licences: list[str] = msgspec.field(default_factory=list)
    documents: int = 0
    queries: int = 0
    spans: bool = False


class DevelopmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The development split.

    Attributes:
        name: Name of the collection.
        fingerprint: Fingerprint of the collection.
        languages: Its languages.
        documents: Number of documents.
        queries: Number of queries.
    """

    name: str
    fingerprint: str
    languages: list[str]
    documents: int
    queries: int


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides the result of an alignment.

    Attributes:
        schema: Schema of isoglot.json.
        isoglot: Version of isoglot that made it.
        method: Name of the method.
        needs_language: Whether the aligned model needs each text's language.
        options: All options of the method, with their values.
        seed: Random seed of the training.
        base: Model that was aligned.
        data: Training rows, or texts of a corpus.
        development: Development split; None: there was no guard.
        keep_scale: Whether unrelated pairs keep their mean cosine (``--keep-scale``).
        goal: Goal by which the development split was audited.
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
    """Everything that decides the choice of ``--method auto``, except the speed of the machine.

    Attributes:
        isoglot: Version of isoglot.
        base: Model that was aligned.
        data: Training rows, or texts of a corpus.
        development: Development split.
        seed: Random seed.
        options: Options that the user gave.
        budget: Minutes that were allowed.
        no_tag: Whether methods that need a language tag were left out.
        max_loss: Largest accepted fall, in points.
        keep_scale: As in `Recipe`.
        goal: As in `Recipe`.
    """

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
    """The guard's verdict.

    Attributes:
        mean: Change of mono-same ndcg@10 in points; None: no language has both queries and documents.
        low: Lower end of its 95% interval.
        high: Upper end of its 95% interval.
        max_loss: Largest accepted fall, in points.
        passed: Whether the guard let the model pass.
        kept: Whether the measure was kept; None: not certain.
    """

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
    """The measures of base and aligned model on the development split.

    Attributes:
        base: Query language, or ``mean`` -> measure -> its mean, of the base.
        aligned: The same of the aligned model.
    """

    base: Measures
    aligned: Measures


class SimilaritiesRecord(msgspec.Struct, frozen=True):
    """The similarities of base and aligned model on the development split.

    Attributes:
        base: Cosines of the base.
        aligned: Cosines of the aligned model.
    """

    base: Similarities
    aligned: Similarities


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A method that ``--method auto`` tried.

    Attributes:
        method: Name of the method.
        needs_language: Whether the aligned model needs each text's language.
        folder: Name of its folder.
        measures: Measure -> mean of the aligned model; empty if the method was left out.
        verdict: Verdict of the guard; None if the method was left out.
        seconds: Duration; None if the method was left out.
        left_out: Reason why it was left out; empty if it was not.
    """

    method: str
    needs_language: bool
    folder: str
    measures: Means
    verdict: VerdictRecord | None
    seconds: float | None
    left_out: str


class AutoRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The trials of ``--method auto``, and the reason for its choice.

    Attributes:
        recipe: Everything that decides the choice.
        budget: Minutes that were allowed.
        base: Measure -> mean of the base.
        tried: Trials, in the order in which they ran.
        why: Reason for the choice, in a sentence.
    """

    recipe: AutoRecipe
    budget: float
    base: Means
    tried: list[Trial]
    why: str


class AlignmentRecord(Recipe, frozen=True, kw_only=True):
    """The shape of isoglot.json: the recipe of an alignment, and its results.

    Attributes:
        summary: The method in one line.
        seconds: Duration of the fit or training.
        measures: Measures before and after; None: there was no development split.
        verdict: Verdict of the guard; None: there was no development split.
        similarities: Cosines before and after; None: there was no development split.
        common_share: Share a that ``--keep-scale`` adds to all cosines; None: the scale was not kept.
        auto: Trials of ``--method auto``; None: the user named the method.
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
    """The result of one seed.

    Attributes:
        seed: The seed.
        folder: Name of its folder.
        measures: Measure -> mean of the aligned model.
        verdict: Verdict of the guard; None: there was no development split.
    """

    seed: int
    folder: str
    measures: Means
    verdict: VerdictRecord | None


class SeedsRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of seeds.json: the development measures of each seed.

    Attributes:
        schema: Schema of seeds.json.
        base: Measure -> mean of the base; None: there was no development split.
        seeds: Result of each seed.
        mean: Measure -> mean over the seeds.
        standard_deviation: Measure -> standard deviation over the seeds (n - 1).
    """

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
