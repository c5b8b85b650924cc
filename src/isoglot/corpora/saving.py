"""A collection as files: the BEIR layout that the source ``folder:DIR`` reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import EXPORT_MARK, new_folder, write_text


def save_collection(collection: Collection, folder: str | Path, *, force: bool = False) -> Path:
    """Write a collection as corpus.jsonl, queries.jsonl and qrels/test.tsv.

    ``folder:DIR`` reads them back with the same versions, texts, relevant documents and grades. A judgement pairs a
    version of a query with the document in its language, or in another one if there is none, and counts for all
    versions of both. The id of a document is ``CONTENT_ID/LANGUAGE``. That of a query is ``q:QUERY_ID/LANGUAGE``: a
    query with a document's id would not find it.

    Args:
        collection: The collection.
        folder: The folder to write.
        force: Whether a folder that isoglot exported before may be replaced.

    Returns:
        The folder.

    Raises:
        IsoglotError: The folder exists or cannot be written, an id has white space, which qrels cannot hold, or a query
            is a document of the collection, which ids of this form cannot say.
    """
    target = Path(folder)
    if collection.identical:
        raise IsoglotError(f"{collection.name}: queries that are documents themselves cannot be saved")
    if target.exists() and not force:
        raise IsoglotError(f"{target}: exists already; choose another name or pass --force")
    language = collection.named
    documents = [
        {
            "_id": _document_key(d),
            "text": d.text,
            "lang": language(d.language),
            "content_id": d.content_id,
        }
        for d in collection.documents
    ]
    queries = [
        {"_id": _query_key(q), "text": q.text, "lang": language(q.language), "query_id": q.query_id}
        for q in collection.queries
    ]
    one_document = {document.content_id: document for document in reversed(collection.documents)}
    version = {(document.content_id, document.language): document for document in collection.documents}
    judgements = []
    for query in collection.queries:
        grades = collection.grades.get(query.query_id) or dict.fromkeys(collection.golds[query.query_id], 1)
        for content, grade in grades.items():
            document = version.get((content, query.language), one_document[content])
            judgements.append(f"{_query_key(query)}\t{_document_key(document)}\t{grade:g}")
    if any(len(judgement.split()) != 3 for judgement in judgements):
        raise IsoglotError(f"{collection.name}: an id has white space, which qrels cannot hold")
    write_beir(target, documents, queries, judgements, split="test")
    return target


def write_beir(
    folder: Path,
    documents: Iterable[Mapping[str, str]],
    queries: Iterable[Mapping[str, str]],
    judgements: Iterable[str],
    *,
    split: str,
) -> None:
    """Write a folder in BEIR's layout; one that isoglot exported before is replaced.

    Args:
        folder: The folder.
        documents: The lines of corpus.jsonl.
        queries: The lines of queries.jsonl.
        judgements: Ids of a query and a document, and a grade, with tabs between.
        split: Name of the qrels.

    Raises:
        IsoglotError: The folder holds something else, or cannot be written.
    """
    with new_folder(folder, replaces=EXPORT_MARK) as new:
        (new / EXPORT_MARK).touch()
        write_text(new / "corpus.jsonl", json_lines(documents))
        write_text(new / "queries.jsonl", json_lines(queries))
        write_text(new / "qrels" / f"{split}.tsv", "\n".join(["query-id\tcorpus-id\tscore", *judgements]) + "\n")


def json_lines(records: Iterable[Mapping[str, object]]) -> str:
    """Return records as JSON Lines."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _document_key(document: Document) -> str:
    return f"{document.content_id}/{document.language}"


def _query_key(query: Query) -> str:
    return f"q:{query.query_id}/{query.language}"
