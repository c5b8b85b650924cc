"""Pool: which documents compete for which queries.

The scenarios (paper, section on mixed pools; `control` is isoglot's own, after the criticism of pools of translations):

- ``multi``: all documents of the pool's languages; a query's golds are its gold content in each of them.
- ``mono-same``: documents of one language, queries in that language.
- ``mono-cross``: documents of one language, queries in another.
- ``control``: each content id is kept in one language only, balanced over the languages and chosen by seed.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import NamedTuple

import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.platform.arrays import Bools, Floats, Ints
from isoglot.platform.errors import IsoglotError

SCENARIOS = ("multi", "mono-same", "mono-cross", "control")
DOCUMENTS_MODES = ("dedup", "per-question")


@dataclass(frozen=True)
class Pool:
    """n documents that compete for q queries; all arrays hold positions, ids stay in the collection.

    Attributes:
        scenario: One of `SCENARIOS`.
        languages: Canonical tags of the documents' languages.
        query_language: Canonical tag.
        documents: (n,) positions in ``collection.documents``, grouped by language in the order of `languages`.
        document_languages: (n,) positions in `languages`, not decreasing.
        tie_keys: (n,) a permutation: of two documents with equal scores the one with the smaller key ranks first.
        queries: (q,) positions in ``collection.queries``.
        golds: (q, g) positions in `documents`, filled up with -1.
        grades: (q, g) grades of the golds, 0 where there is none; None: all are 1.
        lesser: (q, g) which of the golds are judged, but too low to be relevant: nDCG alone counts them, and they stand
            behind the others; None: all are relevant.
        ignored: (q,) position in `documents` of the document that is the query itself, which it does not find; -1 where
            there is none; None: there is none at all.
    """

    scenario: str
    languages: tuple[str, ...]
    query_language: str
    documents: Ints
    document_languages: Ints
    tie_keys: Ints
    queries: Ints
    golds: Ints
    ignored: Ints | None = None
    grades: Floats | None = None
    lesser: Bools | None = None

    @property
    def query_language_number(self) -> int | None:
        """The position of the queries' language in `languages`; None: no document is in it."""
        return self.languages.index(self.query_language) if self.query_language in self.languages else None


