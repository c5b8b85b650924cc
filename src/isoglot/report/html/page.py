"""The page: all that is known of one or more audits, as one HTML file that makes no network request."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoglot.corpora.collection import Collection, Document
from isoglot.corpora.sources import SOURCES
from isoglot.encoders.cards import card_facts
from isoglot.evaluation.comparison.comparison import Comparison, compare
from isoglot.evaluation.goals import find_goal, shared_goal
from isoglot.evaluation.results import Audit, ScenarioResult, without_nan
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import canonical
from isoglot.platform.version import __version__
from isoglot.report.changes import comparison_change_tables
from isoglot.report.further import further_tables
from isoglot.report.html import charts, shares, spaces
from isoglot.report.html.changes import most_changed
from isoglot.report.html.drawing import Chart, audit_mark, in_order, short_pool
from isoglot.report.html.scatter import twin_scatter
from isoglot.report.html.templates import environment, style
from isoglot.report.html.values import CELL_COLUMNS, MEASURE_COLUMNS, measures_of, table_rows
from isoglot.report.html.verdict import headline, next_steps
from isoglot.report.similarities import comparison_similarity_tables
from isoglot.report.tables import (
    Table,
    audit_notes,
    balance_note,
    comparison_notes,
    described,
    kept_table,
    language_name,
    median_rank,
    pool_name,
    summary_table,
    with_interval,
)

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder

_NO_MODEL_LICENCE = "not known to isoglot; see the model's card"
MOST_POOLS = 24
"""Largest number of pools with charts of their own, those with the worst median rank first; tables hold all pools."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """Everything that a page is made from.

    Attributes:
        audits: One or more audits with their ranks; the first is before, the last is after.
        folders: Folder of each audit.
        names: Name of each audit; None: the models' names, as short as still distinguishes them.
        collection: Audited collection, for the texts; None: the page shows ids and ranks.
        encoders: Functions that load the audited models, in the audits' order, for the charts of vectors; one model
            at a time is held. Empty: these charts are left out.
        map_kind: Layout of documents in a plane: ``pca`` or ``umap``.
        command: Command line that asked for the page, for the record.
    """

    audits: Sequence[Audit]
    folders: Sequence[Path]
    names: Sequence[str] | None = None
    collection: Collection | None = None
    encoders: Sequence[Callable[[], Encoder]] = ()
    map_kind: str = "pca"
    command: str = ""


def audits_to_html(material: Material, *, show_progress: bool = False) -> str:
    """Return the page: verdict, charts, questions that changed most, tables, and how it was made.

    All text from data is escaped and isolated by direction; a content security policy forbids every request.

    Args:
        material: Everything that the page is made from.
        show_progress: Whether to show progress on standard error while documents that are not in the cache are encoded.

    Raises:
        IsoglotError: An audit has no ranks, the audits cannot be compared, or the collection or a model is not the
            audited one.
    """
    audits = material.audits
    _check(material)
    vectors = _vectors(material, show_progress)
    comparison = compare(*audits, names=material.names) if len(audits) > 1 else None
    names = comparison.names if comparison else tuple(material.names or [audits[0].retriever])
    pools = mixed_pools(audits)
    goal = shared_goal(audit.goal for audit in audits)
    falls, rises = most_changed(pools, material.folders, material.collection)
    script = (Path(__file__).parent / "script.js").read_text(encoding="utf-8")
    return str(
        _template().render(
            audits=audits,
            names=names,
            marks=[audit_mark(index) for index in range(len(audits))],
            collection=audits[0].collection,
            licence=_licence(audits[0].collection.name),
            model_licences=[card_facts(audit.model.name).licence or _NO_MODEL_LICENCE for audit in audits],
            headline=headline(names, pools, comparison, goal) + ([] if comparison else audit_notes(audits[0])),
            steps=next_steps(audits, pools, comparison, goal),
            overview=overview(names, audits, pools),
            spaces=_spaces(names, material, vectors) if vectors else [],
            details=[_detail(names, pool) for pool in _most_buried(pools)],
            left_out=max(0, len(pools) - MOST_POOLS),
            falls=falls,
            rises=rises,
            has_texts=material.collection is not None,
            tables=_tables(comparison) if comparison else [],
            notes=comparison_notes(comparison) if comparison else [],
            measures={
                "columns": [*CELL_COLUMNS, *MEASURE_COLUMNS],
                "audits": names,
                "cells": without_nan(list(measures_of(audits, comparison))),
            },
            table=list(table_rows(audits, comparison)),
            command=material.command,
            version=__version__,
            script=script,
            style=style(),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _template() -> Any:
    templates = environment(Path(__file__).parent)
    templates.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    templates.filters.update(
        language=language_name,
        pool=pool_name,
        short_pool=short_pool,
        with_interval=with_interval,
        tag=canonical,
        described=described,
        balance_note=balance_note,
        goal=find_goal,
        further_tables=further_tables,
    )
    return templates.get_template("page.html.j2")


def check_ranks(audits: Sequence[Audit]) -> None:
    """Refuse audits whose charts cannot be drawn.

    Raises:
        IsoglotError: An audit was saved without its ranks.
    """
    for audit in audits:
        if any(result.judged is None for result in audit.scenarios):
            raise IsoglotError(f"{audit.retriever}: the audit was saved without its ranks (ranks.npz); make it anew")


def _check(material: Material) -> None:
    audits = material.audits
    check_ranks(audits)
    collection = material.collection
    if collection is not None and collection.fingerprint != audits[0].collection.fingerprint:
        raise IsoglotError(f"{collection.name}: is not the collection that was audited (its fingerprint differs)")
    if material.names is not None and len(material.names) != len(audits):
        raise IsoglotError(f"{len(material.names)} names for {len(audits)} audits; name each")
    if material.encoders:
        if collection is None:
            raise IsoglotError("similarities need the texts: name the collection with --data")
        if len(material.encoders) != len(audits):
            raise IsoglotError(f"{len(material.encoders)} models for {len(audits)} audits; name each audit's, in order")


def _tables(comparison: Comparison) -> list[Table]:
    """Return the tables of a comparison, with means first, because readers look for them."""
    titled = {
        "Mixed pools, and each query language alone": summary_table(comparison),
        f"What must be kept (margin in points: {comparison.margin:g})": kept_table(comparison),
    }
    tables = [
        replace(table, title=title, rows=tuple(sorted(table.rows, key=lambda row: not row[0].startswith("mean"))))
        for title, table in titled.items()
        if table.rows
    ]
    return [*tables, *comparison_change_tables(comparison), *comparison_similarity_tables(comparison)]


def mixed_pools(audits: Sequence[Audit]) -> list[charts.Mixed]:
    """Return the mixed pools that all audits have."""
    cells = [{result.cell: result for result in audit.scenarios if result.scenario == "multi"} for audit in audits]
    return [[results[cell] for results in cells] for cell in cells[0] if all(cell in results for results in cells)]


def _most_buried(pools: Sequence[charts.Mixed]) -> list[charts.Mixed]:
    """Return the first `MOST_POOLS` pools by the worst median rank of a version in the first audit."""

    def depth(pool: charts.Mixed) -> float:
        return max(pool[0].median_rank(tag) or 0 for tag in pool[0].by_language)

    return sorted(pools, key=depth, reverse=True)[:MOST_POOLS]


def overview(names: Sequence[str], audits: Sequence[Audit], pools: Sequence[charts.Mixed]) -> list[Chart]:
    """Draw the charts over all mixed pools; without pools there are none."""
    if not pools:
        return []
    axis = _axis(audits[0], pools)
    drawn = [
        *(charts.heat_maps(names, same_size, axis) for same_size in charts.by_size(pools).values()),
        charts.complete_curves(names, pools),
        charts.worst_ranks(names, pools),
        shares.top_shares(names, pools),
        shares.worst_shares(names, pools),
    ]
    return [chart for chart in drawn if chart is not None]


def _axis(audit: Audit, pools: Sequence[charts.Mixed]) -> list[str]:
    """Return the languages as the pools spell them, in the collection's order, then those that it does not name."""
    used = [tag for pool in pools for tag in (*pool[0].pool_languages, pool[0].query_language)]
    return sorted(dict.fromkeys(used), key=[*audit.collection.languages, *used].index)


