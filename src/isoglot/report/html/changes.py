"""The questions that changed most from the first audit to the last, with their texts and first results where known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.corpora.trec import run_name, trec_token, version_id
from isoglot.evaluation.measures import best_in_language, max_r
from isoglot.evaluation.results import Cell, ScenarioResult
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import os_errors_explained
from isoglot.platform.languages import canonical
from isoglot.report.html.charts import Mixed, judged_of

SHOWN = 5
"""Number of questions shown that improved, and of those that got worse."""
MOST_OF_A_POOL = 2
"""Largest number of them from one pool and query language, so that several pools are shown."""
MOST_CHARACTERS = 500
"""Longer texts are cut."""
TOP = 5
"""Number of first results shown of a question."""


@dataclass(frozen=True)
class Excerpt:
    """The beginning of a question or a document.

    Attributes:
        language: Language as the audit spells it.
        text: At most `MOST_CHARACTERS` characters.
        left_out: Number of further characters of the whole text.
        gold: Whether it is a relevant document.
    """

    language: str
    text: str
    left_out: int
    gold: bool = True


@dataclass(frozen=True, kw_only=True)
class Change:
    """One question in one mixed pool.

    Attributes:
        query_id: Id of the question.
        query_language: Language of the question as the audits spell it.
        pool: Languages of the pool.
        documents: Number of documents in the pool.
        ranks: For each audit, language -> rank of the relevant document in that language.
        question: Text of the question; None without the collection.
        golds: The relevant documents; empty without the collection.
        top: For each audit its first results; empty where the audit kept no run or there is no collection.
    """

    query_id: str
    query_language: str
    pool: tuple[str, ...]
    documents: int
    ranks: tuple[Mapping[str, int], ...]
    question: Excerpt | None
    golds: tuple[Excerpt, ...]
    top: tuple[tuple[Excerpt, ...], ...]


def most_changed(
    pools: Sequence[Mixed], folders: Sequence[Path], collection: Collection | None
) -> tuple[list[Change], list[Change]]:
    """Find the questions whose Max@R changed most from the first audit to the last, by its ratio.

    A question is shown once, in the pool in which it changed most.

    Args:
        pools: Mixed pools.
        folders: Folders of the audits, whose ``runs`` hold the first results.
        collection: Audited collection, for the texts; None: ranks only.

    Returns:
        The questions whose Max@R fell most and those whose Max@R rose most. Of one audit alone: the questions with
        the highest Max@R, and none.

    Raises:
        IsoglotError: A run cannot be read.
    """
    candidates = []
    for pool in pools:
        first, last = (np.log2(max_r(judged_of(result))) for result in (pool[0], pool[-1]))
        with np.errstate(invalid="ignore"):  # both may be beyond the end of a run
            changes = last - first if len(pool) > 1 else -first
        candidates += [(float(change), index, pool) for index, change in enumerate(changes) if np.isfinite(change)]
    candidates.sort(key=lambda candidate: candidate[0])
    texts = _Texts(collection, folders) if collection is not None else None
    falls = _chosen([candidate for candidate in candidates if candidate[0] < 0])
    rises = _chosen([candidate for candidate in reversed(candidates) if candidate[0] > 0])
    return [_change(*chosen, texts) for chosen in falls], [_change(*chosen, texts) for chosen in rises]


def _chosen(order: Sequence[tuple[float, int, Mixed]]) -> list[tuple[int, Mixed]]:
    """Choose the first few candidates, each question once and few of one pool; returns (index of query, pool)."""
    chosen: list[tuple[int, Mixed]] = []
    seen: set[str] = set()
    taken: Counter[Cell] = Counter()
    for _, index, pool in order:
        query_id, cell = pool[0].query_ids[index], pool[0].cell
        if query_id not in seen and taken[cell] < MOST_OF_A_POOL and len(chosen) < SHOWN:
            seen.add(query_id)
            taken[cell] += 1
            chosen.append((index, pool))
    return chosen


def _change(index: int, pool: Mixed, texts: _Texts | None) -> Change:
    first = pool[0]
    query_id = first.query_ids[index]
    return Change(
        query_id=query_id,
        query_language=first.query_language,
        pool=first.pool_languages,
        documents=first.documents,
        ranks=tuple(_ranks(result, index) for result in pool),
        question=texts.question(query_id, first.query_language) if texts else None,
        golds=texts.golds(query_id, first.pool_languages) if texts else (),
        top=texts.top(query_id, pool) if texts else (),
    )


def _ranks(result: ScenarioResult, index: int) -> dict[str, int]:
    """Return language -> rank of the best gold in it, for one query; languages without a known rank are left out."""
    judged = judged_of(result)
    ranks = {tag: best_in_language(judged, number)[index] for number, tag in enumerate(result.pool_languages)}
    return {tag: int(rank) for tag, rank in ranks.items() if np.isfinite(rank)}


class _Texts:
    """The texts of a collection, and the first results in the runs beside audits."""

    def __init__(self, collection: Collection, folders: Sequence[Path]) -> None:
        self._golds = collection.golds
        self._queries = {(query.query_id, query.language): query.text for query in collection.queries}
        self._documents = {(entry.content_id, entry.language): entry for entry in collection.documents}
        self._by_run_id = {version_id(entry.content_id, entry.language): entry for entry in collection.documents}
        self._folders = folders

    def question(self, query_id: str, language: str) -> Excerpt:
        return _excerpt(language, self._queries[query_id, canonical(language)])

    def golds(self, query_id: str, languages: Sequence[str]) -> tuple[Excerpt, ...]:
        return tuple(
            _excerpt(tag, document.text)
            for content in self._golds[query_id]
            for tag in languages
            if (document := self._documents.get((content, canonical(tag)))) is not None
        )

    def top(self, query_id: str, pool: Mixed) -> tuple[tuple[Excerpt, ...], ...]:
        spelling = {canonical(tag): tag for tag in pool[0].pool_languages}
        golds = self._golds[query_id]
        return tuple(
            tuple(
                _excerpt(spelling.get(entry.language, entry.language), entry.text, entry.content_id in golds)
                for run_id in _first_results(folder, result, query_id)
                if (entry := self._by_run_id.get(run_id)) is not None
            )
            for folder, result in zip(self._folders, pool, strict=True)
        )


def _first_results(folder: Path, result: ScenarioResult, query_id: str) -> list[str]:
    """Return the ids of the first documents in a run that `isoglot audit --runs` wrote; empty if there is no run."""
    name = run_name(result.scenario, result.pool_languages, result.query_language)
    path = folder / "runs" / f"{name}.run"
    if not path.is_file():
        return []
    start = f"{trec_token(query_id)} "
    with os_errors_explained(path, "read"):
        lines = [line.split(" ") for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(start)]
    if any(len(line) != 6 for line in lines):
        raise IsoglotError(f"{path}: is not a run that isoglot wrote; make the audit again")
    return [line[2] for line in lines[:TOP]]


def _excerpt(language: str, text: str, gold: bool = True) -> Excerpt:
    return Excerpt(language, text[:MOST_CHARACTERS], max(0, len(text) - MOST_CHARACTERS), gold)
