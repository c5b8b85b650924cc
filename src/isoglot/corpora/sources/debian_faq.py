"""The Debian FAQ: questions and answers, translated by people; Debian packages debian-faq and debian-faq-XX.

Held out for evaluation: `isoglot data build` never takes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from isoglot.corpora.collection import Collection
from isoglot.corpora.sources.translated import Item, collection, folded
from isoglot.platform.downloads import Downloads
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.extras import needs
from isoglot.platform.files import os_errors_explained

with needs("reading debian-faq", "data"):
    from lxml import etree, html

PACKAGE = "debian-faq"
LANGUAGES = {"pt": "pt-PT"}
"""Debian's name -> the language that it means, where that is another one than the name says."""

NOTES = (
    "Debian FAQ, copyright 1996-2003 Software in the Public Interest; may be copied and changed under its own terms",
    "translated by people; answers that are partly in English are left out, so languages have different contents",
)


def load(path: Path | None, split: str | None) -> Collection:
    """Load every section whose English heading is a question: the heading is the query, its text the document.

    A content id is ``NUMBER/ANCHOR`` of the section. Both must be the same in a translation, and so must the number of
    paragraphs. Listings of commands, which are the same in all languages, are left out.

    Args:
        path: A folder with ``NAME.en.html`` and ``de/NAME.de.html``, as in the packages; None: the packages.
        split: None, since there are no splits.

    Raises:
        IsoglotError: A split was named, a package is not available, or there are no English files.
    """
    if split is not None:
        raise IsoglotError(f"debian-faq has no split {split!r}")
    items: dict[str, dict[str, Item]] = {}
    for language, content in _files(path):
        items.setdefault(LANGUAGES.get(language, language), {}).update(_sections(content))
    if not items.get("en"):
        raise InputError("has no English sections, NAME.en.html", path or PACKAGE)
    questions = {identity for identity, (heading, _) in items["en"].items() if "?" in heading}
    asked = {
        language: {identity: item for identity, item in sections.items() if identity in questions}
        for language, sections in items.items()
    }
    return collection("debian-faq", asked, NOTES)


def _files(path: Path | None) -> Iterator[tuple[str, bytes]]:
    """Yield the language and the content of each chapter."""
    chapter = re.compile(r".*\.([a-z]{2}(?:-[a-z]{2})?)\.html")
    if path is None:
        downloads = Downloads()
        for package in downloads.debian_names(rf"{PACKAGE}(-[a-z]{{2}}(-[a-z]{{2}})?)?"):
            for name, content in downloads.debian_files(package, lambda name: chapter.fullmatch(name) is not None):
                yield chapter.sub(r"\1", name), content
        return
    for file in sorted((*path.glob("*.en.html"), *path.glob("*/*.html"))):
        if match := chapter.fullmatch(file.as_posix()):
            with os_errors_explained(file, "read"):
                content = file.read_bytes()
            yield match[1], content


def _sections(content: bytes) -> Iterator[tuple[str, Item]]:
    """Yield number/anchor, heading and paragraphs of each section of a chapter, without its subsections."""
    try:
        chapter = html.document_fromstring(content)
    except etree.ParserError:  # an empty file
        return
    etree.strip_elements(chapter, "sup", with_tail=False)  # the marks of footnotes
    for section in chapter.iterfind(".//div[@class='section']"):
        heading = section.find("div[@class='titlepage']//a[@id]/..")
        numbered = None if heading is None else re.fullmatch(r"([\d.]+)\.\s(.+)", folded(heading.text_content()))
        paragraphs = [
            text
            for part in section.iterfind("*")
            if part.get("class") not in ("section", "titlepage")
            for paragraph in part.iter("p", "dt")
            if (text := folded(paragraph.text_content()))
        ]
        if numbered and paragraphs:
            yield f"{numbered[1]}/{heading.find('a').get('id')}", (numbered[2], paragraphs)
