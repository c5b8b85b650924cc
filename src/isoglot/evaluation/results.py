"""Audit and its parts: results as data, written to and read from a folder."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoglot.evaluation.measures import Judged
from isoglot.evaluation.statistics.intervals import Interval
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import write_bytes, write_text

SCHEMA = "isoglot.audit/1"
AUDIT, RANKS = "audit.json", "ranks.npz"


@dataclass(frozen=True)
class LanguageResult:
    """What a pool's ranking did to one of its languages; shares in percent.

    Attributes:
        documents: How many of the pool's documents are in the language.
        pool_share: Their share of the pool.
        mean_rank: Of the best gold in this language.
        median_rank: Of the best gold in this language; None if no query has one.
        worst_share: Share of queries whose worst-placed gold is in it (queries with several golds only).
        top_share: Its share of the top 10 documents.
        above_share: Its share of all non-gold documents above the worst-placed golds.
    """

    documents: int
    pool_share: float
    mean_rank: Interval
    median_rank: float | None
    worst_share: Interval
    top_share: Interval
    above_share: Interval


@dataclass(frozen=True)
class Cut:
    """What is not known of a pool, since of each query only the first documents are ranked, as in a TREC run.

    Attributes:
        depth: The most documents that a query has: N.
        golds: How many golds the queries have, each counted.
        beyond: Language -> how many golds in it are not among the documents of their query: "beyond N".
        medians_beyond: The languages of which the median rank of the best gold is beyond N.
        missing: How many queries have no document at all.
        short: How many have some, but fewer than N.
    """

    depth: int
    golds: int
    beyond: Mapping[str, int]
    medians_beyond: tuple[str, ...]
    missing: int
    short: int


@dataclass(frozen=True)
class ScenarioResult:
    """One pool asked in one language.

    Attributes:
        scenario: A name out of ``isoglot.ranking.pools.SCENARIOS``.
        pool_languages: As the user or the source spells them.
        query_language: Likewise.
        documents_mode: ``dedup`` or ``per-question``.
        documents: How many documents the pool has.
        queries: How many queries were asked.
        measures: Name -> mean over queries with its 95% bootstrap interval.
        by_language: Language -> what the ranking did to it.
        query_ids: Of the q queries, in the order of `judged`; empty if the audit was read without its ranks.
        judged: Their gold ranks; None if the audit was read without its ranks.
        run: The top documents of each query with scores, if they were asked for: (query id, [(content id, language,
            score)]).
        contents: Of each query the content that it asks about (its first gold), which intervals and tests draw whole;
            empty if the audit was read without its ranks or was made before audits had them.
        cut: What is not known, where only the first documents of each query are ranked; None: all are.
    """

    scenario: str
    pool_languages: tuple[str, ...]
    query_language: str
    documents_mode: str
    documents: int
    queries: int
    measures: Mapping[str, Interval]
    by_language: Mapping[str, LanguageResult]
    query_ids: tuple[str, ...] = field(default=(), compare=False, repr=False)
    judged: Judged | None = field(default=None, compare=False, repr=False)
    run: tuple[tuple[str, tuple[tuple[str, str, float], ...]], ...] = field(default=(), compare=False, repr=False)
    contents: tuple[str, ...] = field(default=(), compare=False, repr=False)
    cut: Cut | None = None

    def median_rank(self, language: str) -> float | None:
        """Of the best gold in a language of the pool; infinite if it is beyond the run, None if there is none.

        There is none either where of the two ranks in the middle one is known and one beyond the run.
        """
        if self.cut is not None and language in self.cut.medians_beyond:
            return math.inf
        return self.by_language[language].median_rank

    @property
    def cell(self) -> tuple[str, tuple[str, ...], str]:
        """What names this result within an audit: scenario, pool languages, query language."""
        return self.scenario, self.pool_languages, self.query_language


@dataclass(frozen=True)
class Audit:
    """The results of all scenarios, with all that is needed to make them again.

    Attributes:
        model: name, fingerprint, dimension, max_length, prompts (text and source by role).
        collection: name, fingerprint, languages, notes.
        scenarios: One result for each pool and query language.
        seed: Of ties, control pools, the limit and the bootstrap.
        limit: Most questions asked; None: all.
        balance: How the languages' results were merged: ``none`` (by score), ``equal`` or ``proportional``.
        environment: Versions and platform.
        isoglot: The version that made it.
    """

    model: Mapping[str, Any]
    collection: Mapping[str, Any]
    scenarios: tuple[ScenarioResult, ...]
    seed: int
    limit: int | None
    balance: str
    environment: Mapping[str, Any]
    isoglot: str

    @property
    def retriever(self) -> str:
        """What was audited: the model's name, and how its results were balanced."""
        name = str(self.model["name"])
        return name if self.balance == "none" else f"{name}, {self.balance} balance"

    def find(self, scenario: str, pool_languages: Sequence[str], query_language: str) -> ScenarioResult:
        """The result of one pool asked in one language.

        Raises:
            KeyError: The audit has none.
        """
        cell = (scenario, tuple(pool_languages), query_language)
        return next((result for result in self.scenarios if result.cell == cell), None) or _no_cell(cell)

    def to_json(self) -> str:
        """audit.json: everything but the ranks; NaN becomes null."""
        body = {
            "schema": SCHEMA,
            "isoglot": self.isoglot,
            "seed": self.seed,
            "limit": self.limit,
            "balance": self.balance,
            "environment": self.environment,
            "model": self.model,
            "collection": self.collection,
            "scenarios": [_result_to_json(result) for result in self.scenarios],
        }
        return json.dumps(without_nan(body), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def save(self, folder: str | Path) -> None:
        """Write audit.json and, beside it, ranks.npz with the gold ranks of every query, which `compare` needs.

        Raises:
            IsoglotError: The folder cannot be written.
        """
        write_bytes(Path(folder) / RANKS, _pack_ranks(self.scenarios))
        write_text(Path(folder) / AUDIT, self.to_json())

    @classmethod
    def load(cls, folder: str | Path) -> Audit:
        """Read what `save` wrote.

        Raises:
            IsoglotError: There is no audit, or it is damaged or of another schema.
        """
        path = Path(folder) / AUDIT
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            if body["schema"] != SCHEMA:
                raise IsoglotError(f"{path}: has the schema {body['schema']!r}; this isoglot reads {SCHEMA!r}")
            ranks = _unpack_ranks(Path(folder) / RANKS)
            return cls(
                body["model"],
                body["collection"],
                tuple(_result_from_json(entry, ranks.get(at)) for at, entry in enumerate(body["scenarios"])),
                body["seed"],
                body["limit"],
                body.get("balance", "equal" if body.get("balanced") else "none"),  # as older audits say it, if at all
                body["environment"],
                body["isoglot"],
            )
        except OSError as error:
            raise IsoglotError(f"{path}: cannot read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise IsoglotError(f"{path}: is not an audit that isoglot wrote ({error!r}); make it anew") from error


def _result_to_json(result: ScenarioResult) -> dict[str, Any]:
    return {
        "scenario": result.scenario,
        "pool_languages": list(result.pool_languages),
        "query_language": result.query_language,
        "documents_mode": result.documents_mode,
        "documents": result.documents,
        "queries": result.queries,
        "measures": {name: asdict(interval) for name, interval in result.measures.items()},
        "by_language": {tag: asdict(found) for tag, found in result.by_language.items()},
        **({} if result.cut is None else {"cut": asdict(result.cut)}),
    }


def _result_from_json(entry: Mapping[str, Any], ranks: Mapping[str, NDArray[Any]] | None) -> ScenarioResult:
    def interval(found: Mapping[str, float | None]) -> Interval:
        return Interval(
            *(math.nan if found[key] is None else float(found[key] or 0) for key in ("mean", "low", "high"))
        )

    def language(found: Mapping[str, Any]) -> LanguageResult:
        fields: dict[str, Any] = {
            name: interval(value) if isinstance(value, dict) else value for name, value in found.items()
        }
        return LanguageResult(**fields)

    return ScenarioResult(
        entry["scenario"],
        tuple(entry["pool_languages"]),
        entry["query_language"],
        entry["documents_mode"],
        entry["documents"],
        entry["queries"],
        {name: interval(found) for name, found in entry["measures"].items()},
        {tag: language(found) for tag, found in entry["by_language"].items()},
        tuple(map(str, ranks["query_ids"])) if ranks else (),
        _judged(entry, ranks) if ranks else None,
        contents=tuple(map(str, ranks["contents"])) if ranks and "contents" in ranks else (),
        cut=Cut(**{**entry["cut"], "medians_beyond": tuple(entry["cut"]["medians_beyond"])})
        if "cut" in entry
        else None,
    )


def _judged(entry: Mapping[str, Any], ranks: Mapping[str, NDArray[Any]]) -> Judged:
    pool = entry["pool_languages"]
    query_language = pool.index(entry["query_language"]) if entry["query_language"] in pool else None
    gold_ranks, languages = ranks["gold_ranks"].astype(np.int64), ranks["gold_languages"].astype(np.int64)
    depth = entry["cut"]["depth"] if "cut" in entry else None
    return Judged(gold_ranks, ranks["gold_tied"], languages, query_language, entry["documents"], depth)


def _pack_ranks(results: Sequence[ScenarioResult]) -> bytes:
    """The gold ranks of every result as a compressed .npz; arrays are named NUMBER/NAME."""
    arrays: dict[str, NDArray[Any]] = {}
    for number, result in enumerate(results):
        if result.judged is not None:
            arrays[f"{number}/query_ids"] = np.array(result.query_ids)
            if result.contents:
                arrays[f"{number}/contents"] = np.array(result.contents)
            arrays[f"{number}/gold_ranks"] = result.judged.ranks.astype(np.int32)
            arrays[f"{number}/gold_languages"] = result.judged.languages.astype(np.int16)
            arrays[f"{number}/gold_tied"] = result.judged.tied
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _unpack_ranks(path: Path) -> dict[int, dict[str, NDArray[Any]]]:
    """Result number -> its arrays; empty if there is no file."""
    found: dict[int, dict[str, NDArray[Any]]] = {}
    if path.is_file():
        try:
            with np.load(path, allow_pickle=False) as archive:
                for key in archive.files:
                    number, name = key.split("/")
                    found.setdefault(int(number), {})[name] = archive[key]
        except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
            raise IsoglotError(f"{path}: is damaged; make the audit anew") from error
    return found


def without_nan(value: Any) -> Any:
    """`value` with None for every float that is not finite, as JSON wants it."""
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _no_cell(cell: tuple[str, tuple[str, ...], str]) -> ScenarioResult:
    raise KeyError(f"the audit has no result for {cell}")
