"""Query stress: the pools of an audit asked again with changed queries. isoglot's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from isoglot.corpora.collection import Collection, Query
from isoglot.corpora.stress import stressed
from isoglot.evaluation.changes import MEASURES, StressedQueries
from isoglot.evaluation.comparison.paired import Pair, mean_changes
from isoglot.evaluation.results import ScenarioResult
from isoglot.evaluation.scoring import TOP_K, RankedPool
from isoglot.platform.arrays import Ints
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.pools import Pool
from isoglot.retrievers.base import Retriever


class _Asked(NamedTuple):
    """A pool to ask again: the kind of stress, the pool's number, and which of its queries are changed."""

    kind: str
    number: int
    rows: Ints


def ask_stressed(
    retriever: Retriever,
    collection: Collection,
    pools: Sequence[Pool],
    results: Sequence[ScenarioResult],
    kinds: Sequence[str],
    *,
    seed: int,
    balance: str,
    show_progress: bool,
) -> tuple[StressedQueries, ...]:
    """Ask the queries that each kind of stress changes, and compare their ranks with those of the unchanged ones.

    Args:
        retriever: What is audited.
        collection: What the pools' positions point into, with the user's spelling of languages.
        pools: The pools that were audited.
        results: Their results, with ranks.
        kinds: Names out of `isoglot.corpora.stress.KINDS`.
        seed: Random seed for the changes and the resamples.
        balance: How the languages' results are merged.
        show_progress: Whether to show progress on standard error.

    Returns:
        An entry for each kind and query language of which it changes a query, in the order of kinds and pools.

    Raises:
        IsoglotError: The retriever cannot be asked new queries.
    """
    changed = {kind: stressed(collection, kind, seed).queries for kind in kinds}
    asked = [
        _Asked(kind, number, rows)
        for kind, queries in changed.items()
        for number, pool in enumerate(pools)
        if pool.scenario in MEASURES and len(rows := _changed_rows(pool, collection.queries, queries))
    ]
    if not asked:
        return ()
    again, again_pools = _collection_again(collection, pools, changed, asked)
    try:
        rankings = retriever.rankings(again, again_pools, balance=balance, top_k=TOP_K, show_progress=show_progress)
        pairs = [
            Pair(results[number], RankedPool(again, pool, ranking, seed).judged, rows)
            for (_, number, rows), pool, ranking in zip(asked, again_pools, rankings, strict=True)
        ]
    except IsoglotError as error:
        raise IsoglotError(f"changed queries cannot be asked: {error}; leave out --stress (stress=...)") from error
    return _entries(asked, pairs, pools, collection, seed)


def unchanged_notes(kinds: Sequence[str], entries: Sequence[StressedQueries]) -> tuple[str, ...]:
    """Say which kinds of stress changed no query."""
    unchanged = [kind for kind in kinds if kind not in {entry.kind for entry in entries}]
    return (f"Stress that changes no query of these pools: {', '.join(unchanged)}.",) if unchanged else ()


def _changed_rows(pool: Pool, before: Sequence[Query], after: Sequence[Query]) -> Ints:
    """The pool's queries whose text is changed."""
    return np.flatnonzero([before[at].text != after[at].text for at in pool.queries])


def _collection_again(
    collection: Collection, pools: Sequence[Pool], changed: dict[str, Sequence[Query]], asked: Sequence[_Asked]
) -> tuple[Collection, list[Pool]]:
    """The collection with the queries of all kinds, one kind behind the other, and the pools to ask.

    So all kinds are asked at once, and each document is encoded once.
    """
    starts = {kind: number * len(collection.queries) for number, kind in enumerate(changed)}
    queries = [
        replace(query, query_id=_changed_id(query.query_id, kind)) for kind in changed for query in changed[kind]
    ]
    golds = {_changed_id(query_id, kind): golds for query_id, golds in collection.golds.items() for kind in changed}
    again = [
        replace(
            pools[number],
            queries=starts[kind] + pools[number].queries[rows],
            golds=pools[number].golds[rows],
            ignored=None if (ignored := pools[number].ignored) is None else ignored[rows],
        )
        for kind, number, rows in asked
    ]
    return replace(collection, queries=queries, golds=golds, identical={}), again


def _changed_id(query_id: str, kind: str) -> str:
    return f"{query_id} ({kind})"


def _entries(
    asked: Sequence[_Asked], pairs: Sequence[Pair], pools: Sequence[Pool], collection: Collection, seed: int
) -> tuple[StressedQueries, ...]:
    """What the pairs say, by kind and query language."""
    groups: dict[tuple[str, str], list[int]] = {}
    for place, (kind, number, _) in enumerate(asked):
        groups.setdefault((kind, pools[number].query_language), []).append(place)
    entries = []
    for (kind, language), places in groups.items():
        queries = [pools[asked[place].number].queries for place in places]
        changed = [positions[asked[place].rows] for positions, place in zip(queries, places, strict=True)]
        entries.append(
            StressedQueries(
                kind=kind,
                query_language=collection.named(language),
                queries=len(np.unique(np.concatenate(queries))),
                changed=len(np.unique(np.concatenate(changed))),
                measures=mean_changes([pairs[place] for place in places], seed),
            )
        )
    return tuple(entries)
