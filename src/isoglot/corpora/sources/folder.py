"""A user's own collection in the BEIR layout: corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, with languages.

Each corpus line has ``_id``, ``text`` and ``lang``, and optionally ``title`` and ``content_id``. Each query line has
``_id``, ``text`` and ``lang``, and optionally ``query_id``, which its translations share. ``lang``, ``content_id`` and
``query_id`` may stand in ``metadata`` instead. Without a content id a document is a content of its own. Where ``lang``
is missing, the language is detected, and counted in a note.

The files may be gzipped, or of another format of records. They may also lie as on the Hugging Face hub and in mteb:
folders ``corpus``, ``queries`` and ``qrels`` (or ``default``), or one of each for every configuration (``de-corpus``),
or a folder with all three for every language (``de``). The configuration is part of the ids, and the language of lines
that name none where it is one. In a folder ``corpus`` or ``queries`` a file may be named by its language
(``corpus/de.jsonl``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from isoglot.corpora.collection import Collection
from isoglot.corpora.left_out import LeftOut
from isoglot.corpora.readers.lines import kind_of
from isoglot.corpora.readers.records import READERS_OF_RECORDS
from isoglot.corpora.sources.beir import EACH_LANGUAGE, Part, are_by_language, collection, of_split, qrels_of_split
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.languages import known

_KINDS_OF_QRELS = (*READERS_OF_RECORDS, ".txt", ".trec", ".qrels")


def load(path: Path | None, split: str | None, left_out: LeftOut, *, find_identical: bool = False) -> Collection:
    """Load the collection in the folder `path`, judged by qrels/`split`.tsv (default: test.tsv, or the only one there).

    Queries without a relevant document in that split are left out, as is usual for BEIR.

    Args:
        path: The folder.
        split: The split; None: ``test``, or the only one.
        left_out: Counts what is left out.
        find_identical: Whether a query finds a document that has its id.

    Raises:
        IsoglotError: No folder was named, or a file is missing or wrong; the message has file and line.
    """
    if path is None:
        raise IsoglotError("name the folder: folder:DIR")
    qrels = qrels_files(path, split)
    return collection(
        path.resolve().name + (f"@{split}" if split else ""),
        files_of(path, "corpus", qrels[0].split),
        files_of(path, "queries", qrels[0].split),
        qrels,
        left_out,
        where=path,
        find_identical=find_identical,
    )


def corpus_parts(folder: Path) -> list[Part]:
    """Return the files of the corpus where a folder is a collection, with queries or qrels beside it; else none.

    Raises:
        InputError: Two of them differ by their formats alone.
    """
    beside = ("queries.*", "data/queries.*", "*queries", "*qrels", "*/queries.*")
    if not any(next(folder.glob(pattern), None) for pattern in beside):
        return []
    corpus = _files_if_any(folder, "corpus")
    qrels = _parts(folder, ("qrels", "default"), _KINDS_OF_QRELS)
    return of_split(corpus, EACH_LANGUAGE) if are_by_language(qrels, corpus) else corpus


def qrels_files(folder: Path, split: str | None) -> list[Part]:
    """Return the qrels files of a split (see `qrels_of_split`).

    Raises:
        InputError: The folder has no qrels, or none of that split.
    """
    parts = _parts(folder, ("qrels", "default"), _KINDS_OF_QRELS)
    _check_each_once(parts)
    if not parts:
        _refuse_other_kinds(folder, ("qrels", "default"), _KINDS_OF_QRELS)
        raise InputError("has no qrels/SPLIT.tsv", folder)
    return qrels_of_split(parts, split, _files_if_any(folder, "corpus"))


def files_of(folder: Path, name: str, split: str) -> list[Part]:
    """Return the files of the corpus or of the queries: NAME.jsonl, or those in folders NAME and LANGUAGE-NAME.

    Args:
        folder: The collection.
        name: ``corpus`` or ``queries``.
        split: The split of its qrels: of several files in a folder, those of that name are taken, if there are any.

    Raises:
        InputError: There is none.
    """
    parts = _files_if_any(folder, name)
    if not parts:
        _refuse_other_kinds(folder, (name,), READERS_OF_RECORDS)
        raise InputError("no such file", folder / f"{name}.jsonl")
    return of_split(parts, split)


def _files_if_any(folder: Path, name: str) -> list[Part]:
    places = [(folder, ""), (folder / "data", ""), *((child, child.name) for child in _languages(folder))]
    parts = [
        part
        for parent, configuration in places
        for file in _of_kinds(parent, READERS_OF_RECORDS)
        if (part := Part.of_file(file, configuration)).split == name
    ] or _parts(folder, (name,), READERS_OF_RECORDS)
    _check_each_once(parts)
    return parts


def _languages(folder: Path) -> list[Path]:
    """Return the folders in a folder that are named by a language, each a collection in the same layout."""
    return [child for child in sorted(folder.glob("*")) if child.is_dir() and known(child.name)]


def _refuse_other_kinds(folder: Path, names: Iterable[str], kinds: Iterable[str]) -> None:
    """Refuse files in the places of those that are missing which are of a kind that is not read.

    Raises:
        InputError: There is one.
    """
    patterns = [
        pattern for name in names for pattern in (f"{name}.*", f"data/{name}*.*", f"{name}/*.*", f"*-{name}/*.*")
    ]
    files = (file for pattern in patterns for file in sorted(folder.glob(pattern)))
    unknown = next((file for file in files if file.is_file() and not file.name.startswith(".")), None)
    if unknown is not None:
        raise InputError(f"unknown kind of file; known are {' '.join(kinds)}, gzipped or not", unknown)


def _check_each_once(parts: Iterable[Part]) -> None:
    """Check that no two files differ by their formats alone, as ``corpus.jsonl`` and ``corpus.jsonl.gz`` do.

    Raises:
        InputError: Two do.
    """
    seen: dict[tuple[str, str], Path] = {}
    for part in parts:
        first = seen.setdefault((part.configuration, _stem(part.path)), part.path)
        if first != part.path:
            raise InputError(f"is there as {first.name} too; remove one of them", part.path)


def _stem(file: Path) -> str:
    """Return the name of a file without suffixes."""
    return file.name.removesuffix(".gz").rpartition(".")[0]


def _parts(folder: Path, names: Sequence[str], kinds: Iterable[str]) -> list[Part]:
    """Return the files in the folders NAME, CONFIGURATION-NAME and LANGUAGE/NAME."""
    parts = []
    for child in sorted(folder.glob("*")):
        configuration, _, name = child.name.rpartition("-")
        if name in names and child.is_dir() and not configuration.startswith("."):
            parts += [Part.of_file(file, configuration) for file in _of_kinds(child, kinds)]
    places = ((language / name, language.name) for language in _languages(folder) for name in names)
    return [*parts, *(Part.of_file(file, language) for place, language in places for file in _of_kinds(place, kinds))]


def _of_kinds(folder: Path, kinds: Iterable[str]) -> list[Path]:
    known_kinds = tuple(kinds)
    files = sorted(file for file in folder.glob("*") if not file.name.startswith("."))
    return [file for file in files if kind_of(file) in known_kinds]
