"""Where collections come from: one module a source, with a function from a path and a split to a Collection."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from isoglot.corpora.collection import Collection
from isoglot.corpora.fields import field_names
from isoglot.corpora.left_out import LeftOut
from isoglot.corpora.readers.lines import kind_of
from isoglot.corpora.readers.records import READERS_OF_RECORDS
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.files import expanded
from isoglot.platform.languages import known


@dataclass(frozen=True, kw_only=True)
class Source:
    """A kind of collection that `load_collection` knows by name.

    Attributes:
        name: The name before the colon, e.g. ``xquad``.
        form: The form in which it is written on the command line.
        summary: The line that ``isoglot sources`` prints.
        licence: SPDX id, or where to look.
        module: The module with ``load(path, split)``.
        place: What stands after the colon: a ``folder``, a ``file``, or the name of a data set on the ``hub``.
        takes: What ``load`` takes besides: ``left_out``, a `LeftOut`, and ``find_identical``.
    """

    name: str
    form: str
    summary: str
    licence: str
    module: str
    place: str = "folder"
    takes: tuple[str, ...] = ()


_OWN = ("left_out", "find_identical")
"""What the sources of a user's own collections take."""

NO_LANGUAGES = ("src", "tgt", "doc")
"""Heads of tables that look like language tags."""

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
            name="mlqa",
            form="mlqa[:DIR][@dev]",
            summary="Wikipedia and questions in 7 languages, partly parallel; the hub's google/xtreme or a folder",
            licence="CC-BY-SA-3.0",
            module="isoglot.corpora.sources.mlqa",
            takes=("left_out",),
        ),
        Source(
            name="miracl",
            form="miracl[:DIR][@SPLIT]",
            summary="questions in 18 languages, each of its own Wikipedia; mteb's on the hub or a folder",
            licence="Apache-2.0",
            module="isoglot.corpora.sources.miracl",
            takes=("left_out",),
        ),
        Source(
            name="neuclir",
            form="neuclir[:DIR]",
            summary="news in fa, ru and zh, asked in these and English; the hub's neuclir/bench or a folder",
            licence="ODC-BY",
            module="isoglot.corpora.sources.neuclir",
            takes=("left_out",),
        ),
        Source(
            name="multieup",
            form="multieup[:DIR]",
            summary="Multi-EuP v2: speeches in 24 languages; the hub's unimelb-nlp/MultiEup-v2 or a folder",
            licence="CC-BY-4.0",
            module="isoglot.corpora.sources.multieup",
            takes=("left_out",),
        ),
        Source(
            name="xrag",
            form="xrag[:DIR][@dev]",
            summary="news and questions in 5 languages; the hub's AmazonScience/XRAG or a folder",
            licence="CC-BY-NC-4.0",
            module="isoglot.corpora.sources.xrag",
            takes=("left_out",),
        ),
        Source(
            name="mlir-benchmarks",
            form="mlir-benchmarks[:DIR]@NAME",
            summary="Belebele_test, MLQA_test ... as SHIFT pools them; the hub's yjoonjang/mlir-benchmarks or a folder",
            licence="see its card",
            module="isoglot.corpora.sources.mlir_benchmarks",
            takes=("left_out",),
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
            takes=_OWN,
        ),
        Source(
            name="hub",
            form="hub:NAME[@SPLIT]",
            summary="a data set of the hub in that layout: configurations corpus, queries, qrels, or LANG-corpus ...",
            licence="see its card",
            module="isoglot.corpora.sources.hub",
            place="hub",
            takes=_OWN,
        ),
        Source(
            name="parallel",
            form="parallel:FILE[@L1,L2]",
            summary="parallel sentences: a .csv, .tsv, .jsonl or .parquet with a column for each language",
            licence="yours",
            module="isoglot.corpora.sources.parallel",
            place="file",
            takes=_OWN,
        ),
    )
}


def hub_dataset(spec: str) -> str | None:
    """Return the hub's name of the data set that `spec` names, or None: of a local copy, or where there is none.

    Args:
        spec: As for `load_collection`; any other text has no name on the hub.
    """
    name, colon, rest = spec.partition(":")
    if name == "hub" and colon:
        return rest.partition("@")[0]
    source = SOURCES.get(spec.partition("@")[0])
    return None if source is None else getattr(import_module(source.module), "HUB_NAME", None)


def parallel_hint(path: str | Path, names: Iterable[str]) -> str:
    """Return how to name a table of parallel sentences; empty where fewer than two of its columns name languages."""
    languages = {tag for name in names if name.casefold() not in ("id", *NO_LANGUAGES) and (tag := known(name))}
    return f"; for parallel sentences write parallel:{path}" if len(languages) > 1 else ""


def _unknown(name: str, spec: str) -> IsoglotError:
    """Return the error of a name that is no source, with what a file or folder of that name would need."""
    path, hint = expanded(spec), ""
    if path.is_dir():
        hint = f"; for a folder write folder:{spec}"
    elif path.is_file() and kind_of(path) in READERS_OF_RECORDS:
        names = field_names(path)
        if "text" in names:
            return InputError(
                "holds documents alone; an audit needs queries and relevance judgements (folder:DIR with "
                "corpus.jsonl, queries.jsonl and qrels/test.tsv); without labels, isoglot choose MODEL --data "
                f"{spec} asks for documents by spans of their text",
                spec,
            )
        hint = parallel_hint(spec, names)
    return IsoglotError(f"unknown source {name!r}; known are {', '.join(SOURCES)}{hint}")


def load_collection(spec: str, *, strict: bool = False, find_identical: bool = False) -> Collection:
    """Load a collection by name.

    Unusable data of your own sources, such as a document without text, is left out. A note of the collection and a
    warning count it.

    Args:
        spec: ``NAME[:DIR][@SPLIT]``, e.g. ``mini@test``, ``xquad:data/xquad``, ``folder:my-corpus@dev``,
            ``hub:mteb/XQuADRetrieval``, ``parallel:pairs.csv@en,es``.
        strict: Whether data that would be left out is an error.
        find_identical: Whether a query of a folder finds the document that has its id. By default it does not, as in
            BEIR's evaluation, unless that document is judged relevant.

    Returns:
        The collection.

    Raises:
        IsoglotError: There is no such source, folder or split, or a file is malformed. The message names file and line.
    """
    name, colon, rest = spec.partition(":")
    if not colon:
        name, _, rest = spec.partition("@")
        rest = f"@{rest}" if rest else ""
    parts = re.fullmatch(r"(?P<path>.*?)(?:@(?P<split>[\w.,-]+))?", rest, re.DOTALL)
    assert parts is not None  # the pattern matches any text
    source = SOURCES.get(name)
    if source is None:
        raise _unknown(name, spec)
    path = expanded(parts["path"]) if parts["path"] else None
    missing = {"hub": False, "file": path and not path.is_file(), "folder": path and not path.is_dir()}
    if missing[source.place]:
        raise IsoglotError(f"{path}: no such {source.place} (from the source {spec!r})")
    load: Callable[..., Collection] = import_module(source.module).load
    left_out = LeftOut(strict)
    options = {"left_out": left_out, "find_identical": find_identical}
    collection = load(path, parts["split"], **{option: options[option] for option in source.takes})
    left_out.warn(spec)
    return replace(collection, notes=(*collection.notes, *left_out.notes)) if left_out.notes else collection
