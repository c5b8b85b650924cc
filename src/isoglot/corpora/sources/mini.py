"""The bundled parallel collection: 160 topics in 20 languages, CC0 (docs/reference/collections.md has its card)."""

from __future__ import annotations

from pathlib import Path

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import PACKAGE_DATA

SPLITS = ("train", "test", "demo-train", "demo")
DEMO_SPLITS = {"demo-train": "train", "demo": "test"}
"""The small splits -> the ones that they are taken from."""
DEMO_LANGUAGES = ("ar", "de", "en", "es", "hi", "ru", "th", "zh")
DEMO_GROUPS = 8
"""How many of a split's groups, from the first, its small split has."""


def load(path: Path | None, split: str | None) -> Collection:
    """Load the collection, or the part that `split` names.

    ``train`` and ``test`` are halves that share no topic group. ``demo-train`` and ``demo`` are their first 40 topics
    in 8 languages with one question each: the collection's first edition.

    Raises:
        IsoglotError: There is no such split, or a path was given.
    """
    if path is not None:
        raise IsoglotError("mini is bundled and takes no folder; write mini, mini@train, mini@test or mini@demo")
    if split not in (None, *SPLITS):
        raise IsoglotError(f"mini has no split {split!r}; it has {', '.join(SPLITS)}")
    is_demo = split in DEMO_SPLITS
    half = DEMO_SPLITS.get(split or "", split)
    documents, queries = [], []
    golds: dict[str, tuple[str, ...]] = {}
    for file in sorted((PACKAGE_DATA / "mini").glob("*.jsonl")):
        if is_demo and file.stem not in DEMO_LANGUAGES:
            continue
        groups: dict[str, None] = {}
        for _, fields in read_jsonl(file):
            if half not in (None, fields["split"]):
                continue
            groups[fields["group"]] = None
            if is_demo and len(groups) > DEMO_GROUPS:
                break
            topic = fields["content_id"]
            documents.append(Document(topic, file.stem, fields["document"]))
            questions = (
                {topic: fields["query"]} if is_demo else {topic: fields["query"], f"{topic}-2": fields["query_2"]}
            )
            for query_id, text in questions.items():
                queries.append(Query(query_id, file.stem, text))
                golds[query_id] = (topic,)
    name = f"mini@{split}" if split else "mini"
    return Collection(name, documents, queries, golds, notes=("machine-written and machine-translated",))
