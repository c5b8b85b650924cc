"""Sections of HTML pages written by DocBook's stylesheets: the heading, place and text of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from isoglot.corpora.sources.translated import folded
from isoglot.platform.extras import needs

with needs("building rows", "data"):
    from lxml import etree, html

_SECTIONS = frozenset(
    ["section", "sect1", "sect2", "sect3", "sect4", "sect5", "simplesect", "chapter", "appendix", "preface", "sidebar"]
)
_ADMONITIONS = frozenset(["note", "tip", "warning", "caution", "important"])
_NO_TEXT = frozenset(
    [
        "titlepage",
        "toc",
        "footnote",
        "footnoteref",
        "figure",
        "calloutlist",
        "title",
        "admonition_header",
        "author",
        "url",
    ]
)
_BLOCKS = frozenset(["div", "p", "ul", "ol", "li", "dl", "dt", "dd", "tr", "td", "br"])
_PARAGRAPH, _LISTING, _TABLE, _BREAK = "paragraph", "listing", "table", "break"

_NUMBER = re.compile(r"^(?:[A-Z]|\d+)(?:\.\d+)*\.\s+")
_LABEL = re.compile(r"^(?:第 ?\d+ ?章|付録 ?[A-Z]|\d+장\.|\D{1,16}?(?:\d+|[A-Z])\.)\s+")  # "Chapter 6. ", "Cap. 6. "


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section or a titled box beside the text.

    Attributes:
        anchor: Id of the section, unique in the file.
        depth: Number of sections that it is in.
        heading: Heading, without its number and kind.
        parent: Heading of the section, or of the chapter in another file, that it is part of; empty if of none.
        paragraphs: Its own text up to its first subsection, with list items and terms as paragraphs of their own.
        listings: Lines of its program text and screens.
        tables: Text of its tables.
        text: Paragraphs and listings in their order, one a line.
    """

    anchor: str
    depth: int
    heading: str
    parent: str
    paragraphs: tuple[str, ...]
    listings: tuple[str, ...]
    tables: tuple[str, ...]
    text: str


def sections(content: bytes) -> list[Section]:
    """Return the sections of a file, in their order; none if it is not a page of DocBook's.

    Figures, footnotes, bare links, and the titles of notes and examples are left out.
    """
    root = _parsed(content)
    if root is None:
        return []
    chapter = _chapter(root)
    page_sections: list[Section] = []
    headings: dict[etree._Element, str] = {}
    for element in root.iter("div"):
        if _kind(element) not in _SECTIONS:
            continue
        title = next(iter(element.xpath("./div[@class='titlepage']//*[@class='title']")), None)
        if title is None:
            continue
        ancestors = [ancestor for ancestor in element.iterancestors("div") if ancestor in headings]
        headings[element] = _heading(title, _kind(element))
        blocks = list(_blocks(element))
        page_sections.append(
            Section(
                anchor=next(iter(title.xpath(".//a/@id | .//a/@name")), ""),
                depth=len(ancestors),
                heading=headings[element],
                parent=headings[ancestors[0]] if ancestors else chapter,
                paragraphs=tuple(text for text, kind in blocks if kind == _PARAGRAPH),
                listings=tuple(text for text, kind in blocks if kind == _LISTING),
                tables=tuple(text for text, kind in blocks if kind == _TABLE),
                text="\n".join(text for text, kind in blocks if kind != _TABLE),
            )
        )
    return page_sections


def _parsed(content: bytes) -> etree._Element | None:
    if not content.startswith(b"<?xml"):
        return html.document_fromstring(content, parser=html.HTMLParser(encoding="utf-8")) if content.strip() else None
    root = etree.fromstring(content, etree.XMLParser(recover=True, resolve_entities=False, no_network=True))
    for element in () if root is None else root.iter("{*}*"):
        element.tag = etree.QName(element).localname
    return root


def _kind(element: etree._Element) -> str:
    return (element.get("class") or "").split(" ")[0]


def _chapter(root: etree._Element) -> str:
    """Return the title of what the file is part of; empty if that is the whole book."""
    up = next(iter(root.xpath("//link[@rel='up']")), None)
    if up is None or up.get("href", "").startswith("index."):
        return ""
    title = folded(up.get("title", ""))
    return _NUMBER.sub("", _LABEL.sub("", title))


def _heading(title: etree._Element, kind: str) -> str:
    if kind == "sidebar":  # "TIP", "CULTURE" and the like stand in front, emphasised
        for label in title.xpath("./strong/span[@class='emphasis'][1][not(preceding-sibling::*)]"):
            return folded("".join(title.itertext())).removeprefix(folded("".join(label.itertext()))).strip(" :.")
    text = folded("".join(title.itertext()))
    return (_LABEL if kind in ("chapter", "appendix") else _NUMBER).sub("", text)


def _blocks(section: etree._Element) -> Iterator[tuple[str, str]]:
    """Yield (text, kind) of each paragraph, each line of a listing, and each table."""
    paragraph = ""
    for piece, kind in [*_inside(section, ()), ("", _BREAK)]:
        if kind == _PARAGRAPH:
            paragraph += piece
            continue
        if text := folded(paragraph):
            yield text, _PARAGRAPH
        paragraph = ""
        for line in piece.splitlines() if kind == _LISTING else [piece]:
            if text := folded(line):
                yield text, kind


def _inside(element: etree._Element, within: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield (piece of text, kind) of what an element holds; `within` are the kinds of the elements around it."""
    yield element.text or "", _PARAGRAPH
    for child in element:
        yield from _pieces(child, within)
        yield child.tail or "", _PARAGRAPH


def _pieces(element: etree._Element, within: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield (piece of text, kind) of an element, with a break before and after a block."""
    if not isinstance(element.tag, str):  # a comment
        return
    kind = _kind(element)
    if element.tag == "pre":
        yield "".join(element.itertext()), _LISTING
        return
    if element.tag == "table" and not _ADMONITIONS.intersection(within):
        yield "".join(element.itertext()), _TABLE
        return
    is_block = element.tag in _BLOCKS
    if is_block:
        yield "", _BREAK
    left_out = (
        kind in _SECTIONS | _NO_TEXT
        or element.tag in ("th", "img", "script", "style")
        or (kind == "emphasis" and "xref" in within)  # the "TIP" of a box that is referred to
    )
    if not left_out:
        yield from _inside(element, (*within, kind))
    if is_block:
        yield "", _BREAK
