"""What a set of training rows holds: counts, lengths, languages and licences, as data and as a plot."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from isoglot.platform.errors import IsoglotError
from isoglot.platform.extras import needs
from isoglot.platform.files import write_bytes
from isoglot.platform.text import visible
from isoglot.training_data.question_form import is_question
from isoglot.training_data.row import Row

PLOTS = (".html", ".svg", ".png")
"""Endings of the files that a plot can be written to."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Training rows</title>
{svg}
</html>
"""
"""A page without scripts, since rows come from strangers' files: Vega's own page would hold their text in a script."""


@dataclass(frozen=True, kw_only=True)
class LanguageStatistics:
    """What rows hold in one language; lengths are medians in characters, 0 where there are no texts.

    Attributes:
        queries: Number of rows that have a query.
        documents: Number of rows that have a document.
        query_length: Median length of the queries.
        document_length: Median length of the documents.
    """

    queries: int
    documents: int
    query_length: float
    document_length: float


@dataclass(frozen=True, kw_only=True)
class QuestionCount:
    """How many of a source's queries are questions, by their form (`is_question`).

    Attributes:
        queries: Number of queries, in all languages.
        questions: Number of them that are questions.
    """

    queries: int
    questions: int

    @property
    def share(self) -> float:
        """The questions' share of the queries, from 0 to 1."""
        return self.questions / self.queries


@dataclass(frozen=True, kw_only=True)
class RowStatistics:
    """What a set of rows holds.

    Attributes:
        rows: Number of rows.
        contents: Number of distinct content ids.
        languages: Language -> its statistics, most documents first.
        sources: Source -> number of rows.
        licences: Licence -> number of rows.
        provenance: Provenance of a text -> number of cells.
        languages_in_a_row: Number of languages -> how many rows have so many.
        document_lengths: Source -> language -> lengths of the documents in characters.
    """

    rows: int
    contents: int
    languages: dict[str, LanguageStatistics]
    sources: dict[str, int]
    licences: dict[str, int]
    provenance: dict[str, int]
    languages_in_a_row: dict[int, int]
    document_lengths: dict[str, dict[str, list[int]]]


def statistics_of(rows: Sequence[Row]) -> RowStatistics:
    """Count and measure `rows`."""
    tags = {language for row in rows for language in row.languages}
    languages = {}
    lengths: dict[str, dict[str, list[int]]] = {}
    for tag in tags:
        queries = [len(row.query[tag]) for row in rows if tag in row.query]
        documents = [len(row.document[tag]) for row in rows if tag in row.document]
        languages[tag] = LanguageStatistics(
            queries=len(queries),
            documents=len(documents),
            query_length=_median(queries),
            document_length=_median(documents),
        )
    for row in rows:
        for tag, text in row.document.items():
            lengths.setdefault(row.source, {}).setdefault(tag, []).append(len(text))
    return RowStatistics(
        rows=len(rows),
        contents=len({row.content_id for row in rows}),
        languages=dict(sorted(languages.items(), key=lambda item: (-item[1].documents, item[0]))),
        sources=_by_frequency(row.source or "not stated" for row in rows),
        licences=_by_frequency(row.licence or "not stated" for row in rows),
        provenance=_by_frequency(row.provenance.get(tag, "not stated") for row in rows for tag in row.languages),
        languages_in_a_row=dict(sorted(Counter(len(row.languages) for row in rows).items())),
        document_lengths=lengths,
    )


def count_questions(rows: Iterable[Row]) -> dict[str, QuestionCount]:
    """Return source -> how many of its queries are questions, in order of the sources."""
    asks: dict[str, list[bool]] = {}
    for row in rows:
        asks.setdefault(row.source or "not stated", []).extend(
            is_question(text, tag) for tag, text in row.query.items()
        )
    return {source: QuestionCount(queries=len(asked), questions=sum(asked)) for source, asked in sorted(asks.items())}


def save_plot(row_statistics: RowStatistics, path: str | Path) -> None:
    """Draw documents by language and source, and the distribution of their lengths by language.

    Args:
        row_statistics: Statistics to draw.
        path: File to write: ``.html`` (a page without scripts), ``.svg`` or ``.png``.

    Raises:
        IsoglotError: The name has another ending, or the file cannot be written.
    """
    target = Path(path)
    if target.suffix not in PLOTS:
        raise IsoglotError(f"{path}: a plot is written to {', '.join(PLOTS)}; choose such a name")
    with needs("drawing", "report"):
        import vl_convert

    chart = _chart(row_statistics)
    if target.suffix == ".png":
        data = vl_convert.vegalite_to_png(chart, scale=2)
    elif target.suffix == ".svg":
        data = vl_convert.vegalite_to_svg(chart).encode()
    else:
        data = _PAGE.format(svg=vl_convert.vegalite_to_svg(chart)).encode()
    write_bytes(target, data)


def _chart(row_statistics: RowStatistics) -> dict[str, object]:
    """Specify the plot in Vega-Lite."""
    documents = [
        {"language": tag, "source": visible(source) or "not stated", "documents": len(lengths)}
        for source, by_language in sorted(row_statistics.document_lengths.items())
        for tag, lengths in by_language.items()
    ]
    quartiles = []
    for tag in row_statistics.languages:
        by_source = row_statistics.document_lengths.values()
        lengths = [length for by_language in by_source for length in by_language.get(tag, [])]
        if len(lengths) > 1:
            low, middle, high = statistics.quantiles(lengths, n=4)
            quartiles.append({"language": tag, "low": low, "middle": middle, "high": high})
    language = {"field": "language", "sort": list(row_statistics.languages), "title": None}
    characters = {"title": "characters", "scale": {"type": "log"}}
    counts = {
        "title": f"{row_statistics.rows:,} rows: documents by language",
        "width": 360,
        "data": {"values": documents},
        "mark": {"type": "bar"},
        "encoding": {
            "x": {"field": "documents", "type": "quantitative"},
            "y": language,
            "color": {"field": "source", "legend": {"orient": "bottom", "title": None, "columns": 2}},
        },
    }
    lengths_chart = {
        "title": "their length: median and quartiles",
        "width": 280,
        "data": {"values": quartiles},
        "encoding": {"y": language},
        "layer": [
            {
                "mark": {"type": "bar", "height": 3},
                "encoding": {"x": {"field": "low", "type": "quantitative", **characters}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1},
                "encoding": {"x": {"field": "middle", "type": "quantitative", **characters}},
            },
        ],
    }
    return {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "hconcat": [counts, lengths_chart]}


def _median(values: Sequence[int]) -> float:
    return statistics.median(values) if values else 0


def _by_frequency(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())