@dataclass(frozen=True)
class PoolBuilder:
    """Builds the pools of a collection.

    The order inside a pool depends on ids, languages and the seed alone, so shuffling a collection changes no result.

    Attributes:
        collection: Where documents, queries and golds come from.
        documents_mode: ``dedup``: each document once. ``per-question``: one document for each question, duplicates
            kept, which is how the paper's numbers seem to have been made (inferred); a query's golds are then the
            copies of its own question.
        limit: Ask at most this many questions, chosen by seed, the same in all languages; all documents stay.
        seed: Chooses ties, control languages and limited queries.

    Raises:
        IsoglotError: Unknown mode, or a limit below 1.
    """

    collection: Collection
    documents_mode: str = "dedup"
    limit: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.documents_mode not in DOCUMENTS_MODES:
            raise IsoglotError(f"unknown documents mode {self.documents_mode!r}; choose {' or '.join(DOCUMENTS_MODES)}")
        if self.limit is not None and self.limit < 1:
            raise IsoglotError(f"the limit of queries is {self.limit}; it must be at least 1")

    def build(
        self,
        scenarios: Sequence[str] = SCENARIOS,
        language_sets: Sequence[Sequence[str]] | None = None,
        query_languages: Sequence[str] | None = None,
    ) -> list[Pool]:
        """The pools of every scenario for every set of languages, each once.

        Args:
            scenarios: Names out of `SCENARIOS`.
            language_sets: Canonical tags of the pools; None: English with each other language (`default_pools`).
            query_languages: Canonical tags of the languages to ask in; None: those of each pool, and those of queries
                in which the collection has no document (as in NeuCLIR).

        Raises:
            IsoglotError: Unknown scenario, or there is nothing to ask: no pool has a query with a gold in it.
        """
        for scenario in scenarios:
            if scenario not in SCENARIOS:
                raise IsoglotError(f"unknown scenario {scenario!r}; choose from {', '.join(SCENARIOS)}")
        cells = {
            cell: None
            for languages in (self.default_pools() if language_sets is None else language_sets)
            for scenario in scenarios
            for cell in _cells(scenario, tuple(dict.fromkeys(languages)), self._asked(languages, query_languages))
        }
        pools = [pool for cell in cells if len((pool := self._pool(*cell)).queries)]
        if not pools:
            raise IsoglotError(f"{self.collection.name}: no query has a gold document in any of the pools asked for")
        return pools

    def _asked(self, languages: Sequence[str], query_languages: Sequence[str] | None) -> tuple[str, ...]:
        """The languages to ask a pool in."""
        if query_languages is not None:
            return tuple(query_languages)
        without_documents = [tag for tag in self.collection.languages if tag not in self._by_language]
        return tuple(dict.fromkeys((*languages, *without_documents)))

    def default_pools(self) -> list[tuple[str, ...]]:
        """English with each other language of the documents; without English, one pool of all languages."""
        languages = [tag for tag in self.collection.languages if tag in self._by_language]
        if "en" not in languages or len(languages) == 1:
            return [tuple(languages)]
        return [("en", tag) for tag in languages if tag != "en"]

    def _pool(self, scenario: str, languages: tuple[str, ...], query_language: str) -> Pool:
        candidates = [candidate for language in languages for candidate in self._by_language.get(language, ())]
        if scenario == "control":
            chosen = self._control_languages(languages)
            candidates = [c for c in candidates if chosen[c.content_id] == c.language]
        tie_keys = np.empty(len(candidates), dtype=np.int64)
        tie_keys[np.argsort(np.array([c.tie_hash for c in candidates], dtype=np.uint64), kind="stable")] = np.arange(
            len(candidates)
        )
        positions: dict[str, list[int]] = defaultdict(list)
        for position, candidate in enumerate(candidates):
            positions[candidate.gold_key].append(position)
        itself = self._itself(query_language, candidates)
        asked = [
            (query, found)
            for query in self._queries.get(query_language, ())
            if (found := _places(self._gold_keys(query), positions, itself.get(query)))
        ]
        lower = [_places(self._lesser_keys(query), positions, itself.get(query)) for query, _ in asked]
        width = max((len(found) + len(less) for (_, found), less in zip(asked, lower, strict=True)), default=0)
        golds = np.full((len(asked), width), -1, dtype=np.int64)
        grades, lesser = np.zeros(golds.shape), np.zeros(golds.shape, dtype=bool)
        for row, ((_, found), less) in enumerate(zip(asked, lower, strict=True)):
            count = len(found) + len(less)
            golds[row, :count], grades[row, :count] = zip(*found, *less, strict=True)
            lesser[row, len(found) : count] = True
        return Pool(
            scenario,
            languages,
            query_language,
            np.array([c.document for c in candidates], dtype=np.int64),
            np.array([languages.index(c.language) for c in candidates], dtype=np.int64),
            tie_keys,
            np.array([query for query, _ in asked], dtype=np.int64),
            golds,
            np.array([itself.get(query, -1) for query, _ in asked], dtype=np.int64)
            if self.collection.identical
            else None,
            grades if self.collection.grades else None,
            lesser if lesser.any() else None,
        )

    def _itself(self, query_language: str, candidates: Sequence[_Candidate]) -> dict[int, int]:
        """The queries in a language that are documents of the pool -> the positions of these among the candidates."""
        if not self.collection.identical:
            return {}
        places = {(c.content_id, c.language): place for place, c in enumerate(candidates)}
        same = {
            at: self.collection.identical.get((self.collection.queries[at].query_id, query_language))
            for at in self._queries.get(query_language, ())
        }
        return {at: places[version] for at, version in same.items() if version in places}

    @cached_property
    def _by_language(self) -> dict[str, list[_Candidate]]:
        """All that can stand in a pool, by language, in the order of the tie hash."""
        askers: dict[str, list[str]] = defaultdict(list)
        if self.documents_mode == "per-question":
            for query_id in sorted({query.query_id for query in self.collection.queries}):
                for content in dict.fromkeys(self.collection.golds[query_id]):
                    askers[content].append(_row_key(query_id, content))
        candidates: dict[str, list[_Candidate]] = defaultdict(list)
        for at, (content, language) in enumerate((d.content_id, d.language) for d in self.collection.documents):
            for key in askers.get(content, [content]):
                candidate = _Candidate(_hash(self.seed, "tie", key, language), key, at, content, language)
                candidates[language].append(candidate)
        for found in candidates.values():
            found.sort()
        return dict(candidates)

    def _gold_keys(self, query: int) -> dict[str, float]:
        """The key of each gold of a query -> its grade."""
        query_id = self.collection.queries[query].query_id
        grades = self.collection.grades.get(query_id, {})
        golds = {content: grades.get(content, 1.0) for content in self.collection.golds[query_id]}
        if self.documents_mode == "dedup":
            return golds
        return {_row_key(query_id, content): grade for content, grade in golds.items()}

    def _lesser_keys(self, query: int) -> dict[str, float]:
        """The key of each document that is judged, but no gold -> its grade; no pool by question has them."""
        query_id = self.collection.queries[query].query_id
        grades = self.collection.grades.get(query_id, {})
        return {content: grade for content, grade in grades.items() if content not in self.collection.golds[query_id]}

    @cached_property
    def _queries(self) -> dict[str, list[int]]:
        """Positions of the queries to ask, by language, in an order that depends on ids and seed alone."""
        query_ids = {query.query_id for query in self.collection.queries}
        chosen = sorted(query_ids, key=lambda query_id: (_hash(self.seed, "query", query_id), query_id))[: self.limit]
        place = {query_id: number for number, query_id in enumerate(chosen)}
        queries: dict[str, list[int]] = defaultdict(list)
        for at, query in enumerate(self.collection.queries):
            if query.query_id in place:
                queries[query.language].append(at)
        for found in queries.values():
            found.sort(key=lambda at: place[self.collection.queries[at].query_id])
        return dict(queries)

    def _control_languages(self, languages: tuple[str, ...]) -> dict[str, str]:
        """One language for each content: those with least choice first, each time the language used least so far."""
        choices: dict[str, list[str]] = defaultdict(list)
        for language in languages:
            for content in {candidate.content_id for candidate in self._by_language.get(language, ())}:
                choices[content].append(language)
        used: Counter[str] = Counter()
        chosen: dict[str, str] = {}
        for content in sorted(choices, key=lambda c: (len(choices[c]), _hash(self.seed, "control", c), c)):
            hashes = {tag: _hash(self.seed, "control", content, tag) for tag in choices[content]}
            language = min(hashes, key=lambda tag: (used[tag], hashes[tag]))
            used[language] += 1
            chosen[content] = language
        return chosen


