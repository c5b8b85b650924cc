"""MLQA: questions about Wikipedia in 7 languages, with a paragraph in each of them that answers: one pool of all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from isoglot.corpora.collection import Collection
from isoglot.corpora.fields import text_field
from isoglot.corpora.left_out import LeftOut
from isoglot.corpora.readers.records import read_records
from isoglot.corpora.sources.beir import Part, collection
from isoglot.corpora.sources.hub_datasets import hub_folder
from isoglot.corpora.sources.shared_questions import content_ids
from isoglot.corpora.sources.xquad import Question, read_squad
from isoglot.platform.errors import InputError, IsoglotError

HUB_NAME = "google/xtreme"
LANGUAGES = ("ar", "de", "en", "es", "hi", "vi", "zh")
_SPLITS = {"test": "test", "dev": "validation"}
"""Split, as the official files name it -> its name on the hub."""
NOTES = (
    "MLQA, CC-BY-SA-3.0; paragraphs of different languages are no translations: each has a sentence that answers; "
    "those with the same questions count as versions of one content",
)


def load(path: Path | None, split: str | None, left_out: LeftOut) -> Collection:
    """Load the paragraphs and the questions of all languages as one collection.

    The files with a question in the language of its paragraph have every paragraph and every question once, so only
    these are read. A question is answered by the paragraphs of all languages that have its id.

    Args:
        path: A folder with the official files (``test/test-context-de-question-de.json``) or the hub's
            (``MLQA.de.de/test-00000-of-00001.parquet``); None: those of the hub's google/xtreme.
        split: ``test`` or ``dev``; None: ``test``.
        left_out: Counts what is left out.

    Raises:
        IsoglotError: There is no such split or file, or a file is malformed.
    """
    if split not in (None, *_SPLITS):
        raise IsoglotError(f"mlqa has no split {split!r}; it has {', '.join(_SPLITS)}")
    split = split or "test"
    folder = path or hub_folder(HUB_NAME, [f"MLQA.{tag}.{tag}/{_SPLITS[split]}-*" for tag in LANGUAGES], "mlqa:DIR")
    asked: dict[tuple[str, str], set[str]] = {}
    queries: list[tuple[int, dict[str, str]]] = []
    for language, file in _files(folder, split):
        for question in _read(file):
            asked.setdefault((language, question.context), set()).add(question.id)
            query = {"_id": f"{question.id}#{language}", "query_id": question.id, "text": question.text}
            queries.append((len(queries) + 1, {**query, "lang": language}))
    if not asked:
        raise InputError(f"has no file named {split}-context-XX-question-XX.json", folder)
    contents = content_ids(asked)
    corpus = [
        (number, {"_id": str(number), "content_id": contents[document], "lang": document[0], "text": document[1]})
        for number, document in enumerate(asked, start=1)
    ]
    qrels = [
        (number, {"query-id": f"{question}#{language}", "corpus-id": str(number), "score": 1})
        for number, ((language, _), questions) in enumerate(asked.items(), start=1)
        for question in sorted(questions)
    ]
    return collection(
        f"mlqa@{split}",
        [Part.of_rows(folder, corpus)],
        [Part.of_rows(folder, queries)],
        [Part.of_rows(folder, qrels)],
        left_out,
        where=folder,
        notes=NOTES,
    )


def _files(folder: Path, split: str) -> Iterator[tuple[str, Path]]:
    """Yield the language and the file of each that has the questions in the language of their paragraphs."""
    official = rf"{split}-context-(?P<official>\w+)-question-(?P=official)\.json(\.gz)?"
    hub = rf"MLQA\.(?P<hub>\w+)\.(?P=hub)/{_SPLITS[split]}-.*\.parquet"
    for file in sorted(folder.rglob("*")):
        if match := re.search(rf"(^|/)({official}|{hub})$", file.as_posix()):
            yield match["official"] or match["hub"], file


def _read(file: Path) -> Iterator[Question]:
    if file.suffix != ".parquet":
        yield from read_squad(file)
        return
    for line, fields in read_records(file):
        yield Question(*(text_field(fields, name, file, line) for name in ("id", "question", "context")))
