"""Headings and the sections under them out of LibreOffice's help, written and translated by people.

The Debian packages ``libreoffice-help-XX`` hold the same HTML pages in each language: the same headings and paragraphs
with the same ids. Which headings begin a section, and which paragraphs of it say something, is decided on the English
pages; a translated section is taken where its paragraphs are the English ones by id. What nobody has translated is
English in the files of every language.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from lxml import etree

from isoglot.platform.downloads import Downloads, SourceMissingError
from isoglot.platform.languages import canonical
from isoglot.training_data.origins import ORIGINS
from isoglot.training_data.row import Row

log = logging.getLogger(__name__)

ORIGIN = ORIGINS["libreoffice-help"]

PART_HEADINGS = frozenset(
    "Syntax|Example|Examples|Parameters|Parameter|Return value|Return type|Error codes|In Python|In Basic|Options|"
    "Technical information|Arguments|Usage|Overview|Note|Notes|Description|Remarks|Service invocation".split("|")
)
"""Headings whose text is about what the heading above them names: it continues that section."""

LEAST_CHARACTERS = 200
"""A shorter English section (``Deletes the selected entry.``) says little more than its heading."""

SHORT_HEADING = 2
"""A heading of so many words gets the title of its page in front: ``User Data: First name``."""

PROSE_WORDS = 5
"""A paragraph of fewer words is a name, a key or a value; a section that is mostly such is a table, not prose."""

BOILERPLATE = 10
"""A paragraph of so many sections is about none of them: ``This function is available since LibreOffice 5.0.``"""

_WORDS = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class _Block:
    """A heading or paragraph.

    Attributes:
        element: What lxml made of it.
    """

    element: Any

    @property
    def key(self) -> str:
        """Its id; empty where it has none."""
        return str(self.element.get("id", ""))

    @cached_property
    def text(self) -> str:
        """With white space folded."""
        return " ".join("".join(self.element.itertext()).split())


class _Section(NamedTuple):
    """A section of the English help, and its translations.

    Attributes:
        page: Path in the help, e.g. ``shared/guide/doc_autosave.html``.
        headings: Ids of all headings of the page that begin a section.
        title: Id of the page's title if the query begins with it, else empty.
        heading: Id of the heading.
        under: The English blocks under the heading.
        chosen: Positions of those that make the document.
        query: Language -> text.
        document: Language -> text.
    """

    page: str
    headings: Collection[str]
    title: str
    heading: str
    under: Sequence[_Block]
    chosen: Sequence[int]
    query: dict[str, str]
    document: dict[str, str]


def rows(downloads: Downloads, languages: frozenset[str] | None) -> list[Row]:
    """One row for each section of the English help that has a translation, in the order of pages.

    Args:
        downloads: Where the packages come from.
        languages: Canonical tags wanted besides English; None: all.

    Raises:
        SourceMissingError: The English help cannot be had, or has another layout than known here.
    """
    pages = _english(downloads)
    for package in downloads.debian_names(f"{_PREFIX}.*"):
        language = _language(package)
        if language is None or (languages is not None and language not in languages):
            continue
        try:
            translated = sum(
                _translate(pages[page], blocks, language)
                for page, blocks in _pages(downloads, package, pages.__contains__)
            )
        except SourceMissingError as error:
            log.warning("%s is left out: %s", package, error)
            continue
        if not translated:
            log.warning("%s has no translated pages of its own", package)
    return [
        Row(
            f"{ORIGIN.name}:{page.removesuffix('.html')}#{section.heading}",
            section.query,
            section.document,
            ORIGIN.name,
            ORIGIN.licence,
            {language: "original" if language == "en" else "human" for language in section.query},
        )
        for page, sections in sorted(pages.items())
        for section in sections
        if len(section.query) > 1
    ]


_PREFIX = "libreoffice-help-"


def _language(package: str) -> str | None:
    """The language that a package adds; None for English and what all languages share."""
    name = package.removeprefix(_PREFIX)
    if name == "common" or name.startswith("en-"):
        return None
    return canonical("pt-PT" if name == "pt" else name)  # Debian's pt is Portugal's, beside pt-br


# Pages

_UNWANTED = etree.XPath(
    "//div[@class='howtoget' or @class='relatedtopics' or @class='noteicon'"
    " or @class='bascode' or @class='pycode' or @class='sqlcode'] | //pre"
    " | //span[@class='switch' or @class='switchinline']/span[not(starts-with(@id, 'default'))"
    " and (preceding-sibling::span or following-sibling::span[starts-with(@id, 'default')])]"
)
"""Menu paths, link lists, icons, programs, and of variants for systems or applications all but the default or first."""

_BLOCKS = ("h1", "h2", "h3", "h4", "h5", "h6", "p")
_PARSER = etree.HTMLParser(encoding="utf-8")


def _pages(downloads: Downloads, package: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, list[_Block]]]:
    """(page, blocks) of the wanted pages of a package that have text."""
    language = package.removeprefix(_PREFIX)

    def name(path: str) -> str:
        folder, _, page = path.partition("/text/")
        return page if folder.rpartition("/")[2].lower() == language else ""  # the package ca has ca-valencia as well

    for path, content in downloads.debian_files(package, lambda path: path.endswith(".html") and wanted(name(path))):
        start, end = content.find(b'<div id="DisplayArea"'), content.find(b'<div id="SearchFrame"')
        if start < 0:
            continue
        tree = etree.fromstring(content[start : end if end > start else None], _PARSER)
        for element in _UNWANTED(tree):
            element.tag = "unwanted"
        etree.strip_elements(tree, "unwanted", with_tail=False)
        for element in tree.iter("br"):
            element.text = " "
        yield name(path), [_Block(element) for element in tree.iter(*_BLOCKS)]


def _split(blocks: Sequence[_Block], headings: Collection[str]) -> dict[str, tuple[str, list[_Block]]]:
    """Id of a heading -> its text and what is under it up to the next one; of an id that repeats, the first."""
    sections: dict[str, tuple[str, list[_Block]]] = {}
    under: list[_Block] = []
    for block in blocks:
        if block.key in headings:
            under = []
            sections.setdefault(block.key, (block.text.rstrip(" :：.…"), under))
        else:
            under.append(block)
    return sections


# English

_SNIPPETS = re.compile(r"\w+/00/(00000004|00000099|000004\d\d|0004\d+|\w*menu|avail_release|icon_alt)\.html")
"""Pages that only hold menu paths for other pages to embed."""


def _english(downloads: Downloads) -> dict[str, list[_Section]]:
    """Page -> its sections that can be used."""
    found: list[_Section] = []
    titles: dict[str, tuple[str, str]] = {}
    for page, blocks in _pages(downloads, f"{_PREFIX}en-us", lambda page: page != "" and not _SNIPPETS.fullmatch(page)):
        headings = {block.key: block.element for block in reversed(blocks) if _begins_section(block)}
        for key, (heading, under) in _split(blocks, headings).items():
            if headings[key].tag == "h1":
                titles.setdefault(page, (key, heading))
            if not _leads_elsewhere(headings[key], page) and re.search(r"[^\W\d_]{2}", heading):
                found.append(_Section(page, headings.keys(), "", key, under, [], {"en": heading}, {}))
    if not found:
        raise SourceMissingError(f"{_PREFIX}en-us has no pages with headings; its layout is not the one known here")
    pages = defaultdict(list)
    for section in _with_titles(_with_documents(found), titles):
        pages[section.page].append(section)
    return pages


def _begins_section(block: _Block) -> bool:
    if block.element.tag == "h1":
        return bool(block.key)
    return block.element.tag != "p" and bool(block.key) and block.text.rstrip(" :") not in PART_HEADINGS


def _leads_elsewhere(element: Any, page: str) -> bool:
    """Whether a heading or paragraph is nothing but a link to another page, which has the text."""
    link = element.find(".//a[@href]")
    if link is None or "".join(link.itertext()).split() != "".join(element.itertext()).split():
        return False
    return bool(link.get("href").partition("#")[0].partition("/text/")[2] != page)


def _with_documents(found: Sequence[_Section]) -> list[_Section]:
    repeats = Counter(text for section in found for text in {block.text for block in section.under})
    kept = []
    for section in found:
        chosen = [
            at
            for at, block in enumerate(section.under)
            if repeats[block.text] < BOILERPLATE and _says_something(block, section)
        ]
        while chosen and section.under[chosen[-1]].text.endswith(":"):  # what it announces was left out
            chosen.pop()
        texts = [section.under[at].text for at in chosen]
        document = "\n".join(texts)
        prose = sum(len(text) for text in texts if len(_WORDS.findall(text)) >= PROSE_WORDS)
        if len(document) >= LEAST_CHARACTERS and prose > len(document) / 2:
            kept.append(section._replace(chosen=chosen, document={"en": document}))
    return kept


def _says_something(block: _Block, section: _Section) -> bool:
    element = block.element
    if element.tag != "p" or block.text.casefold() == section.query["en"].casefold():
        return False
    if " " not in block.text or len(_WORDS.findall(block.text)) < 2:  # a type, a key, an error code
        return False
    is_icon_label = element.getparent().get("class") == "iconcell" and not block.text.endswith((".", "!", ":"))
    return not (is_icon_label or _leads_elsewhere(element, section.page))


def _with_titles(sections: Sequence[_Section], titles: Mapping[str, tuple[str, str]]) -> Iterator[_Section]:
    """With the page's title in front of headings that are short or stand over several documents."""
    documents = defaultdict(set)
    for section in sections:
        documents[section.query["en"].casefold()].add(section.document["en"])
    for section in sections:
        heading = section.query["en"]
        key, title = titles.get(section.page, ("", ""))
        alone = len(heading.split()) > SHORT_HEADING and len(documents[heading.casefold()]) == 1
        if alone or key in ("", section.heading):
            yield section
        else:
            yield section._replace(title=key, query={"en": f"{title}: {heading}"})


