"""Judgements of relevance (qrels), in all shapes that they are written in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from isoglot.corpora.readers.lines import kind_of, read_lines
from isoglot.corpora.readers.records import read_records
from isoglot.platform.errors import InputError
from isoglot.platform.text import cleaned

FIELDS = ("query-id", "corpus-id", "score")
"""The fields of a judgement in JSON Lines, CSV and Parquet, as BEIR and mteb name them."""
_HEADERS = ("query-id", "query_id", "queryid", "query", "qid", "topic", "topic-id", "topic_id", "topicid")


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
    document, relevance) or TREC's (query, 0, document, relevance), with or without a header; the cells are separated by
    tabs, or by any white space in a line without tabs.

    Raises:
        InputError: The file is missing, or a line is malformed or has a relevance that is no finite number.
    """
    if kind_of(path) in (".jsonl", ".csv", ".parquet"):
        for line, fields in read_records(path):
            missing = next((name for name in FIELDS if name not in fields), None)
            if missing is not None:
                raise InputError(f"field {missing!r} is missing; a judgement has {', '.join(FIELDS)}", path, line)
            query, document, relevance = (fields[name] for name in FIELDS)
            yield _judgement(query, document, relevance, path, line)
        return
    first = True
    for line, text in read_lines(path):
        cells = [cell.strip() for cell in text.rstrip().split("\t")] if "\t" in text.strip() else text.split()
        is_header = first and cells[0].casefold() in _HEADERS and not _is_number(cells[-1])
        first = False
        if is_header:
            continue
        if len(cells) not in (3, 4):
            raise InputError(
                f"has {len(cells)} fields, neither BEIR's (query-id, corpus-id, score) nor TREC's (query, 0, document, "
                "relevance)",
                path,
                line,
            )
        yield _judgement(cells[0], cells[-2], cells[-1], path, line)


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
