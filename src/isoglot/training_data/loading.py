"""Training rows out of whatever a user names: a file of rows, a source, a collection."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from isoglot.corpora.collection import Collection
from isoglot.corpora.sources import load_collection
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import canonical
from isoglot.training_data.row import Row, is_row_file, read_rows


def training_rows(
    data: str | Path | Collection | Sequence[Row],
    languages: Sequence[str] | None = None,
    *,
    per_row: int | None = None,
    seed: int = 0,
) -> list[Row]:
    """Training rows, with the languages that are wanted.

    Args:
        data: A file of rows (``rows.jsonl``, ``rows.parquet``), a source (``mini@train``), a collection, or rows. A
            collection gives one row for each question and each of its gold contents.
        languages: Tags to keep; None: all.
        per_row: At most so many languages in a row besides English, evenly over languages; None: all (see `spread`).
        seed: Of the choice that `per_row` asks for.

    Returns:
        The rows that have a query and a document left, in the order of the file, or by content id and question.

    Raises:
        IsoglotError: `data` cannot be read, or has no text in one of `languages`.
    """
    if isinstance(data, Path) or (isinstance(data, str) and is_row_file(data)):
        rows = read_rows(data)
    elif isinstance(data, str | Collection):
        rows = _of_collection(load_collection(data) if isinstance(data, str) else data)
    else:
        rows = list(data)
    name = data_name(data)
    if not rows:
        raise IsoglotError(f"{name}: has no rows")
    if languages is not None:
        has = {language for row in rows for language in (*row.query, *row.document)}
        kept = [canonical(tag) for tag in languages]
        for tag, language in zip(languages, kept, strict=True):
            if language not in has:
                raise IsoglotError(f"{name} has no text in {tag!r}; it has {', '.join(sorted(has))}")
        rows = [row.keep(kept) for row in rows]
    if per_row is not None:
        rows = spread(rows, per_row, seed)
    rows = [row for row in rows if row.query and row.document]
    if not rows:
        raise IsoglotError(
            f"{name}: has no question with a gold document in {', '.join(languages or ['any language'])}"
        )
    return rows


def data_name(data: str | Path | Collection | Sequence[Row]) -> str:
    """What messages and records call `data`."""
    if isinstance(data, Collection):
        return data.name
    return str(data) if isinstance(data, str | Path) else "rows"


def _of_collection(collection: Collection) -> list[Row]:
    queries: dict[str, dict[str, str]] = defaultdict(dict)
    documents: dict[str, dict[str, str]] = defaultdict(dict)
    for query in collection.queries:
        queries[query.query_id][query.language] = query.text
    for document in collection.documents:
        documents[document.content_id][document.language] = document.text
    pairs = sorted((content, query) for query in queries for content in collection.golds[query])
    return [Row(content, queries[query], documents[content], collection.name) for content, query in pairs]


def spread(rows: Sequence[Row], per_row: int, seed: int = 0) -> list[Row]:
    """The rows with English and at most `per_row` of their other languages, so that no language dominates.

    Rows with few languages choose first; each takes those of its languages that were taken least so far.

    Args:
        rows: In any order; the result does not depend on it.
        per_row: At least 1.
        seed: Decides between languages taken equally often.

    Raises:
        IsoglotError: `per_row` is below 1.
    """
    if per_row < 1:
        raise IsoglotError(f"{per_row} languages in a row; it must be at least 1")
    taken: Counter[str] = Counter()
    chosen = {}
    for at in sorted(range(len(rows)), key=lambda at: (len(rows[at].languages), mixed(rows[at].hash, seed))):
        row = rows[at]
        others = [language for language in row.languages if language != "en"]
        others.sort(key=lambda language: (taken[language], mixed(row.hash + language, seed)))
        taken.update(others[:per_row])
        chosen[at] = row.keep(["en", *others[:per_row]])
    return [chosen[at] for at in range(len(rows))]


def mixed(text: str, seed: int) -> bytes:
    """A hash of `text` and `seed`, for an order that looks random and depends on nothing else."""
    return hashlib.sha256(f"{seed} {text}".encode()).digest()
