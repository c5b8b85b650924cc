"""Headings of LibreOffice's help and the sections under them, written and translated by people.

The Debian packages ``libreoffice-help-XX`` hold the same HTML pages in each language: the same headings and paragraphs
with the same ids. The English pages decide which headings begin a section, and which of its paragraphs say something; a
translated section is used if its paragraphs have the ids of the English ones. What nobody has translated is English in
the files of every language.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from isoglot.platform.downloads import Downloads, SourceMissingError
from isoglot.platform.extras import needs
from isoglot.platform.languages import canonical
from isoglot.training_data.origins import ORIGINS
from isoglot.training_data.row import Row

with needs("building rows", "data"):
    from lxml import etree

log = logging.getLogger(__name__)

ORIGIN = ORIGINS["libreoffice-help"]

PART_HEADINGS = frozenset(
    "Syntax|Example|Examples|Parameters|Parameter|Return value|Return type|Error codes|In Python|In Basic|Options|"
    "Technical information|Arguments|Usage|Overview|Note|Notes|Description|Remarks|Service invocation".split("|")
)
"""Headings that continue the section above them, since their text is about what the heading above names."""

LEAST_CHARACTERS = 200
"""Fewest characters of an English section; a shorter one (``Deletes the selected entry.``) only repeats its heading."""

SHORT_HEADING = 2
"""Most words of a heading that gets the title of its page in front: ``User Data: First name``."""

PROSE_WORDS = 5
"""Fewest words of prose; a shorter paragraph is a name, a key or a value, and a section of mostly such is a table."""

BOILERPLATE = 10
"""A paragraph shared by this many sections is about none: ``This function is available since LibreOffice 5.0.``"""

_WORDS = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class _Block:
    """A heading or paragraph.

    Attributes:
        element: Its element in lxml's tree.
    """

    element: Any

    @property
    def key(self) -> str:
        """The id of the element; empty if it has none."""
        return str(self.element.get("id", ""))

    @cached_property
    def text(self) -> str:
        """The text, with white space folded."""
        return " ".join("".join(self.element.itertext()).split())


@dataclass(frozen=True, kw_only=True)
class _Section:
    """A section of the English help, and its translations, which are added to `query` and `document`.

    Attributes:
        page: Path of the page in the help, e.g. ``shared/guide/doc_autosave.html``.
        headings: Ids of all headings of the page that begin a section.
        title: Id of the page's title if the query begins with it, else empty.
        heading: Id of the heading.
        under: English blocks under the heading.
        chosen: Positions in `under` of the blocks that make the document.
        query: Language -> text of the query.
        document: Language -> text of the document.
    """

    page: str
    headings: Collection[str]
    title: str = ""
    heading: str
    under: Sequence[_Block]
    chosen: Sequence[int] = ()
    query: dict[str, str]
    document: dict[str, str] = field(default_factory=dict)


def rows(downloads: Downloads, languages: frozenset[str] | None) -> list[Row]:
    """Return one row for each section of the English help that has a translation, in the order of pages.

    Args:
        downloads: Where the packages come from.
        languages: Canonical tags of the languages wanted besides English; None: all.

    Raises:
        SourceMissingError: The English help is not available, or its layout changed.
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
            source=ORIGIN.name,
            licence=ORIGIN.licence,
            provenance={language: "original" if language == "en" else "human" for language in section.query},
        )
        for page, sections in sorted(pages.items())
        for section in sections
        if len(section.query) > 1
    ]


_PREFIX = "libreoffice-help-"


def _language(package: str) -> str | None:
    """Return the language that a package adds; None for English and for what all languages share."""
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
"""Parts that are removed from a page: menu paths, link lists, icons and programs; and of variants for systems or
applications, all but the default or the first."""

_BLOCKS = ("h1", "h2", "h3", "h4", "h5", "h6", "p")
_PARSER = etree.HTMLParser(encoding="utf-8")


def _pages(downloads: Downloads, package: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, list[_Block]]]:
    """Yield (page, blocks) of the wanted pages of a package that have text."""
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
    """Return id of a heading -> its text and the blocks up to the next one; of an id that repeats, the first."""
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
"""Pages that only hold menu paths for other pages to include."""


