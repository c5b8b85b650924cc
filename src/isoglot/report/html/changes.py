"""The questions that changed most from the first audit to the last, with texts and top results where known."""

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
"""How many questions are shown each way."""
OF_A_POOL = 2
"""How many of them at most are of one pool and query language, so that several are seen."""
CUT = 500
"""Texts longer than that, in characters, are cut."""
TOP = 5


@dataclass(frozen=True)
class Text:
    """A text of data, perhaps cut.

    Attributes:
        language: As the audit spells it.
        text: At most `CUT` characters.
        cut: How many characters more the whole text has.
        gold: Whether it is a right document.
    """

    language: str
    text: str
    cut: int
    gold: bool = True


@dataclass(frozen=True)
class Change:
    """One question in one mixed pool.

    Attributes:
        query_id: Of the question.
        query_language: As the audits spell it.
        pool: The pool's languages.
        documents: How many documents the pool has.
        ranks: For each audit, language -> rank of the right document's version.
        question: Its text; None without the collection.
        golds: The right documents; empty without the collection.
        top: For each audit, its first results; empty where the audit kept no run or there is no collection.
    """

    query_id: str
    query_language: str
    pool: tuple[str, ...]
    documents: int
    ranks: tuple[Mapping[str, int], ...]
    question: Text | None
    golds: tuple[Text, ...]
    top: tuple[tuple[Text, ...], ...]


def most_changed(
    pools: Sequence[Mixed], folders: Sequence[Path], collection: Collection | None
) -> tuple[list[Change], list[Change]]:
    """The questions whose Max@R fell most and rose most, by its ratio; of one audit the lowest and none.

    A question is shown once, in the pool in which it changed most.

    Args:
        pools: Mixed pools.
        folders: Of the audits; a run in ``runs`` gives the top results.
        collection: Whose texts are shown; None: ranks only.

    Raises:
        IsoglotError: A run cannot be read.
    """
    found = []
    for pool in pools:
        first, last = (np.log2(max_r(judged_of(result))) for result in (pool[0], pool[-1]))
        with np.errstate(invalid="ignore"):  # both may be beyond the end of a run
            changes = last - first if len(pool) > 1 else -first
        found += [(float(change), place, pool) for place, change in enumerate(changes) if np.isfinite(change)]
    found.sort(key=lambda entry: entry[0])
    texts = _Texts(collection, folders) if collection is not None else None
    falls = _chosen([entry for entry in found if entry[0] < 0])
    rises = _chosen([entry for entry in reversed(found) if entry[0] > 0])
    return [_change(*entry, texts) for entry in falls], [_change(*entry, texts) for entry in rises]


def _chosen(order: Sequence[tuple[float, int, Mixed]]) -> list[tuple[int, Mixed]]:
    """The first few (place, pool), each question once and few of one pool."""
    chosen: list[tuple[int, Mixed]] = []
    seen: set[str] = set()
    taken: Counter[Cell] = Counter()
    for _, place, pool in order:
        query_id, cell = pool[0].query_ids[place], pool[0].cell
        if query_id not in seen and taken[cell] < OF_A_POOL and len(chosen) < SHOWN:
            seen.add(query_id)
            taken[cell] += 1
            chosen.append((place, pool))
    return chosen


def _change(place: int, pool: Mixed, texts: _Texts | None) -> Change:
    first = pool[0]
    query_id = first.query_ids[place]
    return Change(
        query_id,
        first.query_language,
        first.pool_languages,
        first.documents,
        tuple(_ranks(result, place) for result in pool),
        texts.question(query_id, first.query_language) if texts else None,
        texts.golds(query_id, first.pool_languages) if texts else (),
        texts.top(query_id, pool) if texts else (),
    )


def _ranks(result: ScenarioResult, place: int) -> dict[str, int]:
    judged = judged_of(result)
    ranks = {tag: best_in_language(judged, at)[place] for at, tag in enumerate(result.pool_languages)}
    return {tag: int(rank) for tag, rank in ranks.items() if np.isfinite(rank)}


class _Texts:
    """The texts of a collection and what stands in the runs beside audits."""

    def __init__(self, collection: Collection, folders: Sequence[Path]) -> None:
        self._golds = collection.golds
        self._queries = {(query.query_id, query.language): query.text for query in collection.queries}
        self._documents = {(found.content_id, found.language): found.text for found in collection.documents}
        self._named = {version_id(found.content_id, found.language): found for found in collection.documents}
        self._folders = folders

    def question(self, query_id: str, language: str) -> Text:
        return _text(language, self._queries[query_id, canonical(language)])

    def golds(self, query_id: str, languages: Sequence[str]) -> tuple[Text, ...]:
        return tuple(
            _text(tag, text)
            for content in self._golds[query_id]
            for tag in languages
            if (text := self._documents.get((content, canonical(tag)))) is not None
        )

    def top(self, query_id: str, pool: Mixed) -> tuple[tuple[Text, ...], ...]:
        spelling = {canonical(tag): tag for tag in pool[0].pool_languages}
        return tuple(
            tuple(
                _text(
                    spelling.get(found.language, found.language), found.text, found.content_id in self._golds[query_id]
                )
                for name in _first_results(folder, result, query_id)
                if (found := self._named.get(name)) is not None
            )
            for folder, result in zip(self._folders, pool, strict=True)
        )


def _first_results(folder: Path, result: ScenarioResult, query_id: str) -> list[str]:
    """The first documents of a run that `isoglot audit --runs` wrote, as it calls them; empty if there is none."""
    name = run_name(result.scenario, result.pool_languages, result.query_language)
    path = folder / "runs" / f"{name}.run"
    if not path.is_file():
        return []
    start = f"{trec_token(query_id)} "
    with os_errors_explained(path, "read"):
        lines = [line.split(" ") for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(start)]
    if any(len(line) != 6 for line in lines):
        raise IsoglotError(f"{path}: is not a run that isoglot wrote; make the audit anew")
    return [line[2] for line in lines[:TOP]]


def _text(language: str, text: str, gold: bool = True) -> Text:
    return Text(language, text[:CUT], max(0, len(text) - CUT), gold)
