"""Pipelines: retrievers whose lists are fused, and rerankers of their best candidates.

On the command line they are written as in PyTerrier, with spaces around the operators:

    "bm25 + e5-small-q4"                                reciprocal rank fusion
    "e5-small-q4 %100 >> cross-encoder:MODEL"           the first 100, reranked
    "(bm25 + e5-small-q4) %50 >> cross-encoder:MODEL"   both

``>>`` binds least and ``%`` most, so the parentheses of the last one are needed.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.platform.arrays import Floats, Ints
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.lists import RankedList, ordered_list, rank_lists
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking, Stage
from isoglot.retrievers.base import Retriever, RetrieverRecord
from isoglot.retrievers.pairs import PairRetriever

RRF_K = 60
"""The constant of reciprocal rank fusion, as its authors chose it."""
CANDIDATES = 100
"""How many documents are reranked where a pipeline does not say."""

_GRID = 2.0**44
"""Sums of reciprocal ranks are rounded to 1 / _GRID, so that the order of adding decides no tie."""
_CUT = re.compile(r"%(\d+)")


class Pipeline(ABC):
    """A retriever made of others. Its rankings say what each of its stages found.

    Attributes:
        parts: The retrievers that it is made of.
        name: What results call it, as `parse_pipeline` reads it.
        how: What it does, in one line.
    """

    parts: tuple[Retriever, ...]
    name: str
    how: str

    @abstractmethod
    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`; a pool's complete lists are in memory at once."""

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`."""
        described = [part.describe() for part in self.parts]
        digest = hashlib.sha256("\n".join([self.how, *(part.fingerprint for part in described)]).encode())
        return RetrieverRecord(
            name=self.name,
            fingerprint=digest.hexdigest(),
            language_given=any(part.language_given for part in described),
            how=self.how,
        )

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        return {name: value for part in self.parts for name, value in part.environment().items()}


class Fusion(Pipeline):
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009): score(d) = sum over lists of 1 / (k + rank).

    A document that is not in a list gets nothing for it. That is so for a list that is cut, and for documents that
    share no term with the query, where a retriever finds by terms. A balance merges the fused list by language.

    Args:
        parts: At least two retrievers.
        k: The constant; the larger, the less the first places count.

    Raises:
        IsoglotError: There are fewer than two retrievers, or k is negative.
    """

    def __init__(self, parts: Sequence[Retriever], k: float = RRF_K) -> None:
        if len(parts) < 2 or k < 0:
            raise IsoglotError("a fusion needs at least two retrievers and a k of at least 0")
        self.parts, self._k = tuple(parts), k
        self.name = " + ".join(_name_within(part) for part in parts)
        self.how = f"reciprocal rank fusion, k {k:g}"

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Pipeline.rankings`."""
        balances = [balance if isinstance(part, Pipeline) else "none" for part in self.parts]  # a cut list loses some
        found = [
            _found(part, collection, pools, of_part, show_progress)
            for part, of_part in zip(self.parts, balances, strict=True)
        ]
        for pool, *of_parts in zip(pools, *found, strict=True):
            stages = [stage for each in of_parts for stage in each.stages(top_k)]
            fused = [
                self._fused(lists, pool, balance) for lists in zip(*(each.lists for each in of_parts), strict=True)
            ]
            yield rank_lists(fused, pool, top_k, stages)

    def _fused(self, lists: Sequence[RankedList], pool: Pool, balance: str) -> RankedList:
        scores = np.zeros(len(pool.documents))
        for each in lists:
            scores[each.positions] += 1 / (self._k + 1 + np.arange(len(each.positions)))
        found = np.flatnonzero(scores)
        return ordered_list(found, np.round(scores[found] * _GRID) / _GRID, pool, balance, lists[0].hidden)


class Cut(Pipeline):
    """The first documents of another retriever's list.

    Args:
        part: The retriever.
        depth: Number of documents that are left.

    Raises:
        IsoglotError: None would be left.
    """

    def __init__(self, part: Retriever, depth: int) -> None:
        if depth < 1:
            raise IsoglotError(f"%{depth} leaves no document of a list; it must be at least %1")
        self.parts, self.depth = (part,), depth
        self.name = f"{_name_within(part)} %{depth}"
        self.how = f"the first {depth} documents"

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Pipeline.rankings`."""
        for pool, found in zip(pools, _found(self.parts[0], collection, pools, balance, show_progress), strict=True):
            lists = [each.first(self.depth) for each in found.lists]
            yield rank_lists(lists, pool, top_k, found.stages(top_k))


