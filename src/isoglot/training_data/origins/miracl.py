"""MIRACL, English train: questions that native speakers asked, with the Wikipedia passages that they judged relevant.

Zhang et al. 2023, "MIRACL: A Multilingual Retrieval Dataset Covering 18 Diverse Languages" (TACL 11). The layout is
that of the data cards of miracl/miracl ("qid\\tquery" in ``miracl-v1.0-en/topics``, "qid Q0 docid relevance" in
``miracl-v1.0-en/qrels``) and miracl/miracl-corpus (``docid``, ``title`` and ``text`` in
``miracl-corpus-v1.0-en/docs-N.jsonl.gz``; 32,893,221 passages in 66 files).
"""

from __future__ import annotations

import gzip
import logging
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from isoglot.corpora.readers.lines import read_lines
from isoglot.platform.downloads import Downloads, SourceMissingError
from isoglot.platform.errors import InputError
from isoglot.platform.files import os_errors_explained
from isoglot.training_data.origins import ORIGINS
from isoglot.training_data.origins.hub_files import find_file, hub_folder
from isoglot.training_data.row import Row

log = logging.getLogger(__name__)

NAME = "miracl"
TOPICS, QRELS = "topics.miracl-v1.0-en-train.tsv", "qrels.miracl-v1.0-en-train.tsv"


class _Passage(msgspec.Struct):
    docid: str
    title: str
    text: str


def rows(downloads: Downloads, languages: frozenset[str] | None = None, folder: Path | None = None) -> list[Row]:
    """Return a row for each question, in their order, with the first relevant passage that the qrels name for it.

    Args:
        downloads: Record of the packages used.
        languages: Without effect: the rows are English; ``isoglot data translate`` adds languages.
        folder: Local copy of both data sets, beside each other or in one folder; None: fetched from the hub (5 GB).

    Raises:
        SourceMissingError: The hub cannot be reached, or a file is missing in `folder`.
        InputError: A file is malformed.
    """
    if folder is None:
        judged = hub_folder("miracl/miracl", [f"miracl-v1.0-en/*/{name}" for name in (TOPICS, QRELS)], downloads, NAME)
        corpus = hub_folder("miracl/miracl-corpus", ["miracl-corpus-v1.0-en/docs-*.jsonl.gz"], downloads, NAME)
    else:
        judged = corpus = folder
    queries = dict(_fields(find_file(judged, TOPICS, NAME), 2))
    positives: dict[str, str] = {}
    for query, _, passage, relevance in _fields(find_file(judged, QRELS, NAME), 4):
        if relevance != "0" and query in queries:
            positives.setdefault(query, passage)
    documents = _passages(corpus, frozenset(positives.values()))
    complete = [
        Row(
            f"{NAME}:{positives[query]}",
            {"en": _folded(text)},
            {"en": documents[positives[query]]},
            source=NAME,
            licence=ORIGINS[NAME].licence,
            provenance={"en": "original"},
        )
        for query, text in queries.items()
        if positives.get(query) in documents
    ]
    if lost := len(queries) - len(complete):
        log.warning("miracl: %d of %d questions have no passage in the corpus", lost, len(queries))
    return complete


def _fields(path: Path, count: int) -> Iterator[list[str]]:
    """Yield the `count` fields of each line, split at white space; the last field is the rest of the line."""
    for number, line in read_lines(path):
        fields = line.strip().split(maxsplit=count - 1)
        if len(fields) != count:
            raise InputError(f"{len(fields)} fields, not {count}", path, number)
        yield fields


def _passages(corpus: Path, wanted: frozenset[str]) -> dict[str, str]:
    """Return id -> title and text of the wanted passages of the corpus."""
    passages: dict[str, str] = {}
    shards = [path for path in corpus.rglob("docs-*.jsonl*") if path.parent.name == "miracl-corpus-v1.0-en"]
    if not shards:
        raise SourceMissingError(f"{corpus}: has no file miracl-corpus-v1.0-en/docs-N.jsonl.gz; {NAME} needs them")
    shards.sort(key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)])
    decoder = msgspec.json.Decoder(_Passage)
    for done, shard in enumerate(shards, start=1):
        for number, line in _lines(shard):
            try:
                passage = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise InputError(f"not a passage of MIRACL: {error}", shard, number) from error
            if passage.docid in wanted:
                passages[passage.docid] = f"{_folded(passage.title)}\n{_folded(passage.text)}".strip()
        log.info(
            "miracl: %d of %d corpus files read, %d of %d passages found", done, len(shards), len(passages), len(wanted)
        )
    return passages


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with os_errors_explained(path, "read"), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        try:
            yield from enumerate(file, start=1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"damaged ({error}); fetch the file again", path) from error


def _folded(text: str) -> str:
    return " ".join(text.split())
