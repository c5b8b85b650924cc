"""Belebele: FLORES-200 passages with questions, translated by people into 122 languages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.fields import language_field, text_field
from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.corpora.sources import hub_datasets
from isoglot.platform.errors import InputError, IsoglotError

HUB_NAME = "facebook/belebele"


def load(path: Path | None, split: str | None) -> Collection:
    """Every language of the folder `path` (xxx_Xxxx.jsonl), or of the hub's facebook/belebele.

    A content id is a passage's link; a query id is the link and the question's number.

    Raises:
        IsoglotError: A split was asked for, there is no file, or a file is malformed.
    """
    if split is not None:
        raise IsoglotError(f"belebele has no split {split!r}")
    documents: list[Document] = []
    queries: list[Query] = []
    golds: dict[str, tuple[str, ...]] = {}
    names = {}
    for name, where, rows in _languages(path):
        language = language_field(name, where, None)
        names[language] = name
        passages: dict[str, str] = {}
        for number, row in rows:
            link, passage = text_field(row, "link", where, number), text_field(row, "flores_passage", where, number)
            if passages.setdefault(link, passage) != passage:
                raise InputError(f"another passage than before for the link {link}", where, number)
            question = row.get("question_number")
            if isinstance(question, bool) or not isinstance(question, int | str):
                raise InputError("field 'question_number' is missing or no number", where, number)
            query_id = f"{link}#{question}"
            golds[query_id] = (link,)
            queries.append(Query(query_id, language, text_field(row, "question", where, number)))
        documents += [Document(link, language, passage) for link, passage in passages.items()]
    return Collection("belebele", documents, queries, golds, names)


def _languages(path: Path | None) -> Iterable[tuple[str, Path, Iterable[tuple[int, dict[str, Any]]]]]:
    if path is None:
        for name in hub_datasets.configurations(HUB_NAME):
            yield name, Path(HUB_NAME) / name, enumerate(hub_datasets.rows(HUB_NAME, name, "test"), start=1)
        return
    files = sorted(file for file in path.iterdir() if re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}\.jsonl", file.name))
    if not files:
        raise InputError("has no file named xxx_Xxxx.jsonl, e.g. eng_Latn.jsonl", path)
    for file in files:
        yield file.stem, file, read_jsonl(file)
