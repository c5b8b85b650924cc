"""Electron's documentation, translated by volunteers on Crowdin: section heading -> section, from npm's electron-i18n.

The package is one JSON file with the HTML of each page in each language. Crowdin puts the English text, by sentence or
by paragraph, where a translation is missing, so all languages of a page have the same structure.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from isoglot.corpora.sources.translated import folded, is_translated
from isoglot.platform.downloads import Downloads, SourceMissingError
from isoglot.platform.extras import needs
from isoglot.platform.languages import canonical
from isoglot.training_data.origins import ORIGINS
from isoglot.training_data.row import Row

with needs("building rows", "data"):
    from lxml import etree, html

PACKAGE = "electron-i18n"
ENGLISH = "en-US"

SHORTEST = 100
"""Fewest characters of an English section; a shorter one only leads over to a listing or to subsections."""

log = logging.getLogger(__name__)


class Section(NamedTuple):
    """A heading and what stands under it, up to the next heading of any level.

    Attributes:
        heading: Text of the heading, without the number it may begin with.
        words: Number of words of the heading that are not code.
        blocks: Paragraphs, list items and rows of tables.
    """

    heading: str
    words: int
    blocks: list[str]


class _Page(msgspec.Struct, frozen=True):
    """A page in the package's JSON file, as far as it is read."""

    html: str
    is_structure: bool = msgspec.field(name="isApiStructureDoc", default=False)


_Place = tuple[str, int]  # address of a page, position of a section in it


def rows(downloads: Downloads, languages: frozenset[str] | None) -> list[Row]:
    """Return a row for each section of the pages, except lists of pages and the reference of data structures.

    Left out are headings that ask for nothing, with fewer than two words that are not code (``win.setSize()``,
    *Event: 'close'*, *Class: Menu*), headings that several sections have (*How?*, *Usage*), and listings of code, which
    are the same in all languages.

    Args:
        downloads: Where the package comes from.
        languages: Canonical tags of the languages wanted besides English; None: all.

    Raises:
        SourceMissingError: npm or the package is not available, or its layout changed.
    """
    pages = _pages(downloads)
    english = {
        href: list(_sections(page.html))
        for href, page in sorted(pages[ENGLISH].items())
        if not page.is_structure and not href.endswith("/README")
    }
    frequencies = Counter(section.heading.casefold() for sections in english.values() for section in sections)
    texts = {
        (href, position): {"en": section}
        for href, sections in english.items()
        for position, section in enumerate(sections)
        if section.words >= 2
        and frequencies[section.heading.casefold()] == 1
        and len("".join(section.blocks)) >= SHORTEST
    }
    for locale in sorted(pages):
        language = canonical(locale)
        if language != "en" and (languages is None or language in languages):
            for place, section in _translations(pages[locale], english, texts.keys(), locale):
                texts[place][language] = section
    return [_row(href, position, versions) for (href, position), versions in texts.items() if len(versions) > 1]


def _translations(
    pages: Mapping[str, _Page], english: Mapping[str, Sequence[Section]], wanted: Container[_Place], locale: str
) -> Iterator[tuple[_Place, Section]]:
    """Yield the sections in the wanted places that one locale has translated, with their places."""
    for href, originals in english.items():
        sections = list(_sections(pages[href].html)) if href in pages else []
        if len(sections) != len(originals):
            log.warning("%s: %s has other sections in %s; left out", PACKAGE, href, locale)
            continue
        for position, (section, original) in enumerate(zip(sections, originals, strict=True)):
            if (href, position) in wanted and is_translated(
                [section.heading, *section.blocks], [original.heading, *original.blocks]
            ):
                yield (href, position), section


def _row(href: str, position: int, versions: Mapping[str, Section]) -> Row:
    origin = ORIGINS["electron-docs"]
    return Row(
        f"{origin.name}:{href.removeprefix('/docs/')}#{position}",
        {language: section.heading for language, section in versions.items()},
        {language: "\n".join(section.blocks) for language, section in versions.items()},
        source=origin.name,
        licence=origin.licence,
        provenance={language: "original" if language == "en" else "human" for language in versions},
    )


def _pages(downloads: Downloads) -> dict[str, dict[str, _Page]]:
    """Locale -> address -> page.

    Raises:
        SourceMissingError: The package's layout changed.
    """
    files = dict(downloads.npm_files(PACKAGE, lambda name: name == "package/dist/docs.json"))
    try:
        pages = msgspec.convert(json.loads(files["package/dist/docs.json"]), dict[str, dict[str, _Page]])
    except (KeyError, ValueError, msgspec.ValidationError) as error:
        raise _layout_changed() from error
    if not pages.get(ENGLISH):
        raise _layout_changed()
    return pages


def _layout_changed() -> SourceMissingError:
    return SourceMissingError(f"{PACKAGE} has no HTML of {ENGLISH} in dist/docs.json; its layout changed")


_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_BLOCKS = {"p", "ul", "ol", "li", "table", "tr", "blockquote", "div"}
_BREAK = "\0"


def _sections(page: str) -> Iterator[Section]:
    root = html.fragment_fromstring(re.sub("[\u200b`]", "", page), create_parent="div")  # stray, of some translations
    etree.strip_elements(root, "pre", "img", etree.Comment, with_tail=False)
    heading, text = None, ""
    for child in [*root, None]:
        if child is not None and child.tag not in _HEADINGS:
            text += _text(child)
            continue
        if heading is not None:
            yield Section(
                re.sub(r"^\d+[.)]\s+", "", folded(heading.text_content())),
                _words(heading),
                [block for part in text.split(_BREAK) if (block := folded(part).removesuffix(" |"))],
            )
        heading, text = child, ""


def _text(element: html.HtmlElement) -> str:
    """Return the text of an element with `_BREAK` around each block."""
    inside = (element.text or "") + "".join(_text(child) + (child.tail or "") for child in element)
    if element.tag in ("td", "th"):
        return f"{inside} | "
    return _BREAK + inside + _BREAK if element.tag in _BLOCKS or element.tag == "br" else inside


def _words(heading: html.HtmlElement) -> int:
    """Count the words of a heading except code, names of events, classes and options, and (emphasised) platforms."""
    text = heading.text_content()
    for part in heading.iter("code", "em"):
        text = text.replace(part.text_content(), " ")
    return len(re.findall(r"[^\W\d_]{2,}", re.sub(r"'[\w-]+'|Class: \w+|--\S+", " ", text)))
