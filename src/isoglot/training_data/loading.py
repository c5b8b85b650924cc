"""Training rows out of whatever a user names: a file of rows, a source, a collection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from isoglot.corpora.collection import Collection
from isoglot.corpora.documents import is_source
from isoglot.corpora.sources import load_collection
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import canonical
from isoglot.training_data.choosing import spread
from isoglot.training_data.row import Row, is_row_file, read_rows


def training_rows(
    data: str | Path | Collection | Sequence[Row],
    languages: Sequence[str] | None = None,
    *,
    per_row: int | None = None,
    strict: bool = False,
    seed: int = 0,
) -> list[Row]:
    """Load training rows, in the languages that you want.

    Args:
        data: File of rows (``rows.jsonl``, ``rows.parquet``), source (``mini@train``), `Collection`, or list of `Row`.
            A collection yields one row for each question and each of its relevant contents.
        languages: Tags of the languages to keep; None: all.
        per_row: Largest number of languages of a row besides English, chosen evenly over languages; None: all.
        strict: Whether data that would be left out is an error.
        seed: Random seed for the choice of `per_row`.

    Returns:
        The rows that still have a query and a document, in the order of the file, or by content id and question.

    Raises:
        IsoglotError: `data` cannot be read, or has no text in one of `languages`.
    """
    if isinstance(data, Path) or (isinstance(data, str) and is_row_file(data) and not is_source(data)):
        rows = read_rows(data, strict=strict)
    elif isinstance(data, str | Collection):
        rows = _rows_of_collection(load_collection(data, strict=strict) if isinstance(data, str) else data)
    else:
        rows = list(data)
    name = data_name(data)
    if not rows:
        raise IsoglotError(f"{name}: has no rows")
    if languages is not None:
        rows = _keep_languages(rows, languages, name)
    if per_row is not None:
        rows = spread(rows, per_row, seed)
    rows = [row for row in rows if row.query and row.document]
    if not rows:
        raise IsoglotError(
            f"{name}: has no question with a gold document in {', '.join(languages or ['any language'])}"
        )
    return rows


def data_name(data: str | Path | Collection | Sequence[Row]) -> str:
    """Return what messages and records call `data`."""
    if isinstance(data, Collection):
        return data.name
    return str(data) if isinstance(data, str | Path) else "rows"


def _keep_languages(rows: Sequence[Row], tags: Sequence[str], name: str) -> list[Row]:
    available = {language for row in rows for language in (*row.query, *row.document)}
    languages = [canonical(tag) for tag in tags]
    for tag, language in zip(tags, languages, strict=True):
        if language not in available:
            raise IsoglotError(f"{name} has no text in {tag!r}; it has {', '.join(sorted(available))}")
    return [row.keep(languages) for row in rows]


def _rows_of_collection(collection: Collection) -> list[Row]:
    queries: dict[str, dict[str, str]] = defaultdict(dict)
    documents: dict[str, dict[str, str]] = defaultdict(dict)
    for query in collection.queries:
        queries[query.query_id][query.language] = query.text
    for document in collection.documents:
        documents[document.content_id][document.language] = document.text
    pairs = sorted((content_id, query_id) for query_id in queries for content_id in collection.golds[query_id])
    return [
        Row(content_id, queries[query_id], documents[content_id], source=collection.name)
        for content_id, query_id in pairs
    ]
