"""Records of an audit asked otherwise: with changed queries, or by vectors that are stored otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from isoglot.evaluation.statistics.intervals import Interval
from isoglot.platform.errors import IsoglotError

MEASURES = {"multi": ("complete@10", "max_r", "tie_rate"), "mono-same": ("ndcg@10",)}
"""Scenario -> the measures whose change is recorded."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Means of a measure over cells, before and after a change.

    Attributes:
        before: Mean before, over the queries that are asked after.
        after: Mean after.
        difference: After minus before, with its paired interval.
    """

    before: Interval
    after: Interval
    difference: Interval


class StressedQueries(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of a kind of stress on the queries in one language.

    Attributes:
        kind: ``code-switched``, ``romanised``, ``no-diacritics`` or ``typos``.
        query_language: Language of the queries, as the user or the source spells it.
        queries: Number of queries asked in it.
        changed: Number of queries that the kind changes; only these count.
        measures: Measure with its scenario, such as ``multi complete@10`` -> its change, mean over the pools.
    """

    kind: str
    query_language: str
    queries: int
    changed: int
    measures: dict[str, Change]


class StoredVectors(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of a storage format of vectors.

    Attributes:
        dtype: ``float32``, ``float16``, ``int8``, ``int8-codes`` or ``binary``.
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
