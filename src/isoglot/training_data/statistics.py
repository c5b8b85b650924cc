"""What a set of training rows holds: counts, lengths, languages, licences; as data and as a plot."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import write_bytes
from isoglot.training_data.row import Row

PLOTS = (".html", ".svg", ".png")


@dataclass(frozen=True)
class LanguageStatistics:
    """What rows hold in one language; lengths are medians in characters, 0 where there are no texts.

    Attributes:
        queries: How many rows have a query.
        documents: How many rows have a document.
        query_length: Of the queries.
        document_length: Of the documents.
    """

    queries: int
    documents: int
    query_length: float
    document_length: float


@dataclass(frozen=True)
class Statistics:
    """What a set of rows holds.

    Attributes:
        rows: How many.
        contents: How many distinct content ids.
        languages: Language -> its statistics, most documents first.
        sources: Source -> rows.
        licences: Licence -> rows.
        provenance: How texts came about -> how many cells.
        languages_in_a_row: Number of languages -> how many rows have so many.
        document_lengths: Source -> language -> the lengths of documents in characters.
    """

    rows: int
    contents: int
    languages: dict[str, LanguageStatistics]
    sources: dict[str, int]
    licences: dict[str, int]
    provenance: dict[str, int]
    languages_in_a_row: dict[int, int]
    document_lengths: dict[str, dict[str, list[int]]]


def statistics_of(rows: Sequence[Row]) -> Statistics:
    """Count and measure `rows`."""
    tags = {language for row in rows for language in row.languages}
    languages = {}
    lengths: dict[str, dict[str, list[int]]] = {}
    for tag in tags:
        queries = [len(row.query[tag]) for row in rows if tag in row.query]
        documents = [len(row.document[tag]) for row in rows if tag in row.document]
        languages[tag] = LanguageStatistics(len(queries), len(documents), _median(queries), _median(documents))
    for row in rows:
        for tag, text in row.document.items():
            lengths.setdefault(row.source, {}).setdefault(tag, []).append(len(text))
    return Statistics(
        rows=len(rows),
        contents=len({row.content_id for row in rows}),
        languages=dict(sorted(languages.items(), key=lambda item: (-item[1].documents, item[0]))),
        sources=_counted(row.source or "not stated" for row in rows),
        licences=_counted(row.licence or "not stated" for row in rows),
        provenance=_counted(row.provenance.get(tag, "not stated") for row in rows for tag in row.languages),
        languages_in_a_row=dict(sorted(Counter(len(row.languages) for row in rows).items())),
        document_lengths=lengths,
    )


def save_plot(found: Statistics, path: str | Path) -> None:
    """Draw documents by language and source, and the distribution of their lengths by language.

    Args:
        found: What to draw.
        path: ``.html`` (offline), ``.svg`` or ``.png``.

    Raises:
        IsoglotError: The ending is another, or the file cannot be written.
    """
    target = Path(path)
    if target.suffix not in PLOTS:
        raise IsoglotError(f"{path}: a plot is written to {', '.join(PLOTS)}; choose such a name")
    import vl_convert

    chart = _chart(found)
    if target.suffix == ".png":
        data = vl_convert.vegalite_to_png(chart, scale=2)
    elif target.suffix == ".svg":
        data = vl_convert.vegalite_to_svg(chart).encode()
    else:
        data = vl_convert.vegalite_to_html(chart, bundle=True).encode()
    write_bytes(target, data)


def _chart(found: Statistics) -> dict[str, object]:
    """The plot as a Vega-Lite specification."""
    cells = [
        {"language": tag, "source": source or "not stated", "documents": len(lengths)}
        for source, by_language in sorted(found.document_lengths.items())
        for tag, lengths in by_language.items()
    ]
    spread = []
    for tag in found.languages:
        lengths = [length for by_language in found.document_lengths.values() for length in by_language.get(tag, [])]
        if len(lengths) > 1:
            low, middle, high = statistics.quantiles(lengths, n=4)
            spread.append({"language": tag, "low": low, "middle": middle, "high": high})
    language = {"field": "language", "sort": list(found.languages), "title": None}
    characters = {"title": "characters", "scale": {"type": "log"}}
    counts = {
        "title": f"{found.rows:,} rows: documents by language",
        "width": 360,
        "data": {"values": cells},
        "mark": {"type": "bar", "tooltip": True},
        "encoding": {
            "x": {"field": "documents", "type": "quantitative"},
            "y": language,
            "color": {"field": "source", "legend": {"orient": "bottom", "title": None, "columns": 2}},
        },
    }
    lengths_chart = {
        "title": "their length: median and quartiles",
        "width": 280,
        "data": {"values": spread},
        "encoding": {"y": language},
        "layer": [
            {
                "mark": {"type": "bar", "height": 3},
                "encoding": {"x": {"field": "low", "type": "quantitative", **characters}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1, "tooltip": {"content": "data"}},
                "encoding": {"x": {"field": "middle", "type": "quantitative", **characters}},
            },
        ],
    }
    return {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "hconcat": [counts, lengths_chart]}


def _median(values: Sequence[int]) -> float:
    return statistics.median(values) if values else 0


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())
