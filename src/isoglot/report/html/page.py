"""The page: everything that is known of one or more audits, as one HTML file that asks nothing of a network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import isoglot
from isoglot.collection import Collection
from isoglot.comparison import Comparison, compare
from isoglot.errors import IsoglotError
from isoglot.intervals import Interval
from isoglot.languages import canonical
from isoglot.report.html import charts, spaces
from isoglot.report.html.changes import most_changed
from isoglot.report.html.drawing import AUDIT_COLOURS, AUDIT_GLYPHS, Chart, clean
from isoglot.report.html.scatter import twin_scatter
from isoglot.report.html.verdict import headline, next_steps
from isoglot.report.tables import comparison_notes, kept_table, language_name, pool_name, summary_table, with_interval
from isoglot.results import Audit, without_nan
from isoglot.sources import SOURCES

if TYPE_CHECKING:
    from isoglot.encoders.sentence_transformer import Encoder

MOST_POOLS = 24
"""Pools that get pictures of their own, the most buried first; the tables have all."""

MEASURE_COLUMNS = (
    *("scenario", "pool", "asked in", "documents in", "measure", "audit", "mean", "low", "high"),
    *("difference", "difference low", "difference high", "p (Holm)"),
)


@dataclass(frozen=True)
class Material:
    """What a page is made from.

    Attributes:
        audits: One or more with their ranks; the first is before, the last is after.
        folders: Where each audit was read.
        names: What to call each; None: the models' names, as short as tells them apart.
        collection: What was audited, for the texts; None: the page shows ids and ranks.
        encoders: The audited models in the audits' order, for the pictures of vectors; empty: none are shown.
        command: What was typed, for the record.
    """

    audits: Sequence[Audit]
    folders: Sequence[Path]
    names: Sequence[str] | None = None
    collection: Collection | None = None
    encoders: Sequence[Encoder] = ()
    command: str = ""


def audits_to_html(material: Material, *, show_progress: bool = False) -> str:
    """The page: verdict, pictures, questions that changed most, tables, and how it was made.

    All text from data is escaped and isolated by direction; a content security policy forbids every request.

    Args:
        material: What it is made from.
        show_progress: Of encoding, where the vectors are not in the cache.

    Raises:
        IsoglotError: An audit has no ranks, the audits cannot be compared, or collection or models are others.
    """
    audits = material.audits
    _check(material)
    comparison = compare(*audits, names=material.names) if len(audits) > 1 else None
    names = comparison.names if comparison else tuple(material.names or [audits[0].retriever])
    pools = _mixed_pools(audits)
    falls, rises = most_changed(pools, material.folders, material.collection)
    here = Path(__file__).parent
    script, style = ((here / name).read_text(encoding="utf-8") for name in ("script.js", "style.css"))
    return str(
        _template().render(
            audits=audits,
            names=names,
            marks=[
                (AUDIT_GLYPHS[at % len(AUDIT_GLYPHS)], AUDIT_COLOURS[at % len(AUDIT_COLOURS)])
                for at in range(len(audits))
            ],
            collection=audits[0].collection,
            licence=_licence(audits[0].collection["name"]),
            headline=headline(names, pools, comparison),
            steps=next_steps(audits, pools, comparison),
            overview=_overview(names, audits, pools),
            spaces=_spaces(names, material, show_progress),
            details=[_detail(names, pool) for pool in _most_buried(pools)],
            left_out=max(0, len(pools) - MOST_POOLS),
            falls=falls,
            rises=rises,
            has_texts=material.collection is not None,
            tables=[t for t in (summary_table(comparison), kept_table(comparison)) if t.rows] if comparison else [],
            notes=comparison_notes(comparison) if comparison else [],
            measures={"columns": MEASURE_COLUMNS, "rows": without_nan(list(_measures(names, audits, comparison)))},
            table=list(_measure_table(audits, comparison)),
            command=material.command,
            version=isoglot.__version__,
            script=script,
            style=style,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.filters.update(language=language_name, pool=pool_name, with_interval=with_interval)
    return environment.get_template("page.html.j2")


def _check(material: Material) -> None:
    audits = material.audits
    for audit in audits:
        if any(result.judged is None for result in audit.scenarios):
            raise IsoglotError(f"{audit.retriever}: the audit was saved without its ranks (ranks.npz); make it anew")
    collection = material.collection
    if collection is not None and collection.fingerprint != audits[0].collection["fingerprint"]:
        raise IsoglotError(f"{collection.name}: is not the collection that was audited (its fingerprint differs)")
    if material.names is not None and len(material.names) != len(audits):
        raise IsoglotError(f"{len(material.names)} names for {len(audits)} audits; name each")
    if material.encoders:
        if collection is None:
            raise IsoglotError("similarities need the texts: name the collection with --data")
        if len(material.encoders) != len(audits):
            raise IsoglotError(f"{len(material.encoders)} models for {len(audits)} audits; name each audit's, in order")
        for audit, encoder in zip(audits, material.encoders, strict=True):
            if encoder.fingerprint != audit.model["fingerprint"]:
                raise IsoglotError(f"{encoder.name}: is not the model of the audit of {audit.retriever}")


def _mixed_pools(audits: Sequence[Audit]) -> list[charts.Mixed]:
    """The mixed pools that all audits have."""
    found = [{result.cell: result for result in audit.scenarios if result.scenario == "multi"} for audit in audits]
    return [[other[cell] for other in found] for cell in found[0] if all(cell in other for other in found)]


def _most_buried(pools: Sequence[charts.Mixed]) -> list[charts.Mixed]:
    """The first of the pools, ordered by the worst median rank of a version in the first audit."""

    def depth(pool: charts.Mixed) -> float:
        return max(found.median_rank or 0 for found in pool[0].by_language.values())

    return sorted(pools, key=depth, reverse=True)[:MOST_POOLS]


def _overview(names: Sequence[str], audits: Sequence[Audit], pools: Sequence[charts.Mixed]) -> list[Chart]:
    if not pools:
        return []
    drawn = [
        charts.heat_maps(names, pools, _axis(audits[0], pools)),
        charts.complete_curves(names, pools),
        charts.worst_ranks(names, pools),
        charts.top_shares(names, pools),
        charts.worst_shares(names, pools),
    ]
    return [chart for chart in drawn if chart is not None]


def _axis(audit: Audit, pools: Sequence[charts.Mixed]) -> list[str]:
    """The languages as the pools spell them, in the collection's order, then what it does not name."""
    used = [tag for pool in pools for tag in (*pool[0].pool_languages, pool[0].query_language)]
    return sorted(dict.fromkeys(used), key=[*audit.collection["languages"], *used].index)


