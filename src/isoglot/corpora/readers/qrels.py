"""Judgements of relevance (qrels), in all shapes that they are written in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from isoglot.corpora.readers.lines import kind_of, read_lines, words
from isoglot.corpora.readers.records import read_records
from isoglot.platform.errors import InputError
from isoglot.platform.text import cleaned

FIELDS = {
    "query-id": ("query-id", "query_id", "queryid", "query", "qid", "topic", "topic-id", "topic_id", "topicid"),
    "corpus-id": (
        "corpus-id",
        "corpus_id",
        "doc-id",
        "doc_id",
        "docid",
        "docno",
        "doc",
        "document",
        "document_id",
        "pid",
    ),
    "score": ("score", "relevance", "rel", "label", "grade"),
}
"""The fields of a judgement, as BEIR and mteb name them -> all names that they may have, in any case."""


class Judgement(NamedTuple):
    """One line of qrels.

    Attributes:
        query: The id of the query.
        document: The id of the document.
        relevance: A grade; above 0 is relevant.
        line: The number of the line, counted from 1.
    """

    query: str
    document: str
    relevance: float
    line: int


def read_qrels(path: Path) -> Iterator[Judgement]:
    """Yield the judgements of a file, gzipped or not.

    In ``.jsonl``, ``.csv`` and ``.parquet`` a judgement has the fields `FIELDS`. Any other file is BEIR's (query,
    document, relevance) or TREC's (query, 0, document, relevance), or has the columns that its header names; the cells
    are separated by tabs, or by any white space in a line without tabs.

    Raises:
        InputError: The file is missing, or a line is malformed or has a relevance that is no finite number.
    """
    if kind_of(path) in (".jsonl", ".csv", ".parquet"):
        for line, fields in read_records(path):
            yield judgement_of(fields, path, line)
        return
    header: list[str] = []
    columns = [0, -2, -1]
    for number, (line, text) in enumerate(read_lines(path)):
        cells = [cell.strip() for cell in text.rstrip().split("\t")] if "\t" in text.strip() else words(text)
        if number == 0 and cells[0].casefold() in FIELDS["query-id"] and not _is_number(cells[-1]):
            names = _names(cells)
            if len(names) == len(FIELDS):
                header, columns = cells, [cells.index(names[name]) for name in FIELDS]
            continue
        if header and not max(columns) < len(cells) <= len(header):
            raise InputError(f"has {len(cells)} fields, the header has {len(header)}", path, line)
        if not header and len(cells) not in (3, 4):
            raise InputError(
                f"has {len(cells)} fields, neither BEIR's (query-id, corpus-id, score) nor TREC's (query, 0, document, "
                "relevance)",
                path,
                line,
            )
        query, document, relevance = (cells[column] for column in columns)
        yield _judgement(query, document, relevance, path, line)


def judgement_of(fields: Mapping[str, Any], path: Path, line: int) -> Judgement:
    """Return the judgement that the fields of a record are.

    Raises:
        InputError: A field of `FIELDS` is missing or malformed.
    """
    names = _names(fields)
    missing = next((name for name in FIELDS if name not in names), None)
    if missing is not None:
        raise InputError(f"field {missing!r} is missing; a judgement has {', '.join(FIELDS)}", path, line)
    query, document, relevance = (fields[names[name]] for name in FIELDS)
    return _judgement(query, document, relevance, path, line)


def _names(fields: Iterable[str]) -> dict[str, str]:
    """Return which of these fields is which of `FIELDS`."""
    spelled = {field.casefold(): field for field in fields}
    return {
        name: spelled[next(other for other in names if other in spelled)]
        for name, names in FIELDS.items()
        if any(other in spelled for other in names)
    }


def _judgement(query: Any, document: Any, relevance: Any, path: Path, line: int) -> Judgement:
    if not _is_number(relevance):
        raise InputError(f"the relevance {relevance!r} is no number", path, line)
    for identity in (query, document):
        if isinstance(identity, bool) or not isinstance(identity, str | int) or identity == "":
            raise InputError(f"the id {identity!r} is neither text nor a whole number", path, line)
    return Judgement(cleaned(str(query)), cleaned(str(document)), float(relevance), line)


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False