# Translations


def _translate(sections: Sequence[_Section], blocks: Sequence[_Block], language: str) -> int:
    """Add to the sections of a page what is translated of them; returns how many that are."""
    found = _split(blocks, sections[0].headings)
    translated = 0
    for section in sections:
        heading, under = found.get(section.heading, ("", []))
        title = found.get(section.title, ("", []))[0]
        query = f"{title}: {heading}" if section.title else heading
        if [block.key for block in under] != [block.key for block in section.under]:
            continue
        if _same_query(title, heading, section.query["en"]):
            continue
        if any(_same_prose(under[at], section.under[at]) for at in section.chosen):
            continue
        section.query[language] = query
        section.document[language] = "\n".join(under[at].text for at in section.chosen)
        translated += 1
    return translated


def _same_query(title: str, heading: str, english: str) -> bool:
    """Whether title or heading were left in English; the name of a function may be the same in both languages."""
    if not title:
        return heading == english
    return english.startswith(f"{title}: ") or (english.endswith(f": {heading}") and not heading.isupper())


def _same_prose(block: _Block, english: _Block) -> bool:
    """Whether a paragraph was left in English; code and names are the same in all languages."""
    if block.text != english.text or "code" in block.element.get("class", ""):
        return False
    words = len(_WORDS.findall(block.text))
    return words >= PROSE_WORDS or (words > 2 and block.text.endswith("."))  # Choose Insert - Image.
