"""GNOME Help: how to use the desktop, translated by GNOME's volunteers; Debian package gnome-user-docs, Mallard XML.

Held out for evaluation: `isoglot data build` never takes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from isoglot.corpora.collection import Collection
from isoglot.corpora.sources.translated import Item, collection, folded
from isoglot.platform.downloads import Downloads
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.extras import needs
from isoglot.platform.files import os_errors_explained

with needs("reading gnome-help", "data"):
    from lxml import etree

PACKAGE = "gnome-user-docs"
LANGUAGES = {"C": "en", "sr@latin": "sr-Latn"}
"""Folder -> its language, where the name of the folder is no language tag."""

LEFT_OUT = {"pt"}
"""Folders that are not read. That for Portugal has Brazil's text with single words replaced and is ungrammatical."""

NOTES = (
    "CC-BY-SA-3.0, GNOME's documentation team and translators",
    "translated by people; passages left in English are left out, so languages have different contents",
)
MALLARD = "{http://projectmallard.org/1.0/}"


def load(path: Path | None, split: str | None) -> Collection:
    """Load every page and every section with a text of its own: its heading is the query, its text the document.

    A content id is ``PAGE`` or ``PAGE#SECTION``. A content has a version in English and in each language in which its
    heading and its text are translated. Headings of one word (*Security*) ask for nothing, and headings that occur
    twice have no single answer: both are left out.

    Args:
        path: A folder laid out as in the package, ``C/gnome-help/*.page``, ``de/gnome-help/*.page``; None: the package.
        split: None, since there are no splits.

    Raises:
        IsoglotError: A split was named, the package is not available, or a page is missing or malformed.
    """
    if split is not None:
        raise IsoglotError(f"gnome-help has no split {split!r}")
    items = {LANGUAGES.get(folder, folder): _items(pages) for folder, pages in _pages(path).items()}
    if not items.get("en"):
        raise InputError("has no English pages, C/gnome-help/*.page", path or PACKAGE)
    return collection("gnome-help", items, NOTES)


def _pages(path: Path | None) -> dict[str, dict[str, etree._Element]]:
    """Return the root element of each page, by the folder of its language and its page id."""
    parser = etree.XMLParser(remove_comments=True, remove_pis=True, resolve_entities=False)
    pages: dict[str, dict[str, etree._Element]] = {}
    for file, content in _files(path):
        match = re.fullmatch(r"(?:.*/)?([\w@]+)/gnome-help/([\w.-]+)\.page", file.as_posix())
        if match and match[1] not in LEFT_OUT:
            folder, page = match[1], match[2]
            try:
                pages.setdefault(folder, {})[page] = etree.fromstring(content, parser)
            except etree.XMLSyntaxError as error:
                raise InputError(f"malformed XML: {error.msg}", file) from error
    return pages


def _files(path: Path | None) -> Iterator[tuple[Path, bytes]]:
    if path is None:
        for name, content in Downloads().debian_files(PACKAGE, lambda name: name.endswith(".page")):
            yield Path(name), content
        return
    for file in sorted(path.glob("*/gnome-help/*.page")):
        with os_errors_explained(file, "read"):
            content = file.read_bytes()
        yield file, content


def _items(pages: Mapping[str, etree._Element]) -> dict[str, Item]:
    """Return heading and text of each content id in the pages of a language."""
    parts = {
        name if element is root else f"{name}#{element.get('id')}": element
        for name, root in pages.items()
        for element in root.iter(MALLARD + "page", MALLARD + "section")
        if element.find(MALLARD + "title") is not None
    }
    headings = {identity: _inline(element.find(MALLARD + "title")) for identity, element in parts.items()}
    for name, root in pages.items():
        for link in root.iter(MALLARD + "link"):
            if not len(link) and not (link.text or "").strip():  # shown as the heading of its target, or the address
                target = link.get("xref", "")
                link.text = headings.get(name + target if target.startswith("#") else target, link.get("href", ""))
    texts = {identity: list(_blocks(element)) for identity, element in parts.items()}
    return {identity: (headings[identity], blocks) for identity, blocks in texts.items() if blocks}


NOT_READ = {"info", "section", "links", "comment", "media", "screen"}
"""Elements whose text does not belong to the section in which they stand."""


def _blocks(element: etree._Element) -> Iterator[str]:
    """Yield the paragraphs, those in lists and tables too, and the titles inside the text."""
    heading = element.find(MALLARD + "title") if element.tag in (MALLARD + "page", MALLARD + "section") else None
    for child in element:
        name = etree.QName(child).localname
        if child is heading or name in NOT_READ or not _shown(child):
            continue
        if name in ("p", "title", "desc", "subtitle"):
            if text := _inline(child):
                yield text
        else:
            yield from _blocks(child)


def _shown(element: etree._Element) -> bool:
    """Return whether a conditional element is shown on GNOME's own desktop by a reader that installs nothing."""
    test = element.get("test") or element.get("{http://projectmallard.org/if/1.0/}test") or "!"
    return str(test).startswith("!")


def _inline(element: etree._Element) -> str:
    return folded("".join(_texts(element)))


def _texts(element: etree._Element) -> Iterator[str]:
    name = etree.QName(element).localname
    if name in ("keyseq", "guiseq"):
        yield ("+" if name == "keyseq" else " > ").join(map(_inline, element))
        return
    yield element.text or ""
    for child in element:
        yield from _texts(child)
        yield child.tail or ""
