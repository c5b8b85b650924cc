"""Where collections come from: one module a source, with a function from a path and a split to a Collection."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from isoglot.corpora.collection import Collection
from isoglot.corpora.left_out import LeftOut
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import expanded


@dataclass(frozen=True, kw_only=True)
class Source:
    """A kind of collection that `load_collection` knows by name.

    Attributes:
        name: The name before the colon, e.g. ``xquad``.
        form: The form in which it is written on the command line.
        summary: The line that ``isoglot sources`` prints.
        licence: SPDX id, or where to look.
        module: The module with ``load(path, split)``; that of ``folder`` takes a `LeftOut` too.
    """

    name: str
    form: str
    summary: str
    licence: str
    module: str


SOURCES = {
    source.name: source
    for source in (
        Source(
            name="mini",
            form="mini[@train|@test|@demo]",
            summary="bundled: 160 topics in 20 languages, written for isoglot, machine-translated; @demo: 40 in 8",
            licence="CC0-1.0",
            module="isoglot.corpora.sources.mini",
        ),
        Source(
            name="xquad",
            form="xquad[:DIR]",
            summary="240 paragraphs, 1190 questions in 12 languages; the hub's google/xquad or a folder of "
            "xquad.XX.json",
            licence="CC-BY-SA-4.0",
            module="isoglot.corpora.sources.xquad",
        ),
        Source(
            name="belebele",
            form="belebele[:DIR]",
            summary="488 passages, 900 questions in 122 languages; the hub's facebook/belebele or a folder of "
            "xxx_Xxxx.jsonl",
            licence="CC-BY-SA-4.0",
            module="isoglot.corpora.sources.belebele",
        ),
        Source(
            name="gnome-help",
            form="gnome-help[:DIR]",
            summary="361 pages and sections of GNOME's help in 31 languages; Debian's package or a folder of "
            "XX/gnome-help",
            licence="CC-BY-SA-3.0",
            module="isoglot.corpora.sources.gnome_help",
        ),
        Source(
            name="debian-faq",
            form="debian-faq[:DIR]",
            summary="123 questions about Debian in 10 languages; Debian's packages or a folder of XX/NAME.XX.html",
            licence="LicenseRef-Debian-FAQ",
            module="isoglot.corpora.sources.debian_faq",
        ),
        Source(
            name="folder",
            form="folder:DIR[@SPLIT]",
            summary="your own, in the BEIR layout: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv, with a lang in each "
            "line",
            licence="yours",
            module="isoglot.corpora.sources.folder",
        ),
    )
}


def load_collection(spec: str, *, strict: bool = False, find_identical: bool = False) -> Collection:
    """Load the collection that `spec` names.

    What is of no use in a folder of the user's, such as a document without text, is left out; a note of the collection
    and a warning say how much it was.

    Args:
        spec: ``NAME[:DIR][@SPLIT]``, e.g. ``mini@test``, ``xquad:data/xquad``, ``folder:my-corpus@dev``.
        strict: Whether the first that would be left out is an error.
        find_identical: Whether a query of a folder finds a document that has its id; by default it does not, as in
            BEIR's evaluation, unless that document is judged relevant.

    Raises:
        IsoglotError: No such source, folder or split, or something in its files is wrong; the message says where.
    """
    name, colon, rest = spec.partition(":")
    if not colon:
        name, _, rest = spec.partition("@")
        rest = f"@{rest}" if rest else ""
    parts = re.fullmatch(r"(?P<path>.*?)(?:@(?P<split>[\w.-]+))?", rest, re.DOTALL)
    assert parts is not None  # the pattern matches any text
    source = SOURCES.get(name)
    if source is None:
        hint = f"; for a folder write folder:{spec}" if Path(spec).is_dir() else ""
        raise IsoglotError(f"unknown source {name!r}; known are {', '.join(SOURCES)}{hint}")
    path = expanded(parts["path"]) if parts["path"] else None
    if path is not None and not path.is_dir():
        raise IsoglotError(f"{path}: no such folder (from the source {spec!r})")
    load: Callable[..., Collection] = import_module(source.module).load
    if name != "folder":
        return load(path, parts["split"])
    left_out = LeftOut(strict)
    collection = load(path, parts["split"], left_out, find_identical=find_identical)
    left_out.warn(spec)
    return replace(collection, notes=(*collection.notes, *left_out.notes))
