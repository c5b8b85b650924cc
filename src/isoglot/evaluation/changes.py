"""Records of an audit asked otherwise: with changed queries, or by vectors that are stored otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from isoglot.evaluation.statistics.intervals import Interval
from isoglot.platform.errors import IsoglotError

MEASURES = {"multi": ("complete@10", "max_r", "tie_rate"), "mono-same": ("ndcg@10",)}
"""Scenario -> the measures whose change is recorded."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A measure's means over cells before and after a change.

    Attributes:
        before: The mean before, of the queries that are asked after.
        after: The mean after.
        difference: After less before, with its paired interval.
    """

    before: Interval
    after: Interval
    difference: Interval


class StressedQueries(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the queries in one language when a kind of stress changed them.

    Attributes:
        kind: One of `isoglot.corpora.stress.KINDS`.
        query_language: The queries' language, as the user or the source spells it.
        queries: Number of queries asked in it.
        changed: Number of those that the kind changes; only these count.
        measures: ``multi complete@10`` and the others of `MEASURES` -> its change, mean over the pools.
    """

    kind: str
    query_language: str
    queries: int
    changed: int
    measures: dict[str, Change]


class StoredVectors(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the measures when vectors were stored otherwise.

    Attributes:
        dtype: One of `isoglot.evaluation.stored.DTYPES`.
        dimension: Number of components kept, the first ones.
        bytes: Size of one vector.
        measures: As for `StressedQueries`, mean over pools and query languages; before is float32 with all components.
    """

    dtype: str
    dimension: int
    bytes: int
    measures: dict[str, Change]


def check_scenarios(scenarios: Sequence[str]) -> None:
    """Refuse scenarios of which no change is recorded.

    Raises:
        IsoglotError: None of them is in `MEASURES`.
    """
    if not MEASURES.keys() & set(scenarios):
        raise IsoglotError(f"--stress, --stored and --dimensions need one of the scenarios {', '.join(MEASURES)}")
