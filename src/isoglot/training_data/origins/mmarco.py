"""mMARCO: MS MARCO's training questions and passages, machine-translated from English into 13 languages.

Bonifacio et al. 2021, "mMARCO: A Multilingual Version of the MS MARCO Passage Ranking Dataset" (arXiv:2108.13897). The
layout is that of the loading script in unicamp-dl/mmarco: lines "id\\ttext" in
``data/google/collections/LANGUAGE_collection.tsv`` (8.8 million passages) and
``data/google/queries/train/LANGUAGE_queries.train.tsv``, with the same ids in all languages, and lines
"query\\tpositive\\tnegative" of ids in ``data/triples.train.ids.small.tsv``, shuffled.
"""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from isoglot.corpora.readers.lines import read_lines
from isoglot.platform.downloads import Downloads, SourceMissingError
from isoglot.platform.errors import InputError
from isoglot.platform.files import os_errors_explained
from isoglot.training_data.origins import ORIGINS
from isoglot.training_data.origins.hub_files import find_file, hub_folder
from isoglot.training_data.row import Row

log = logging.getLogger(__name__)

NAME = "mmarco"
DATASET = "unicamp-dl/mmarco"
TRIPLES, QUERIES, COLLECTION = "triples.train.ids.small.tsv", "_queries.train.tsv", "_collection.tsv"

LANGUAGES = {
    "en": "english",
    "ar": "arabic",
    "zh": "chinese",
    "nl": "dutch",
    "fr": "french",
    "de": "german",
    "hi": "hindi",
    "id": "indonesian",
    "it": "italian",
    "ja": "japanese",
    "pt": "portuguese",
    "ru": "russian",
    "es": "spanish",
    "vi": "vietnamese",
}
"""Tag -> beginning of the names of mMARCO's files."""

MOST = 20_000
"""Number of questions read, so that their texts in all languages fit into memory; no build needs more."""

_MISDECODED = re.compile("[ÂÃâ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|\ufffd")
"""UTF-8 read as Windows-1252, as some of MS MARCO's pages were: "donâ€™t"."""


def rows(downloads: Downloads, languages: frozenset[str] | None = None, folder: Path | None = None) -> list[Row]:
    """Return a row for each of the first `MOST` questions in the triples, with the first positive named for it.

    Questions and passages with misdecoded characters in English are left out.

    Args:
        downloads: Record of the packages used.
        languages: Canonical tags of the languages wanted besides English; None: all. Each is a file of 3 to 8 GB.
        folder: Local copy of the data set's files, in its folders or in one; None: fetched from the hub.

    Raises:
        SourceMissingError: The hub cannot be reached, or the triples or an English file are missing in `folder`.
        InputError: A file is malformed.
    """
    wanted = {tag: name for tag, name in LANGUAGES.items() if tag == "en" or languages is None or tag in languages}
    if folder is None:
        paths = [
            path
            for name in wanted.values()
            for path in (f"queries/train/{name}{QUERIES}", f"collections/{name}{COLLECTION}")
        ]
        folder = hub_folder(DATASET, [f"data/{TRIPLES}", *(f"data/google/{path}" for path in paths)], downloads, NAME)
    positives = _positives(find_file(folder, TRIPLES, NAME))
    texts: dict[str, _Texts] = {}
    for tag, name in wanted.items():
        try:
            queries, collection = (find_file(folder, name + ending, NAME) for ending in (QUERIES, COLLECTION))
        except SourceMissingError as error:
            if tag == "en":
                raise
            log.warning("%s is left out: %s", tag, error)
            continue
        log.info("mmarco: reading %s", name)
        texts[tag] = _Texts(_lines(queries, positives.keys()), _lines(collection, positives.values()))
    pairs = [_row(query, passage, texts) for query, passage in positives.items()]
    return [row for row in pairs if "en" in row.query and not _MISDECODED.search(row.query["en"] + row.document["en"])]


class _Texts(NamedTuple):
    """The texts of one language: id -> text."""

    queries: dict[str, str]
    passages: dict[str, str]


def _row(query: str, passage: str, texts: Mapping[str, _Texts]) -> Row:
    complete = {tag: text for tag, text in texts.items() if query in text.queries and passage in text.passages}
    return Row(
        f"{NAME}:{passage}",
        {tag: text.queries[query] for tag, text in complete.items()},
        {tag: text.passages[passage] for tag, text in complete.items()},
        source=NAME,
        licence=ORIGINS[NAME].licence,
        provenance={tag: "original" if tag == "en" else "machine" for tag in complete},
    )


def _positives(triples: Path) -> dict[str, str]:
    """Return id of a question -> id of its first positive passage."""
    positives: dict[str, str] = {}
    for number, line in read_lines(triples):
        ids = line.split()
        if len(ids) != 3:
            raise InputError("not the ids of a query, a positive and a negative", triples, number)
        positives.setdefault(ids[0], ids[1])
        if len(positives) == MOST:
            break
    return positives


def _lines(path: Path, wanted: Iterable[str]) -> dict[str, str]:
    """Return id -> text of the wanted lines of a file that may not fit into memory."""
    ids = {text_id.encode() for text_id in wanted}
    texts: dict[str, str] = {}
    with os_errors_explained(path, "read"), path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text_id, tab, text = line.partition(b"\t")
            if not tab:
                raise InputError("no tab between id and text", path, number)
            if text_id in ids:
                texts[text_id.decode()] = " ".join(html.unescape(text.decode(errors="replace")).split())
    return {text_id: text for text_id, text in texts.items() if text}
