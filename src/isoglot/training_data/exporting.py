"""Training rows as other tools take them: sentence-transformers, FlagEmbedding, BEIR."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import EXPORT_MARK, new_folder, write_text
from isoglot.training_data.row import Row

NEGATIVES = 7
"""Number of negatives for each query; FlagEmbedding does not train without any."""


def export(rows: Sequence[Row], form: str, output: str | Path, *, seed: int = 0, force: bool = False) -> Path:
    """Write `rows` in the form of another tool.

    - ``sentence-transformers``: one file with the columns ``anchor`` and ``positive``, every query version with every
      document version of its content. Translations of one content must not be negatives of each other: train with
      batches that hold a content once, which sentence-transformers' NO_DUPLICATES does not ensure.
    - ``flagembedding``: one file with a line for each query version; ``pos`` has all versions of its document, ``neg``
      random documents of other contents, from all languages alike.
    - ``beir``: a folder with corpus.jsonl, queries.jsonl and qrels/train.tsv, which ``folder:DIR@train`` reads.

    Args:
        rows: Rows to write.
        form: Name of the form, one of `FORMS`.
        output: File (JSON Lines) or folder to write.
        seed: Random seed for the negatives.
        force: Whether an existing file, or a folder that is an export, may be replaced.

    Returns:
        The path written to.

    Raises:
        IsoglotError: The form is unknown, the output exists or cannot be written, or there are no negatives.
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
    write_text(output, _json_lines(lines))


def _flagembedding(rows: Sequence[Row], output: Path, seed: int) -> None:
    if len({row.content_id for row in rows}) < 2:
        raise IsoglotError("flagembedding needs negatives, which takes at least two contents")
    write_text(output, _json_lines(_with_negatives(rows, random.Random(seed))))


def _with_negatives(rows: Sequence[Row], generator: random.Random) -> Iterator[Mapping[str, object]]:
    for row in rows:
        for query in row.query.values():
            negatives: list[str] = []
            while len(negatives) < NEGATIVES:
                other = generator.choice(rows)
                if other.content_id != row.content_id:
                    negatives.append(other.document[generator.choice(sorted(other.document))])
            yield {"query": query, "pos": list(row.document.values()), "neg": negatives}


def _beir(rows: Sequence[Row], output: Path, seed: int) -> None:
    documents, queries, judgements = {}, [], ["query-id\tcorpus-id\tscore"]
    for number, row in enumerate(rows):
        for language, text in row.document.items():
            document_id = f"{row.content_id}/{language}"
            documents[document_id] = {"_id": document_id, "text": text, "lang": language, "content_id": row.content_id}
        first = f"{row.content_id}/{next(iter(row.document))}"  # a judgement of one version counts for all of them
        for language, text in row.query.items():
            queries.append({"_id": f"{number}/{language}", "text": text, "lang": language, "query_id": str(number)})
            judgements.append(f"{number}/{language}\t{first}\t1")
    with new_folder(output, replaces=EXPORT_MARK) as folder:
        (folder / EXPORT_MARK).touch()
        write_text(folder / "corpus.jsonl", _json_lines(documents.values()))
        write_text(folder / "queries.jsonl", _json_lines(queries))
        write_text(folder / "qrels" / "train.tsv", "\n".join(judgements) + "\n")


FORMS: dict[str, Callable[[Sequence[Row], Path, int], None]] = {
    "sentence-transformers": _sentence_transformers,
    "flagembedding": _flagembedding,
    "beir": _beir,
}
"""Name of a form -> function of rows, output and seed that writes it."""


def _json_lines(objects: Iterable[Mapping[str, object]]) -> str:
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in objects)