@dataclass(frozen=True)
class PoolDetail:
    """One mixed pool on the page.

    Attributes:
        first: Its result in the first audit.
        worst: Language whose version has the worst median rank in the first audit.
        ranks: Median ranks of that version in all audits.
        charts: Charts of the pool.
    """

    first: ScenarioResult
    worst: str
    ranks: str
    charts: list[Chart]


def _detail(names: Sequence[str], pool: charts.Mixed) -> PoolDetail:
    drawn = [charts.complete_curves(names, [pool]), charts.worst_ranks(names, [pool]), twin_scatter(names, pool)]
    worst = max(pool[0].by_language, key=lambda tag: pool[0].median_rank(tag) or 0)
    ranks = in_order(median_rank(result, worst) for result in pool)
    return PoolDetail(pool[0], worst, ranks, [chart for chart in drawn if chart is not None])


def _sample(material: Material) -> list[Document]:
    if material.collection is None:
        return []
    first = material.audits[0]
    used = {canonical(tag) for result in first.scenarios for tag in result.pool_languages}
    return spaces.sample(material.collection, sorted(used), first.seed)


def _vectors(material: Material, show_progress: bool) -> list[Vectors]:
    """Return the (n, d) vectors of the sampled documents for each audit's model."""
    documents = _sample(material)
    return [
        _encoded(documents, audit, load(), show_progress)
        for audit, load in zip(material.audits, material.encoders, strict=False)  # there may be none
    ]


def _encoded(documents: Sequence[Document], audit: Audit, encoder: Encoder, show_progress: bool) -> Vectors:
    if encoder.fingerprint != audit.model.fingerprint:
        raise IsoglotError(f"{encoder.name}: is not the model of the audit of {audit.retriever}")
    texts, languages = [document.text for document in documents], [document.language for document in documents]
    return encoder.encode(texts, "document", languages, show_progress=show_progress, allow_zero=True)


def _spaces(names: Sequence[str], material: Material, vectors: Sequence[Vectors]) -> list[Chart]:
    documents = _sample(material)
    drawn = spaces.maps(names, vectors, documents, material.map_kind, material.audits[0].seed)
    return [spaces.similarities(names, vectors, documents), drawn]


def _licence(name: str) -> str:
    source = SOURCES.get(name.partition("@")[0])
    return source.licence if source else "not known to isoglot"
