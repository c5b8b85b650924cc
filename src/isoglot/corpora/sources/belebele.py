"""Belebele: FLORES-200 passages with questions, translated by people into 122 languages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.fields import language_field, text_field
from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.corpora.sources.hub_datasets import configurations, read_dataset
from isoglot.platform.errors import InputError, IsoglotError

HUB_NAME = "facebook/belebele"


def load(path: Path | None, split: str | None) -> Collection:
    """Load every language of the folder `path` (xxx_Xxxx.jsonl), or of the hub's facebook/belebele.

    A content id is the link of a passage; a query id is the link and the number of the question.

    Raises:
        IsoglotError: A split was named, there is no file, or a file is malformed.
    """
    if split is not None:
        raise IsoglotError(f"belebele has no split {split!r}")
    documents: list[Document] = []
    queries: list[Query] = []
    golds: dict[str, tuple[str, ...]] = {}
    names = {}
    for name, where, lines in _languages(path):
        language = language_field(name, where, None)
        names[language] = name
        passages: dict[str, str] = {}
        for line, fields in lines:
            link, passage = text_field(fields, "link", where, line), text_field(fields, "flores_passage", where, line)
            if passages.setdefault(link, passage) != passage:
                raise InputError(f"another passage than before for the link {link}", where, line)
            number = fields.get("question_number")
            if isinstance(number, bool) or not isinstance(number, int | str):
                raise InputError("field 'question_number' is missing or no number", where, line)
            query_id = f"{link}#{number}"
            golds[query_id] = (link,)
            queries.append(Query(query_id, language, text_field(fields, "question", where, line)))
        documents += [Document(link, language, passage) for link, passage in passages.items()]
    return Collection("belebele", documents, queries, golds, names)


def _languages(path: Path | None) -> Iterable[tuple[str, Path, Iterable[tuple[int, dict[str, Any]]]]]:
    """Yield for each language its name, its file, and the numbered fields of its lines."""
    if path is None:
        for name in configurations(HUB_NAME, "belebele:DIR"):
            lines = read_dataset(HUB_NAME, name, "test", "belebele:DIR")
            yield name, Path(HUB_NAME) / name, enumerate(lines, start=1)
        return
    files = sorted(file for file in path.iterdir() if re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}\.jsonl(\.gz)?", file.name))
    if not files:
        raise InputError("has no file named xxx_Xxxx.jsonl, e.g. eng_Latn.jsonl", path)
    for file in files:
        yield file.name.split(".")[0], file, read_jsonl(file)
