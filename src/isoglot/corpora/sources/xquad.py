"""XQuAD: SQuAD v1.1 dev paragraphs and questions, translated by people into 11 languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.fields import language_field, text_field
from isoglot.corpora.readers.jsonl import read_json
from isoglot.corpora.sources import hub_datasets
from isoglot.platform.errors import InputError, IsoglotError

HUB_NAME = "google/xquad"
NOTES = ("English paragraphs are SQuAD v1.1 dev: models trained on SQuAD (e5 is) have seen them",)


class Row(NamedTuple):
    """One question of one language, with the paragraph it is asked of."""

    question_id: str
    question: str
    context: str


def load(path: Path | None, split: str | None) -> Collection:
    """Every language of the folder `path` (xquad.XX.json), or of the hub's google/xquad.

    A content id is the paragraph's running number, which is the same in all languages.

    Raises:
        IsoglotError: A split was asked for, there is no file, or a file is malformed or does not match the others.
    """
    if split is not None:
        raise IsoglotError(f"xquad has no split {split!r}")
    if path is None:
        rows = {
            name.removeprefix("xquad."): [
                Row(row["id"], row["question"], row["context"])
                for row in hub_datasets.rows(HUB_NAME, name, "validation")
            ]
            for name in hub_datasets.configurations(HUB_NAME)
        }
    else:
        files = sorted(file for file in path.iterdir() if re.fullmatch(r"xquad\.[\w-]+\.json", file.name))
        if not files:
            raise InputError("has no file named xquad.XX.json", path)
        rows = {file.name.split(".")[1]: list(_read(file)) for file in files}
    return _collection(rows, path or Path(HUB_NAME))


def _read(file: Path) -> Iterator[Row]:
    try:
        for article in read_json(file)["data"]:
            for paragraph in article["paragraphs"]:
                context = text_field(paragraph, "context", file, None)
                for question in paragraph["qas"]:
                    identity = text_field(question, "id", file, None)
                    yield Row(identity, text_field(question, "question", file, None), context)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"not in SQuAD form: {_describe(error)}", file) from error


def _describe(error: Any) -> str:
    return f"field {error} is missing" if isinstance(error, KeyError) else str(error)


def _collection(rows: dict[str, list[Row]], where: Path) -> Collection:
    documents, queries = [], []
    golds: dict[str, tuple[str, ...]] = {}
    names = {}
    for name, questions in rows.items():
        language = language_field(name, where, None)
        names[language] = name
        paragraph, last = -1, None
        for row in questions:
            if row.context != last:
                paragraph, last = paragraph + 1, row.context
                documents.append(Document(f"p{paragraph:03}", language, row.context))
            content_id = f"p{paragraph:03}"
            if golds.setdefault(row.question_id, (content_id,)) != (content_id,):
                raise InputError(
                    f"question {row.question_id} in {name} belongs to paragraph {content_id}, "
                    f"in another language to {golds[row.question_id][0]}",
                    where,
                )
            queries.append(Query(row.question_id, language, row.question))
    return Collection("xquad", documents, queries, golds, names, NOTES)
