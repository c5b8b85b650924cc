"""Audit and its parts: results as data, written to and read from a folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from isoglot.corpora.collection import CollectionRecord
from isoglot.encoders.lengths import TextLengths
from isoglot.evaluation.changes import StoredVectors, StressedQueries
from isoglot.evaluation.goals import TOGETHER, GoalName
from isoglot.evaluation.lift import LanguageLift
from isoglot.evaluation.measures import Judged
from isoglot.evaluation.ranks import StoredRanks, pack_ranks, read_ranks
from isoglot.evaluation.similarities import Similarities
from isoglot.evaluation.statistics.intervals import Interval
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import os_errors_explained, write_bytes, write_text
from isoglot.retrievers.base import RetrieverRecord, model_record

SCHEMA = "isoglot.audit/1"
AUDIT, RANKS = "audit.json", "ranks.npz"
_OLD_MODES = {"rows": "per-question"}
"""Documents modes of older audits -> their names now."""


class DamagedAuditError(IsoglotError):
    """An audit.json that isoglot wrote and that cannot be read any more."""


class Cell(NamedTuple):
    """The name of a result within an audit: one pool asked in one language.

    Attributes:
        scenario: A name out of ``isoglot.ranking.pools.SCENARIOS``.
        pool_languages: The languages of the pool's documents, as the user or the source spells them.
        query_language: The language of the questions, in the same spelling.
    """

    scenario: str
    pool_languages: tuple[str, ...]
    query_language: str

    def __str__(self) -> str:
        return f"{self.scenario} {'+'.join(self.pool_languages)} asked in {self.query_language}"


@dataclass(frozen=True, kw_only=True)
class LanguageResult:
    """The result of one language of a pool; shares are in percent.

    Attributes:
        documents: Number of the pool's documents in the language.
        pool_share: Their share of the pool.
        mean_rank: Mean rank of the best gold in the language.
        median_rank: Median rank of the best gold in the language; None if no query has one.
        worst_share: Share of the queries whose worst-placed gold is in the language (queries with several golds only).
        top_share: The language's share of the top 10 documents.
        above_share: The language's share of all non-gold documents above the worst-placed golds.
    """

    documents: int
    pool_share: float
    mean_rank: Interval
    median_rank: float | None
    worst_share: Interval
    top_share: Interval
    above_share: Interval


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The end of a ranking that holds only the first documents of each query, as a TREC run does.

    Attributes:
        depth: N, the largest number of ranked documents of a query.
        golds: Number of golds, summed over the queries.
        beyond: Language -> number of golds in it that are not among the ranked documents of their query: "beyond N".
        medians_beyond: The languages in which the median rank of the best gold is beyond N.
        missing: Number of queries without any ranked document.
        short: Number of queries with some ranked documents, but fewer than N.
    """

    depth: int
    golds: int
    beyond: Mapping[str, int]
    medians_beyond: tuple[str, ...]
    missing: int
    short: int


@dataclass(frozen=True, kw_only=True)
class StoredResult:
    """The result of one pool asked in one language, as audit.json holds it.

    Attributes:
        scenario: ``multi``, ``mono-same``, ``mono-cross`` or ``control``.
        pool_languages: Languages of the pool's documents, as the user or the source spells them.
        query_language: Language of the questions, in the same spelling.
        documents_mode: ``dedup`` or ``per-question``.
        documents: Number of documents in the pool.
        queries: Number of queries asked.
        measures: Measure -> mean over the queries with its 95% bootstrap interval.
        by_language: Language -> its result.
        cut: What is unknown where only the first documents of each query are ranked; None where all are.
    """

    scenario: str
    pool_languages: tuple[str, ...]
    query_language: str
    documents_mode: str
    documents: int
    queries: int
    measures: Mapping[str, Interval]
    by_language: Mapping[str, LanguageResult]
    cut: Cut | None = None


class StageResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one stage of a pipeline in a mixed pool.

    Attributes:
        stage: Name of the retriever up to this stage; ``all`` for the whole pipeline.
        result: Its result, with the one measure ``complete@K``.
        lost: Share of the queries that are complete after this stage and not in the end, in percent.
        gained: Share of the queries that are complete in the end and not after this stage, in percent.
    """

    stage: str
    result: StoredResult
    lost: float | None
    gained: float | None


@dataclass(frozen=True, kw_only=True)
class ScenarioResult(StoredResult):
    """One pool asked in one language: what audit.json holds of it (see `StoredResult`), and the ranks of every query.

    Attributes:
        query_ids: Ids of the q queries, in the order of `judged`; empty if the audit was read without its ranks.
        judged: Their gold ranks; None if the audit was read without its ranks.
        run: The top documents of each query with scores, if they were asked for: (query id, [(content id, language,
            score)]).
        contents: The content that each query asks about (its first gold), which intervals and tests draw whole; empty
            if the audit was read without its ranks, or if they were written before audits recorded contents.
    """

    query_ids: tuple[str, ...] = field(default=(), compare=False, repr=False)
    judged: Judged | None = field(default=None, compare=False, repr=False)
    run: tuple[tuple[str, tuple[tuple[str, str, float], ...]], ...] = field(default=(), compare=False, repr=False)
    contents: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def restored(cls, stored: StoredResult, ranks: StoredRanks | None) -> ScenarioResult:
        """A result as it was saved; `ranks` is None where ranks.npz is missing or has none for it."""
        parts = vars(stored) | {"documents_mode": _OLD_MODES.get(stored.documents_mode, stored.documents_mode)}
        if ranks is None:
            return cls(**parts)
        pool = stored.pool_languages
        judged = Judged(
            ranks=ranks.gold_ranks,
            tied=ranks.gold_tied,
            languages=ranks.gold_languages,
            query_language=pool.index(stored.query_language) if stored.query_language in pool else None,
            documents=stored.documents,
            depth=None if stored.cut is None else stored.cut.depth,
            top_languages=ranks.top_languages,
            correlations=ranks.correlations,
            grades=ranks.grades,
            lesser_ranks=ranks.lesser_ranks,
        )
        return cls(**parts, query_ids=ranks.query_ids, judged=judged, contents=ranks.contents)

    def stored(self) -> StoredResult:
        """The part of the result that audit.json holds."""
        return StoredResult(**{part.name: getattr(self, part.name) for part in fields(StoredResult)})

    def median_rank(self, language: str) -> float | None:
        """Return the median rank of the best gold in a language of the pool.

        Infinite if it is beyond the end of the run. None if no query has a gold in the language, or if one of the two
        ranks in the middle is known and the other beyond the run.
        """
        if self.cut is not None and language in self.cut.medians_beyond:
            return math.inf
        return self.by_language[language].median_rank

    @property
    def cell(self) -> Cell:
        """The name of this result within an audit."""
        return Cell(self.scenario, self.pool_languages, self.query_language)


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of audit.json, whose other fields are those of `Audit`.

    Attributes:
        schema: Schema of audit.json.
    """

    schema: str
    isoglot: str
    seed: int
    limit: int | None
    balance: str
    environment: dict[str, Any]
    model: RetrieverRecord
    collection: CollectionRecord
    scenarios: tuple[StoredResult, ...]
    stages: tuple[StageResult, ...] = ()
    goal: GoalName = TOGETHER.name
    similarities: Similarities | None = None
    lift: dict[str, LanguageLift] = {}
    lengths: dict[str, TextLengths] = {}
    stress: tuple[StressedQueries, ...] = ()
    stored: tuple[StoredVectors, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The results of an audit, with everything that is required to make them again.

    Attributes:
        model: Record of the retriever: name, fingerprint, dimension, prompts.
        collection: Record of the collection: name, fingerprint, languages, notes.
        scenarios: One result for each scenario, pool and query language.
        seed: Random seed for ties, control pools, the limit and the bootstrap.
        limit: Largest number of questions; None: all.
        balance: Balance of the lists: ``none``, ``equal``, ``proportional`` or ``scaled``, with its options where they
            are not the defaults.
        environment: Platform, and versions of the libraries used.
        isoglot: Version of isoglot that made the audit.
        stages: Results of each stage of a pipeline in each mixed pool; empty for other retrievers.
        goal: Goal that the verdict judges: ``together`` or ``own-first``.
        similarities: Cosines of queries with documents; None for a retriever without vectors, and in older audits.
        lift: Language -> its language lift; empty for a retriever without vectors, and in older audits.
        lengths: Role -> lengths of its texts in tokens; empty where they are not known, and in older audits.
        stress: Results for changed queries, if they were asked.
        stored: Results for vectors in other storage formats, if they were asked for.
        notes: Sentences on what distorts the numbers: unused prompts, texts that were cut, labels that disagree with
            the texts, limits of the balance.
    """

    model: RetrieverRecord
    collection: CollectionRecord
    scenarios: tuple[ScenarioResult, ...]
    seed: int
    limit: int | None
    balance: str
    environment: Mapping[str, Any]
    isoglot: str
    stages: tuple[StageResult, ...] = ()
    goal: GoalName = TOGETHER.name
    similarities: Similarities | None = None
    lift: Mapping[str, LanguageLift] = field(default_factory=dict)
    lengths: Mapping[str, TextLengths] = field(default_factory=dict)
    stress: tuple[StressedQueries, ...] = ()
    stored: tuple[StoredVectors, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def retriever(self) -> str:
        """Name of the retriever, with the balance if there is one."""
        return self.model.name if self.balance == "none" else f"{self.model.name}, {self.balance} balance"

    def find(self, scenario: str, pool_languages: Sequence[str], query_language: str) -> ScenarioResult:
        """Return the result of one pool asked in one language.

        Args:
            scenario: Name of the scenario, such as ``multi``.
            pool_languages: Languages of the pool, in its order and spelling.
            query_language: Language of the questions.

        Raises:
            KeyError: The audit has no such result.
        """
        cell = Cell(scenario, tuple(pool_languages), query_language)
        for result in self.scenarios:
            if result.cell == cell:
                return result
        raise KeyError(f"the audit has no result for {cell}")

    def to_json(self) -> str:
        """Return the text of audit.json: everything but the ranks; NaN becomes null."""
        record = AuditRecord(
            schema=SCHEMA,
            isoglot=self.isoglot,
            seed=self.seed,
            limit=self.limit,
            balance=self.balance,
            environment=dict(self.environment),
            model=self.model,
            collection=self.collection,
            scenarios=tuple(result.stored() for result in self.scenarios),
            stages=self.stages,
            goal=self.goal,
            similarities=self.similarities,
            lift=dict(self.lift),
            lengths=dict(self.lengths),
            stress=self.stress,
            stored=self.stored,
            notes=self.notes,
        )
        body: dict[str, Any] = msgspec.to_builtins(record)
        body["model"] = model_record(self.model)
        for scenario in (*body["scenarios"], *(stage["result"] for stage in body["stages"])):
            if scenario.get("cut") is None:
                scenario.pop("cut", None)
        for name in ("stages", "similarities", "lift", "lengths", "stress", "stored", "notes"):
            if not body[name]:
                del body[name]
        return json_text(body)

    def save(self, folder: str | Path) -> None:
        """Write audit.json and, beside it, ranks.npz with the gold ranks of every query, which `compare` needs.

        An audit in the folder is replaced; ``isoglot.audit(..., output=folder)`` refuses one with other settings.
        ranks.npz holds the SHA-256 of audit.json, by which `load` recognises damage.

        Args:
            folder: Folder to write to; it is made if it does not exist.

        Raises:
            IsoglotError: The folder cannot be written.
        """
        text = self.to_json()
        write_text(Path(folder) / AUDIT, text)
        write_bytes(Path(folder) / RANKS, pack_ranks(self.scenarios, sha256(text.encode()).hexdigest()))

    @classmethod
    def load(cls, folder: str | Path, *, with_ranks: bool = True) -> Audit:
        """Read what `save` wrote.

        Args:
            folder: Folder of an audit.
            with_ranks: Whether to read ranks.npz; without it, no result has gold ranks.

        Raises:
            IsoglotError: The folder has no audit, or it has another schema or is damaged. The message names the file.
        """
        path = Path(folder) / AUDIT
        with os_errors_explained(path, "read"):
            content = path.read_bytes()
        record = _record_of(content, path)
        ranks = read_ranks(Path(folder) / RANKS, sha256(content).hexdigest()) if with_ranks else {}
        return cls(
            model=record.model,
            collection=record.collection,
            scenarios=tuple(
                ScenarioResult.restored(stored, ranks.get(number)) for number, stored in enumerate(record.scenarios)
            ),
            seed=record.seed,
            limit=record.limit,
            balance=record.balance,
            environment=record.environment,
            isoglot=record.isoglot,
            stages=record.stages,
            goal=record.goal,
            similarities=record.similarities,
            lift=record.lift,
            lengths=record.lengths,
            stress=record.stress,
            stored=record.stored,
            notes=record.notes,
        )


class _Header(msgspec.Struct):
    """What every schema of audit.json has."""

    schema: str


def _record_of(content: bytes, path: Path) -> AuditRecord:
    try:
        body = json.loads(content.decode(), object_hook=_null_to_nan)
        schema = msgspec.convert(body, _Header).schema
        if schema != SCHEMA:
            raise IsoglotError(f"{path}: has the schema {schema!r}; this isoglot reads {SCHEMA!r}")
        body.setdefault("balance", "equal" if body.get("balanced") else "none")  # older audits have one or neither
        return msgspec.convert(body, AuditRecord)
    except (ValueError, msgspec.ValidationError, RecursionError) as error:
        if content.strip(b"\0") and SCHEMA.encode() not in content:  # a crash may leave zeros
            raise IsoglotError(f"{path}: is no audit that isoglot wrote: {error}") from error
        raise DamagedAuditError(f"{path}: is damaged: {error}; make the audit again") from error


def _null_to_nan(entry: dict[str, Any]) -> dict[str, Any]:
    """An object of audit.json; in an interval null is NaN."""
    if entry.keys() != {"mean", "low", "high"}:
        return entry
    return {name: math.nan if value is None else value for name, value in entry.items()}


def json_text(body: Any) -> str:
    """Return `body` as the text of a JSON file; numbers that are not finite become null.

    Args:
        body: Plain data, or what `msgspec.to_builtins` turns into it.
    """
    return json.dumps(without_nan(msgspec.to_builtins(body)), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def without_nan(value: Any) -> Any:
    """Return `value` with None for every float in it that is not finite, as JSON wants it."""
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