def build_pools(
    collection: Collection,
    *,
    pools: Sequence[Sequence[str]] | None,
    query_languages: Sequence[str] | None,
    scenarios: Sequence[str],
    documents_mode: str,
    limit: int | None,
    seed: int,
) -> list[Pool]:
    """Build the pools that a user asked for, with languages in any spelling.

    Args:
        collection: Where documents, queries and golds come from.
        pools: The languages of each pool; None: English with each other language of the documents.
        query_languages: The languages to ask in; None: those of each pool, and those in which there is no document.
        scenarios: Names out of `SCENARIOS`.
        documents_mode: As for `PoolBuilder`.
        limit: As for `PoolBuilder`.
        seed: As for `PoolBuilder`.

    Raises:
        IsoglotError: An unknown scenario, mode or language, a limit below 1, or no pool has a query with a gold in it.
    """
    language_sets = None if pools is None else [list(map(collection.find_language, pool)) for pool in pools]
    asked = None if query_languages is None else list(map(collection.find_language, query_languages))
    return PoolBuilder(collection, documents_mode, limit, seed).build(scenarios, language_sets, asked)


class _Candidate(NamedTuple):
    """A document that can stand in a pool; sorts by its tie hash."""

    tie_hash: int
    gold_key: str
    document: int
    content_id: str
    language: str


def _places(
    keys: Mapping[str, float], positions: Mapping[str, Sequence[int]], without: int | None
) -> list[tuple[int, float]]:
    """The positions of the documents of some keys but for one of them, each with the grade of its key."""
    return [(at, grade) for key, grade in keys.items() for at in positions.get(key, ()) if at != without]


def _row_key(query_id: str, content_id: str) -> str:
    return f"{query_id}\t{content_id}"


def _hash(seed: int, *parts: str) -> int:
    digest = hashlib.blake2b("\0".join((str(seed), *parts)).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def _cells(
    scenario: str, languages: tuple[str, ...], asked: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...], str]]:
    if scenario == "mono-same":
        yield from ((scenario, (language,), language) for language in languages if language in asked)
    elif scenario == "mono-cross":
        pairs = permutations(dict.fromkeys((*languages, *asked)), 2)
        yield from ((scenario, (of,), to) for of, to in pairs if of in languages and to in asked)
    elif len(languages) > 1:
        yield from ((scenario, languages, language) for language in asked)