def _detail(names: Sequence[str], pool: charts.Mixed) -> dict[str, Any]:
    drawn = [charts.complete_curves(names, [pool]), charts.worst_ranks(names, [pool]), twin_scatter(names, pool)]
    return {"first": pool[0], "results": pool, "charts": [chart for chart in drawn if chart is not None]}


def _spaces(names: Sequence[str], material: Material, show_progress: bool) -> list[Chart]:
    if not material.encoders or material.collection is None:
        return []
    audits = material.audits
    used = {canonical(tag) for result in audits[0].scenarios for tag in result.pool_languages}
    documents = spaces.sample(material.collection, sorted(used), audits[0].seed)
    texts, languages = [found.text for found in documents], [found.language for found in documents]
    vectors = [
        encoder.encode(texts, "document", languages, show_progress=show_progress) for encoder in material.encoders
    ]
    return [spaces.similarities(names, vectors, documents), spaces.maps(names, vectors, documents)]


def _measures(
    names: Sequence[str], audits: Sequence[Audit], comparison: Comparison | None
) -> Iterator[tuple[Any, ...]]:
    """A row of `MEASURE_COLUMNS` for every measure of every audit; differences are from the first audit."""
    cells = {cell.cell: cell for cell in comparison.cells} if comparison else {}
    for at, (name, audit) in enumerate(zip(names, audits, strict=True)):
        for result in audit.scenarios:
            start = (result.scenario, pool_name(result.pool_languages), result.query_language)
            cell = cells.get(result.cell) if at else None
            for measure, found in result.measures.items():
                difference = cell.differences[measure][at] if cell and measure in cell.differences else None
                outcome = cell.outcomes[measure][at] if cell and measure in cell.outcomes else None
                tested = outcome.p_holm if outcome else None
                yield (*start, "", measure, name, *_parts(found), *_parts(difference), tested)
            for tag, language in result.by_language.items() if len(result.by_language) > 1 else ():
                yield (*start, tag, "median_rank", name, language.median_rank, *[None] * 6)
                for measure in ("mean_rank", "worst_share", "top_share", "above_share"):
                    yield (*start, tag, measure, name, *_parts(getattr(language, measure)), *[None] * 4)


def _parts(found: Interval | None) -> tuple[float | None, ...]:
    return (
        (None, None, None) if found is None else tuple(round(part, 4) for part in (found.mean, found.low, found.high))
    )


def _measure_table(audits: Sequence[Audit], comparison: Comparison | None) -> Iterator[dict[str, Any]]:
    """What the page's table shows: a row for each measure of each cell that all audits have."""
    cells = {cell.cell: cell for cell in comparison.cells} if comparison else {}
    for result in audits[0].scenarios:
        cell = cells.get(result.cell)
        if comparison and cell is None:
            continue
        for measure, found in result.measures.items():
            if cell is None:
                yield {"result": result, "measure": measure, "values": [found], "differences": [], "stars": []}
            elif measure in cell.measures:
                yield {
                    "result": result,
                    "measure": measure,
                    "values": cell.measures[measure],
                    "differences": cell.differences[measure],
                    "stars": [outcome.significant for outcome in cell.outcomes.get(measure, ())],
                }


def _licence(name: str) -> str:
    source = SOURCES.get(name.partition("@")[0])
    return source.licence if source else "not known to isoglot"
