"""NeuCLIR: news in Persian, Russian and Chinese, asked in English and in these languages (TREC, NeuCLIRBench)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from isoglot.corpora.collection import Collection
from isoglot.corpora.left_out import LeftOut
from isoglot.corpora.readers.qrels import read_qrels
from isoglot.corpora.sources.beir import Part, Rows, collection
from isoglot.corpora.sources.hub_datasets import hub_folder, read_dataset, splits
from isoglot.corpora.sources.miracl import read_topics
from isoglot.platform.errors import InputError, IsoglotError

TOPICS_NAME = "neuclir/bench"
CORPUS_NAME = "mteb/NeuCLIR2023RetrievalHardNegatives"
LANGUAGES = ("fas", "rus", "zho")
QRELS = "qrels.mlir.gains.txt"
NOTES = ("NeuCLIR: documents ODC-BY, topics CC-BY-4.0; documents are no translations of each other, topics are",)


def load(path: Path | None, split: str | None, left_out: LeftOut) -> Collection:
    """Load the documents of three languages as one pool, and the topics in English and in these.

    Args:
        path: A folder with files of neuclir/neuclir1 (``fas-00000-of-00001.jsonl.gz``) and of neuclir/bench
            (``news.eng.tsv``, `QRELS`), or with a folder ``data`` of them; None: from the hub the topics of
            neuclir/bench, and the judged and hard documents of mteb's NeuCLIR 2023, to which they are limited.
        split: None, since there are no splits.
        left_out: Counts what is left out.

    Raises:
        IsoglotError: A split was named, or a file is missing or malformed.
    """
    if split is not None:
        raise IsoglotError(f"neuclir has no split {split!r}")
    if path is None:
        bench = hub_folder(TOPICS_NAME, ["data/news.*.tsv", f"data/{QRELS}"], "neuclir:DIR") / "data"
        parts = {role: [_hub_part(language, role) for language in LANGUAGES] for role in ("corpus", "queries")}
        corpus = parts["corpus"]
        asked = {fields.required_id() for part in parts["queries"] for fields in part.fields()}
    else:
        bench = path / "data" if (path / "data").is_dir() else path
        files = sorted(file for file in bench.iterdir() if re.fullmatch(r"[a-z]{3}-\d+-of-\d+\.\w+(\.gz)?", file.name))
        corpus = [Part(file, file.name.partition("-")[0]) for file in files]
        asked = None
    topics = sorted(bench.glob("news.*.tsv"), key=lambda file: (file.name != "news.eng.tsv", file.name))
    if not corpus or not topics:
        missing = "news.eng.tsv" if corpus else "fas-00000-of-00001.jsonl.gz, rus- or zho-"
        raise InputError(f"has no file named {missing}", bench)
    first = topics[0].name.split(".")[1]
    queries = [_part(file, partial(_topics, file, file.name.split(".")[1], first, asked)) for file in topics]
    qrels = _part(bench / QRELS, partial(_judgements, bench / QRELS, asked))
    return collection("neuclir", corpus, queries, [qrels], left_out, where=bench, notes=NOTES)


def _part(path: Path, rows: Callable[[], Rows]) -> Part:
    return Part(path, "test", rows=rows)


def _hub_part(language: str, role: str) -> Part:
    """Return the corpus or the queries of a language in mteb's data set."""
    name, instead = f"{language}-{role}", "neuclir:DIR"
    split = splits(CORPUS_NAME, name, instead)[0]
    return Part(
        Path(CORPUS_NAME, f"{name}.{split}"),
        language,
        rows=lambda: enumerate(read_dataset(CORPUS_NAME, name, split, instead), start=1),
    )


def _topics(file: Path, language: str, first: str, asked: set[str] | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the topics in a language; those in the first keep their ids, which the judgements name."""
    for line, fields in read_topics(file):
        topic = fields["_id"]
        if asked is None or topic in asked:
            identity = topic if language == first else f"{topic}#{language}"
            yield line, {**fields, "_id": identity, "query_id": topic, "lang": language}


def _judgements(file: Path, asked: set[str] | None) -> Iterator[tuple[int, dict[str, Any]]]:
    for judgement in read_qrels(file):
        if asked is None or judgement.query in asked:
            row = {"query-id": judgement.query, "corpus-id": judgement.document, "score": judgement.relevance}
            yield judgement.line, row
