"""MIRACL: questions about Wikipedia in 18 languages, each asked of its own language's paragraphs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from isoglot.corpora.collection import Collection
from isoglot.corpora.left_out import LeftOut
from isoglot.corpora.readers.lines import read_lines
from isoglot.corpora.sources import hub
from isoglot.corpora.sources.beir import Part, collection
from isoglot.platform.errors import InputError

HUB_NAME = "mteb/MIRACLRetrievalHardNegatives"


def load(path: Path | None, split: str | None, left_out: LeftOut) -> Collection:
    """Load all languages as one collection; a question's golds are in its own language alone.

    Args:
        path: A folder with MIRACL's own, ``miracl-corpus-v1.0-XX`` beside ``miracl-v1.0-XX``, for any of its languages;
            None: the hub's mteb/MIRACLRetrievalHardNegatives, whose corpora hold the judged and hard paragraphs.
        split: The split of the topics; None: ``dev``.
        left_out: Counts what is left out.

    Raises:
        IsoglotError: There is no such split, or a file is missing or malformed.
    """
    split = split or "dev"
    if path is None:
        return hub.load(Path(HUB_NAME), split, left_out, instead="miracl:DIR")
    corpus, queries, qrels = [], [], []
    for folder in sorted(path.glob("miracl-v1.0-*")):
        language = folder.name.removeprefix("miracl-v1.0-")
        files = sorted((path / f"miracl-corpus-v1.0-{language}").glob("docs-*.jsonl*"))
        if not files:
            raise InputError("no such folder, or no docs-N.jsonl in it", path / f"miracl-corpus-v1.0-{language}")
        corpus += [Part(file, split, language) for file in files]
        topics, judged = (folder / kind / f"{kind}.{folder.name}-{split}.tsv" for kind in ("topics", "qrels"))
        queries.append(Part(topics, split, language, partial(read_topics, topics)))
        qrels.append(Part(judged, split, language))
    if not corpus:
        raise InputError("has no folder named miracl-v1.0-XX, e.g. miracl-v1.0-sw", path)
    return collection(f"miracl@{split}", corpus, queries, qrels, left_out, where=path)


def read_topics(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the queries of a file without a header, an id and a text with a tab between them.

    Raises:
        InputError: The file is missing, or a line has no tab.
    """
    for line, text in read_lines(file):
        identity, tab, query = text.partition("\t")
        if not tab:
            raise InputError("has no tab between the id and the text of a query", file, line)
        yield line, {"_id": identity.strip(), "text": query.strip()}
