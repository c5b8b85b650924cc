"""Electron's documentation, translated by volunteers on Crowdin: section heading -> section, from npm's electron-i18n.

The package is one JSON file with the HTML of each page in each language. Crowdin puts the English text, by sentence or
by paragraph, where a translation is missing, so all languages of a page have the same structure.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from lxml import etree, html

from isoglot.corpora.sources.translated import folded, is_translated
from isoglot.platform.downloads import Downloads, SourceMissingError
from isoglot.platform.languages import canonical
from isoglot.training_data.origins import ORIGINS
from isoglot.training_data.row import Row

PACKAGE = "electron-i18n"
ENGLISH = "en-US"

SHORTEST = 100
"""Fewest characters of an English section; less leads over to a listing or to subsections."""

log = logging.getLogger(__name__)


class Section(NamedTuple):
    """A heading and what stands under it, up to the next heading of any level.

    Attributes:
        heading: Without the number it may begin with.
        words: How many words of the heading are no code.
        blocks: Paragraphs, list items and rows of tables.
    """

    heading: str
    words: int
    blocks: list[str]


def rows(downloads: Downloads, languages: frozenset[str] | None) -> list[Row]:
    """A row for each section of the pages, but for lists of pages and the reference of data structures.

    Left out are headings that ask for nothing, with less than two words that are no code (``win.setSize()``,
    *Event: 'close'*, *Class: Menu*), headings that several sections have (*How?*, *Usage*), and listings of code, which
    are the same in all languages.

    Raises:
        SourceMissingError: npm or the package cannot be had, or its layout changed.
    """
    pages = _pages(downloads)
    english = {
        href: list(_sections(page["html"]))
        for href, page in sorted(pages[ENGLISH].items())
        if not page.get("isApiStructureDoc") and not href.endswith("/README")
    }
    used = Counter(section.heading.casefold() for sections in english.values() for section in sections)
    texts = {
        (href, at): {"en": section}
        for href, sections in english.items()
        for at, section in enumerate(sections)
        if section.words >= 2 and used[section.heading.casefold()] == 1 and len("".join(section.blocks)) >= SHORTEST
    }
    for locale in sorted(pages):
        language = canonical(locale)
        if language == "en" or (languages is not None and language not in languages):
            continue
        for href, sections in english.items():
            translations = list(_sections(pages[locale][href]["html"])) if href in pages[locale] else []
            if len(translations) != len(sections):
                log.warning("%s: %s has other sections in %s; left out", PACKAGE, href, locale)
                continue
            for at, (section, original) in enumerate(zip(translations, sections, strict=True)):
                if (href, at) in texts and is_translated(
                    [section.heading, *section.blocks], [original.heading, *original.blocks]
                ):
                    texts[href, at][language] = section
    origin = ORIGINS["electron-docs"]
    return [
        Row(
            f"{origin.name}:{href.removeprefix('/docs/')}#{at}",
            {language: section.heading for language, section in found.items()},
            {language: "\n".join(section.blocks) for language, section in found.items()},
            origin.name,
            origin.licence,
            {language: "original" if language == "en" else "human" for language in found},
        )
        for (href, at), found in texts.items()
        if len(found) > 1
    ]


def _pages(downloads: Downloads) -> dict[str, dict[str, Any]]:
    """Locale -> address -> page.

    Raises:
        SourceMissingError: The package's layout changed.
    """
    files = dict(downloads.npm_files(PACKAGE, lambda name: name == "package/dist/docs.json"))
    try:
        pages: dict[str, dict[str, Any]] = json.loads(files["package/dist/docs.json"])
        if all("html" in page for locale in pages.values() for page in locale.values()) and pages[ENGLISH]:
            return pages
    except (ValueError, KeyError, AttributeError, TypeError):
        pass  # told below
    raise SourceMissingError(f"{PACKAGE} has no HTML of {ENGLISH} in dist/docs.json; its layout changed")


_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_BLOCKS = {"p", "ul", "ol", "li", "table", "tr", "blockquote", "div"}
_BREAK = "\0"


def _sections(page: str) -> Iterator[Section]:
    root = html.fragment_fromstring(re.sub("[\u200b`]", "", page), create_parent="div")  # stray, of some translations
    etree.strip_elements(root, "pre", "img", etree.Comment, with_tail=False)
    heading, parts = None, ""
    for child in [*root, None]:
        if child is not None and child.tag not in _HEADINGS:
            parts += _text(child)
            continue
        if heading is not None:
            yield Section(
                re.sub(r"^\d+[.)]\s+", "", folded(heading.text_content())),
                _words(heading),
                [text for part in parts.split(_BREAK) if (text := folded(part).removesuffix(" |"))],
            )
        heading, parts = child, ""


def _text(element: html.HtmlElement) -> str:
    """Its text with `_BREAK` around each block."""
    inside = (element.text or "") + "".join(_text(child) + (child.tail or "") for child in element)
    if element.tag in ("td", "th"):
        return f"{inside} | "
    return _BREAK + inside + _BREAK if element.tag in _BLOCKS or element.tag == "br" else inside


def _words(heading: html.HtmlElement) -> int:
    """How many words of a heading are no code, no name of an event, class or option, and no platform (emphasised)."""
    text = heading.text_content()
    for part in heading.iter("code", "em"):
        text = text.replace(part.text_content(), " ")
    return len(re.findall(r"[^\W\d_]{2,}", re.sub(r"'[\w-]+'|Class: \w+|--\S+", " ", text)))