def _english(downloads: Downloads) -> dict[str, list[_Section]]:
    """Return page -> its sections that can be used."""
    sections: list[_Section] = []
    titles: dict[str, tuple[str, str]] = {}
    for page, blocks in _pages(downloads, f"{_PREFIX}en-us", lambda page: page != "" and not _SNIPPETS.fullmatch(page)):
        headings = {block.key: block.element for block in reversed(blocks) if _begins_section(block)}
        for key, (heading, under) in _split(blocks, headings).items():
            if headings[key].tag == "h1":
                titles.setdefault(page, (key, heading))
            if not _leads_elsewhere(headings[key], page) and re.search(r"[^\W\d_]{2}", heading):
                section = _Section(page=page, headings=headings.keys(), heading=key, under=under, query={"en": heading})
                sections.append(section)
    if not sections:
        raise SourceMissingError(f"{_PREFIX}en-us has no pages with headings; its layout is not the one known here")
    pages = defaultdict(list)
    for section in _with_titles(_with_documents(sections), titles):
        pages[section.page].append(section)
    return pages


def _begins_section(block: _Block) -> bool:
    if block.element.tag == "h1":
        return bool(block.key)
    return block.element.tag != "p" and bool(block.key) and block.text.rstrip(" :") not in PART_HEADINGS


def _leads_elsewhere(element: Any, page: str) -> bool:
    """Return whether a heading or paragraph is only a link to another page, which has the text."""
    link = element.find(".//a[@href]")
    if link is None or "".join(link.itertext()).split() != "".join(element.itertext()).split():
        return False
    return bool(link.get("href").partition("#")[0].partition("/text/")[2] != page)


def _with_documents(sections: Sequence[_Section]) -> list[_Section]:
    """Return the sections whose blocks make a document, with that document."""
    frequencies = Counter(text for section in sections for text in {block.text for block in section.under})
    kept = []
    for section in sections:
        chosen = [
            i
            for i, block in enumerate(section.under)
            if frequencies[block.text] < BOILERPLATE and _says_something(block, section)
        ]
        while chosen and section.under[chosen[-1]].text.endswith(":"):  # what it announces was left out
            chosen.pop()
        texts = [section.under[i].text for i in chosen]
        document = "\n".join(texts)
        prose = sum(len(text) for text in texts if len(_WORDS.findall(text)) >= PROSE_WORDS)
        if len(document) >= LEAST_CHARACTERS and prose > len(document) / 2:
            kept.append(replace(section, chosen=chosen, document={"en": document}))
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
    """Put the page's title in front of headings that are short or stand over several documents."""
    documents = defaultdict(set)
    for section in sections:
        documents[section.query["en"].casefold()].add(section.document["en"])
    for section in sections:
        heading = section.query["en"]
        key, title = titles.get(section.page, ("", ""))
        is_clear = len(heading.split()) > SHORT_HEADING and len(documents[heading.casefold()]) == 1
        if is_clear or key in ("", section.heading):
            yield section
        else:
            yield replace(section, title=key, query={"en": f"{title}: {heading}"})


# Translations


def _translate(sections: Sequence[_Section], blocks: Sequence[_Block], language: str) -> int:
    """Add the translations of one page to its sections, and return how many sections have one."""
    translations = _split(blocks, sections[0].headings)
    translated = 0
    for section in sections:
        heading, under = translations.get(section.heading, ("", []))
        title = translations.get(section.title, ("", []))[0]
        query = f"{title}: {heading}" if section.title else heading
        if [block.key for block in under] != [block.key for block in section.under]:
            continue
        if _same_query(title, heading, section.query["en"]):
            continue
        if any(_same_prose(under[i], section.under[i]) for i in section.chosen):
            continue
        section.query[language] = query
        section.document[language] = "\n".join(under[i].text for i in section.chosen)
        translated += 1
    return translated


def _same_query(title: str, heading: str, english: str) -> bool:
    """Return whether title or heading was left in English; the name of a function may be the same in both languages."""
    if not title:
        return heading == english
    return english.startswith(f"{title}: ") or (english.endswith(f": {heading}") and not heading.isupper())


def _same_prose(block: _Block, english: _Block) -> bool:
    """Return whether a paragraph was left in English; code and names are the same in all languages."""
    if block.text != english.text or "code" in block.element.get("class", ""):
        return False
    words = len(_WORDS.findall(block.text))
    is_sentence = words > 2 and block.text.endswith(".")  # Choose Insert - Image.
    return words >= PROSE_WORDS or is_sentence
