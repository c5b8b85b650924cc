"""Parallel sentences in a table with a column for each language: a test of bitext mining.

A row is one content. Each of its sentences is a document and a query, which asks for the translations beside it and
does not find itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.fields import language_field
from isoglot.corpora.left_out import REPEATED_SENTENCES, UNPAIRED_ROWS, LeftOut
from isoglot.corpora.readers.records import read_records
from isoglot.corpora.sources import NO_LANGUAGES
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.languages import known
from isoglot.platform.text import cleaned

NOTE = (
    "parallel sentences, a bitext test: a sentence asks for its translations and does not find itself, so mono-same "
    "has no question"
)


def load(path: Path | None, split: str | None, left_out: LeftOut, *, find_identical: bool = False) -> Collection:
    """Load a table (.csv, .tsv, .jsonl, .parquet, gzipped or not) whose first line names the columns.

    Args:
        path: The file.
        split: The languages, ``en,es``: the columns of these heads, or, where the heads are no language tags, the two
            columns of the table in order. None: all columns whose heads are language tags.
        left_out: Counts rows with a sentence in fewer than two languages, or with one that an earlier row has.
        find_identical: Whether a sentence finds itself.

    Raises:
        IsoglotError: No file was named, it is malformed, or it does not say which column is in which language.
    """
    if path is None:
        raise IsoglotError("name the file: parallel:FILE.csv")
    rows = list(read_records(path))
    # Empty cells are not there, so the fullest row has the columns in their order.
    fullest = sorted((fields for _, fields in rows), key=len, reverse=True)
    heads = list(dict.fromkeys(name for fields in fullest for name in fields))
    columns = _columns(heads, [fields for _, fields in rows], split, path)
    documents, queries = [], []
    golds: dict[str, tuple[str, ...]] = {}
    seen: set[tuple[str, str]] = set()
    for line, fields in rows:
        sentences = {
            tag: text for tag, head in columns.items() if (text := _sentence(fields, head, path, line).strip())
        }
        if len(sentences) < 2 or not seen.isdisjoint(sentences.items()):
            left_out.add(UNPAIRED_ROWS if len(sentences) < 2 else REPEATED_SENTENCES, path, line)
            continue
        seen.update(sentences.items())
        identity = str(line)
        golds[identity] = (identity,)
        documents += [Document(identity, tag, text) for tag, text in sentences.items()]
        queries += [Query(identity, tag, text) for tag, text in sentences.items()]
    if not documents:
        raise InputError("; ".join(("has no sentence with a translation", *left_out.notes)), path)
    spelled = split.split(",") if split else columns.values()
    names = dict(zip(columns, spelled, strict=True))
    read_as = ", ".join(f"{head!r} as {names[tag]}" for tag, head in columns.items() if known(head) != tag)
    return Collection(
        path.name,
        documents,
        queries,
        golds,
        names,
        (NOTE, f"columns read by their order: {read_as}") if read_as else (NOTE,),
        {} if find_identical else {(q.query_id, q.language): (q.query_id, q.language) for q in queries},
    )


def _columns(heads: Sequence[str], rows: Sequence[Mapping[str, Any]], split: str | None, path: Path) -> dict[str, str]:
    """Return canonical language -> the head of its column."""
    by_tag: dict[str, str] = {}
    for head in heads:
        tag = known(head)
        if (
            tag is None
            or head.casefold() in NO_LANGUAGES
            or (head.casefold() == "id" and not _are_sentences(rows, head))
        ):
            continue
        if tag in by_tag:
            raise InputError(f"the columns {by_tag[tag]!r} and {head!r} are one language", path, 1)
        by_tag[tag] = head
    columns = ", ".join(map(repr, heads)) or "none"
    if split is None:
        if len(by_tag) < 2:
            raise InputError(
                f"the columns are {columns}, not two languages; name them by their tags, or add --src en --tgt es",
                path,
                1,
            )
        return by_tag
    tags = [language_field(tag, path, None) for tag in split.split(",")]
    if len(set(tags)) < max(2, len(tags)):
        raise InputError(f"{split!r} is not two languages; write parallel:FILE@en,es, or --src en --tgt es", path)
    if by_tag.keys() >= set(tags):
        return {tag: by_tag[tag] for tag in tags}
    if len(heads) != len(tags) or len(by_tag) > 1:
        raise InputError(f"the columns are {columns}, so {split!r} must be the heads of some of them", path, 1)
    return dict(zip(tags, heads, strict=True))


def _are_sentences(rows: Sequence[Mapping[str, Any]], head: str) -> bool:
    """Return whether most cells of a column have words between spaces: one named ``id`` is ids, or Indonesian."""
    cells = [str(fields.get(head, "")) for fields in rows]
    return 2 * sum(len(cell.split()) > 1 for cell in cells) > len(cells)


def _sentence(fields: Mapping[str, Any], head: str, path: Path, line: int) -> str:
    value = fields.get(head, "")
    if not isinstance(value, str):
        raise InputError(f"field {head!r} is {type(value).__name__}, not text", path, line)
    return cleaned(value)
