"""XQuAD: SQuAD v1.1 dev paragraphs and questions, translated by people into 11 languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.fields import language_field, text_field
from isoglot.corpora.readers.jsonl import read_json
from isoglot.corpora.sources.hub_datasets import configurations, read_dataset
from isoglot.platform.errors import InputError, IsoglotError

HUB_NAME = "google/xquad"
NOTES = ("English paragraphs are SQuAD v1.1 dev: models trained on SQuAD (e5 is) have seen them",)


class Question(NamedTuple):
    """One question in one language, with the paragraph that answers it."""

    id: str
    text: str
    context: str


class _SquadQuestion(msgspec.Struct):
    id: Any
    question: Any


class _SquadParagraph(msgspec.Struct):
    context: Any
    qas: list[_SquadQuestion]


class _SquadArticle(msgspec.Struct):
    paragraphs: list[_SquadParagraph]


class _SquadFile(msgspec.Struct):
    """A file in SQuAD's form; whether its texts are texts is checked one by one, with messages that name the field."""

    data: list[_SquadArticle]


def load(path: Path | None, split: str | None) -> Collection:
    """Load every language of the folder `path` (xquad.XX.json), or of the hub's google/xquad.

    A content id is the running number of a paragraph, which is the same in all languages.

    Raises:
        IsoglotError: A split was named, there is no file, or a file is malformed or does not match the others.
    """
    if split is not None:
        raise IsoglotError(f"xquad has no split {split!r}")
    if path is None:
        questions = {
            name.removeprefix("xquad."): [
                Question(fields["id"], fields["question"], fields["context"])
                for fields in read_dataset(HUB_NAME, name, "validation", "xquad:DIR")
            ]
            for name in configurations(HUB_NAME, "xquad:DIR")
        }
    else:
        files = sorted(file for file in path.iterdir() if re.fullmatch(r"xquad\.[\w-]+\.json(\.gz)?", file.name))
        if not files:
            raise InputError("has no file named xquad.XX.json", path)
        questions = {file.name.split(".")[1]: list(read_squad(file)) for file in files}
    return _collection(questions, path or Path(HUB_NAME))


def read_squad(file: Path) -> Iterator[Question]:
    """Yield the questions of a file in SQuAD's form.

    Raises:
        InputError: The file is malformed.
    """
    try:
        squad = msgspec.convert(read_json(file), _SquadFile)
    except msgspec.ValidationError as error:
        raise InputError(f"not in SQuAD form: {error}", file) from error
    for article in squad.data:
        for paragraph in article.paragraphs:
            context = text_field({"context": paragraph.context}, "context", file, None)
            for question in paragraph.qas:
                identity = text_field({"id": question.id}, "id", file, None)
                yield Question(identity, text_field({"question": question.question}, "question", file, None), context)


def _collection(by_language: dict[str, list[Question]], where: Path) -> Collection:
    documents, queries = [], []
    golds: dict[str, tuple[str, ...]] = {}
    names = {}
    for name, questions in by_language.items():
        language = language_field(name, where, None)
        names[language] = name
        paragraph, last = -1, None
        for question in questions:
            if question.context != last:
                paragraph, last = paragraph + 1, question.context
                documents.append(Document(f"p{paragraph:03}", language, question.context))
            content_id = f"p{paragraph:03}"
            if golds.setdefault(question.id, (content_id,)) != (content_id,):
                raise InputError(
                    f"question {question.id} in {name} belongs to paragraph {content_id}, "
                    f"in another language to {golds[question.id][0]}",
                    where,
                )
            queries.append(Query(question.id, language, question.text))
    return Collection("xquad", documents, queries, golds, names, NOTES)
