"""Training rows as other tools take them: sentence-transformers, FlagEmbedding, BEIR."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from isoglot.corpora.saving import json_lines, write_beir
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import write_text
from isoglot.training_data.groups import answer_groups
from isoglot.training_data.row import Row

NEGATIVES = 7
"""Number of negatives for each query; FlagEmbedding does not train without any."""


def export(rows: Sequence[Row], form: str, output: str | Path, *, seed: int = 0, force: bool = False) -> Path:
    """Write `rows` in the form of another tool.

    - ``sentence-transformers``: one file with the columns ``anchor`` and ``positive``, every query version with every
      document version of its content. Translations of one content must not be negatives of each other: train with
      batches that hold a content once, which sentence-transformers' NO_DUPLICATES does not ensure.
    - ``flagembedding``: one file with a line for each text of a query; ``pos`` has all versions of all documents that
      answer it, ``neg`` random documents of other contents, from all languages alike.
    - ``beir``: a folder with corpus.jsonl, queries.jsonl and qrels/train.tsv, which ``folder:DIR@train`` reads. White
      space in ids becomes ``_``, since qrels cannot hold it.

    Args:
        rows: Rows to write.
        form: Name of the form, one of `FORMS`.
        output: File (JSON Lines) or folder to write.
        seed: Random seed for the negatives.
        force: Whether an existing file, or a folder that is an export, may be replaced.

    Returns:
        The path written to.

    Raises:
        IsoglotError: The form is unknown, the output exists or cannot be written, there are no negatives, or (for
            ``beir``) two documents would have one id.
    """
    target = Path(output)
    if form not in FORMS:
        raise IsoglotError(f"unknown form {form!r}; choose from {', '.join(FORMS)}")
    if target.exists() and not force:
        raise IsoglotError(f"{target}: exists already; choose another name or pass --force")
    FORMS[form](rows, target, seed)
    return target


def _sentence_transformers(rows: Sequence[Row], output: Path, seed: int) -> None:
    lines = (
        {"anchor": query, "positive": document}
        for row in rows
        for query in row.query.values()
        for document in row.document.values()
    )
    write_text(output, json_lines(lines))


def _flagembedding(rows: Sequence[Row], output: Path, seed: int) -> None:
    groups = answer_groups(rows)
    if len(set(groups.values())) < 2:
        raise IsoglotError("flagembedding needs negatives, which takes at least two contents with different questions")
    write_text(output, json_lines(_with_negatives(rows, groups, random.Random(seed))))


def _with_negatives(
    rows: Sequence[Row], groups: Mapping[str, str], generator: random.Random
) -> Iterator[Mapping[str, object]]:
    for query, answering in _rows_of_questions(rows).items():
        negatives: list[str] = []
        while len(negatives) < NEGATIVES:
            other = generator.choice(rows)
            if groups[other.content_id] != groups[answering[0].content_id]:
                negatives.append(other.document[generator.choice(sorted(other.document))])
        positives = dict.fromkeys(text for row in answering for text in row.document.values())
        yield {"query": query, "pos": list(positives), "neg": negatives}


def _rows_of_questions(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the text of each query version -> the rows that have it."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        for query in row.query.values():
            found[query].append(row)
    return found


def _beir(rows: Sequence[Row], output: Path, seed: int) -> None:
    documents: dict[str, Mapping[str, str]] = {}
    for row in rows:
        for language, text in row.document.items():
            identity = _document_id(row, language)
            document = {"_id": identity, "text": text, "lang": language, "content_id": _plain_id(row.content_id)}
            if documents.setdefault(identity, document) != document:
                raise IsoglotError(f"two documents would have the id {identity!r}; give each a content_id of its own")
    answering = _rows_of_questions(rows)
    queries, judgements = [], []
    for number, versions in enumerate(dict.fromkeys(tuple(row.query.items()) for row in rows)):
        for language, text in versions:
            queries.append({"_id": f"{number}/{language}", "text": text, "lang": language, "query_id": str(number)})
            # a judgement of one version of a document counts for all of them
            relevant = dict.fromkeys(_document_id(row, next(iter(row.document))) for row in answering[text])
            judgements += [f"{number}/{language}\t{document}\t1" for document in relevant]
    write_beir(output, documents.values(), queries, judgements, split="train")


def _document_id(row: Row, language: str) -> str:
    return f"{_plain_id(row.content_id)}/{language}"


def _plain_id(name: str) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", "_", name)


FORMS: dict[str, Callable[[Sequence[Row], Path, int], None]] = {
    "sentence-transformers": _sentence_transformers,
    "flagembedding": _flagembedding,
    "beir": _beir,
}
"""Name of a form -> function of rows, output and seed that writes it."""