class Reranking(Pipeline):
    """A reranker of the best candidates of another retriever; the list ends with them.

    A balance is applied twice: candidates are the first of the balanced list, and the reranked list is merged by
    language again. What is usual for a language is then what its candidates show.

    Args:
        first: Finds the candidates.
        reranker: Orders them: any retriever. One that scores pairs scores nothing but the candidates; of another one,
            the scores of all documents are computed.
        candidates: Number of candidates of a query.

    Raises:
        IsoglotError: There are no candidates.
    """

    def __init__(self, first: Retriever, reranker: Retriever, candidates: int = CANDIDATES) -> None:
        self._first = Cut(first, candidates)
        self.parts = (self._first, reranker)
        self.name = f"{self._first.name} >> {_name_within(reranker)}"
        self.how = f"the first {candidates}, reranked"

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Pipeline.rankings`; all candidates are found before the first is reranked."""
        candidates = list(_found(self._first, collection, pools, balance, show_progress))
        scored = _candidate_scores(self.parts[1], collection, pools, candidates, show_progress)
        for pool, found, scores in zip(pools, candidates, scored, strict=True):
            lists = [
                ordered_list(each.positions, of_query, pool, balance, each.hidden)
                for each, of_query in zip(found.lists, scores, strict=True)
            ]
            yield rank_lists(lists, pool, top_k, found.stages(top_k))


class _Found:
    """What a part of a pipeline found in a pool: a list for each query, and the stages before it."""

    def __init__(self, name: str, pool: Pool, lists: list[RankedList], before: Sequence[Stage]) -> None:
        self.lists = lists
        self._name, self._pool, self._before = name, pool, before

    def stages(self, top_k: int) -> list[Stage]:
        """The stages before this part, and the part."""
        return [*self._before, Stage(self._name, rank_lists(self.lists, self._pool, top_k))]


def _found(
    part: Retriever, collection: Collection, pools: Sequence[Pool], balance: str, show_progress: bool
) -> Iterator[_Found]:
    """What a part finds in each pool, merged by language."""
    by_terms = getattr(part, "finds_by_terms", False)
    name, longest = part.describe().name, max(len(pool.documents) for pool in pools)
    rankings = part.rankings(
        collection, pools, balance="none" if by_terms else balance, top_k=longest, show_progress=show_progress
    )
    for pool, ranking in zip(pools, rankings, strict=True):
        lists = []
        for row, (top, scores) in enumerate(zip(ranking.top, ranking.top_scores, strict=True)):
            hidden = int(pool.ignored is not None and pool.ignored[row] >= 0)
            if by_terms:
                shares_term = (top >= 0) & (scores > 0)
                lists.append(ordered_list(top[shares_term], scores[shares_term], pool, balance, hidden))
            else:
                lists.append(RankedList(top[top >= 0], scores[top >= 0], hidden))
        yield _Found(name, pool, lists, ranking.stages)


def _candidate_scores(
    reranker: Retriever,
    collection: Collection,
    pools: Sequence[Pool],
    candidates: Sequence[_Found],
    show_progress: bool,
) -> Iterator[list[Floats]]:
    """For each pool and query the scores (m,) of its candidates (m,)."""
    positions = [[each.positions for each in found.lists] for found in candidates]
    if isinstance(reranker, PairRetriever):
        wanted = np.zeros((len(collection.queries), len(collection.documents)), dtype=bool)
        for pool, lists in zip(pools, positions, strict=True):
            for query, of_query in zip(pool.queries, lists, strict=True):
                wanted[query, pool.documents[of_query]] = True
        scores = reranker.pair_scores(collection, wanted, show_progress=show_progress)
        for pool, lists in zip(pools, positions, strict=True):
            yield [scores[query, pool.documents[each]] for query, each in zip(pool.queries, lists, strict=True)]
    else:
        rankings = reranker.rankings(
            collection,
            pools,
            balance="none",
            top_k=max(len(pool.documents) for pool in pools),
            show_progress=show_progress,
        )
        for pool, lists, ranking in zip(pools, positions, rankings, strict=True):
            yield [_picked(ranking, row, each, pool) for row, each in enumerate(lists)]


def _picked(ranking: Ranking, row: int, positions: Ints, pool: Pool) -> Floats:
    """The scores of some documents out of a ranking of all; of a list that ends, the least of it for the others."""
    found = ranking.top[row] >= 0
    scores = np.full(len(pool.documents), np.nanmin(ranking.top_scores[row], initial=0.0))
    scores[ranking.top[row, found]] = ranking.top_scores[row, found]
    return scores[positions]


def _name_within(part: Retriever) -> str:
    name = part.describe().name
    return f"({name})" if isinstance(part, Fusion | Reranking) else name


def is_pipeline(named: str) -> bool:
    """Return whether a name has an operator of pipelines in it, and is not that of a folder."""
    words = named.split()
    return any(word in ("+", ">>") or _CUT.fullmatch(word) for word in words[1:]) and not Path(named).exists()


def parse_pipeline(named: str, load: Callable[[str], Retriever]) -> Retriever:
    """Make the retriever that a pipeline names, see this module.

    Args:
        named: The pipeline.
        load: Loads a retriever that is no pipeline.

    Raises:
        IsoglotError: The pipeline cannot be read; the message says where.
    """
    return _Parser(named, load).whole()


class _Parser:
    """Reads a pipeline: reranked = fused {>> fused}, fused = part {+ part}, part = (NAME | "(" reranked ")") [%N]."""

    def __init__(self, named: str, load: Callable[[str], Retriever]) -> None:
        self._named, self._load = named, load
        self._words = deque(_words(named))

    def whole(self) -> Retriever:
        """The retriever that all words make."""
        found = self._reranked()
        if self._words:
            raise self._error(f"{self._words[0]} is one too many")
        return found

    def _reranked(self) -> Retriever:
        found = self._fused()
        while self._takes(">>"):
            first, candidates = (found.parts[0], found.depth) if isinstance(found, Cut) else (found, CANDIDATES)
            found = Reranking(first, self._fused(), candidates)
        return found

    def _fused(self) -> Retriever:
        parts = [self._part()]
        while self._takes("+"):
            parts.append(self._part())
        return Fusion(parts) if len(parts) > 1 else parts[0]

    def _part(self) -> Retriever:
        if self._takes("("):
            part = self._reranked()
            if not self._takes(")"):
                raise self._error("a parenthesis is not closed")
        else:
            name = []
            while self._words and self._words[0] not in ("+", ">>", "(", ")") and not _CUT.fullmatch(self._words[0]):
                name.append(self._words.popleft())
            if not name:
                raise self._error(f"a retriever is missing before {self._words[0] if self._words else 'the end'}")
            part = self._load(" ".join(name))
        if self._words and (cut := _CUT.fullmatch(self._words[0])):
            self._words.popleft()
            part = Cut(part, int(cut[1]))
        return part

    def _takes(self, word: str) -> bool:
        """Whether the next word is this one, which is then read."""
        if self._words and self._words[0] == word:
            self._words.popleft()
            return True
        return False

    def _error(self, what: str) -> IsoglotError:
        return IsoglotError(f'{self._named!r}: {what}; write pipelines like "bm25 + MODEL" or "MODEL %100 >> RERANKER"')


def _words(named: str) -> Iterator[str]:
    """The words of a pipeline, and its parentheses, which a name may have too."""
    for word in named.split():
        while word.startswith("("):
            yield "("
            word = word[1:]
        closing = max(0, word.count(")") - word.count("("))
        name = word[: len(word) - closing] if word.endswith(")" * closing) else word
        if name:
            yield name
        yield from ")" * (len(word) - len(name))
