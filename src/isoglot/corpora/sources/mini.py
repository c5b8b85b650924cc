"""The bundled parallel collection: 80 topics in 8 languages, CC0 (docs/data.md has its card)."""

from __future__ import annotations

from pathlib import Path

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import PACKAGE_DATA

SPLITS = ("train", "test")


def load(path: Path | None, split: str | None) -> Collection:
    """Load the collection, or the half that `split` (``train`` or ``test``) names; the halves share no topic group.

    Raises:
        IsoglotError: There is no such split, or a path was given.
    """
    if path is not None:
        raise IsoglotError("mini is bundled and takes no folder; write mini, mini@train or mini@test")
    if split not in (None, *SPLITS):
        raise IsoglotError(f"mini has no split {split!r}; it has {' and '.join(SPLITS)}")
    documents, queries = [], []
    golds: dict[str, tuple[str, ...]] = {}
    for file in sorted((PACKAGE_DATA / "mini").glob("*.jsonl")):
        for _, fields in read_jsonl(file):
            if split in (None, fields["split"]):
                topic = fields["content_id"]
                documents.append(Document(topic, file.stem, fields["document"]))
                queries.append(Query(topic, file.stem, fields["query"]))
                golds[topic] = (topic,)
    name = f"mini@{split}" if split else "mini"
    return Collection(name, documents, queries, golds, notes=("machine-written and machine-translated",))
