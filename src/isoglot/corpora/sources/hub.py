"""A data set of the Hugging Face hub in the layout of BEIR and mteb.

Its configurations are ``corpus``, ``queries`` and ``qrels`` (or ``default``), or one of each for every language
(``de-corpus``); or the splits of the three are the languages. The fields mean what they mean in a `folder`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from isoglot.corpora.collection import Collection
from isoglot.corpora.left_out import LeftOut
from isoglot.corpora.sources.beir import Part, collection, of_split, qrels_of_split
from isoglot.corpora.sources.hub_datasets import configurations, read_dataset, splits
from isoglot.platform.errors import InputError, IsoglotError

_ROLES = {"corpus": ("corpus",), "queries": ("queries", "query"), "qrels": ("qrels", "default")}
"""What a configuration holds -> how its name ends."""


def load(
    path: Path | None,
    split: str | None,
    left_out: LeftOut,
    *,
    find_identical: bool = False,
    instead: str = "folder:DIR with a local copy",
) -> Collection:
    """Load the collection, judged by the split `split` of its qrels (see `qrels_of_split`).

    Args:
        path: The name of the data set, or a folder that the datasets library reads.
        split: The split.
        left_out: Counts what is left out.
        find_identical: Whether a query finds a document that has its id.
        instead: The source of a local copy, for messages.

    Raises:
        IsoglotError: No data set was named, it cannot be read, or it has another layout.
    """
    if path is None:
        raise IsoglotError("name the data set: hub:OWNER/NAME")
    dataset = path.as_posix()
    names = configurations(dataset, instead)
    corpus, queries, qrels = (_parts(dataset, names, endings, instead) for endings in _ROLES.values())
    if not (corpus and queries and qrels):
        missing = next(role for role, parts in zip(_ROLES, (corpus, queries, qrels), strict=True) if not parts)
        shown = ", ".join(names[:10]) + (" ..." if len(names) > 10 else "")
        raise InputError(f"has no configuration {' or '.join(_ROLES[missing])}, but {shown or 'none'}", dataset)
    judged = qrels_of_split(qrels, split, corpus)
    return collection(
        dataset + (f"@{split}" if split else ""),
        of_split(corpus, judged[0].split),
        of_split(queries, judged[0].split),
        judged,
        left_out,
        where=path,
        find_identical=find_identical,
    )


def _parts(dataset: str, names: Sequence[str], endings: Sequence[str], instead: str) -> list[Part]:
    """Return the splits of the configurations ENDING and LANGUAGE-ENDING."""
    found = [
        (name, configuration) for name in names for configuration, _, role in [name.rpartition("-")] if role in endings
    ]
    return [
        Part(Path(dataset, f"{name}.{split}"), split, configuration, partial(_rows, dataset, name, split, instead))
        for name, configuration in found
        for split in splits(dataset, name, instead)
    ]


def _rows(dataset: str, name: str, split: str, instead: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a split; a null is a field that is not there."""
    for number, fields in enumerate(read_dataset(dataset, name, split, instead), start=1):
        yield number, {field: value for field, value in fields.items() if value is not None}
