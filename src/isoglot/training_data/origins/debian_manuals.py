"""Sections of Debian's manuals: the installation guide, the administrator's handbook and the reference.

A heading is the query; the section's own text, up to its first subsection, is the document. The handbook's boxes beside
the text are sections too. The translations are made from message catalogues, so the sections of a file have the same
order in every language; a file where they do not is left out.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from isoglot.platform.downloads import Downloads, SourceMissingError
from isoglot.platform.languages import canonical
from isoglot.training_data.origins.html_sections import Section, sections
from isoglot.training_data.row import Row

log = logging.getLogger(__name__)

SHORTEST, SHORTEST_BESIDE = 100, 400
"""Fewest characters of a section's English paragraphs, and of those beside long listings or tables. Shorter sections
only lead over to subsections, listings or tables."""

BESIDE = 0.25
"""Largest ratio of listings and tables to paragraphs, in characters, with which a document keeps its listings and
`SHORTEST` applies."""

LEFT_IN_ENGLISH = 0.05
"""A translation with this share of its paragraphs, in characters, left in English is not used."""


@dataclass(frozen=True)
class Manual:
    """A book, in one package for all languages or in one for each.

    Attributes:
        name: Name of the book in content ids.
        packages: Regular expression of the packages' names, with a group ``tag`` where each language has its own.
        files: Regular expression of the paths of its files, with groups ``tag`` (a language, as the package spells it)
            and ``file``.
        licence: Licence according to the packages' copyright files, as an SPDX expression.
    """

    name: str
    packages: str
    files: str
    licence: str


MANUALS = (
    Manual(
        "installation-guide",
        r"installation-guide-amd64",
        r"usr/share/doc/installation-guide-amd64/(?P<tag>\w+)/(?P<file>(?:ch|ap[a-e]|pr)\w+)\.html",
        "GPL-2.0-only",
    ),
    Manual(
        "handbook",
        r"debian-handbook",
        r"usr/share/doc/debian-handbook/html/(?P<tag>[\w-]+)/(?P<file>[\w.-]+)\.html",
        "GPL-2.0-or-later OR CC-BY-SA-3.0",
    ),
    Manual(
        "reference",
        r"debian-reference-(?P<tag>(?!pt-br)[a-z]{2}(-[a-z]{2})?)",  # pt-br holds the text of Portugal, as pt does
        r"usr/share/debian-reference/(?P<file>(?:ch|ap|pr)\w+)\.(?P<tag>[\w-]+)\.html",
        "GPL-2.0-or-later",
    ),
)

_LANGUAGES = {"pt": "pt-PT", "ar-MA": "ar"}
"""Tags that mean something else in these packages than elsewhere: ``pt`` is Portugal's, as there is ``pt-BR``."""

Book = dict[str, dict[str, list[Section]]]  # language -> file -> its sections


def rows(downloads: Downloads, languages: frozenset[str] | None) -> list[Row]:
    """Return a row for each section that has a translation, in the order of the manuals' files.

    Args:
        downloads: Where the packages come from.
        languages: Canonical tags of the languages wanted besides English; None: all.

    Raises:
        SourceMissingError: None of the manuals is available.
    """
    books: dict[Manual, Book] = {}
    missing = []
    for manual in MANUALS:
        try:
            books[manual] = _read(manual, downloads, languages)
        except SourceMissingError as error:
            missing.append(str(error))
            log.warning("debian-manuals: the %s is left out: %s", manual.name, error)
    if not books:
        raise SourceMissingError(f"no manual of Debian is available: {'; '.join(missing)}")
    headings = Counter(
        section.heading.casefold() for book in books.values() for file in book["en"].values() for section in file
    )
    repeated = {heading for heading, times in headings.items() if times > 1}
    return [row for manual, book in books.items() for row in _rows(manual, book, repeated)]


def _read(manual: Manual, downloads: Downloads, languages: frozenset[str] | None) -> Book:
    wanted = None if languages is None else languages | {"en"}
    book: Book = defaultdict(dict)
    for name in downloads.debian_names(manual.packages):
        match = re.fullmatch(manual.packages, name)
        tag = match and match.groupdict().get("tag")
        if tag and wanted is not None and _language(tag) not in wanted:
            continue
        try:
            for path, content in downloads.debian_files(name, lambda path: bool(re.fullmatch(manual.files, path))):
                file = re.fullmatch(manual.files, path)
                if file and (wanted is None or _language(file["tag"]) in wanted):
                    book[_language(file["tag"])][file["file"]] = sections(content)
        except SourceMissingError as error:
            log.warning("debian-manuals: %s is left out: %s", name, error)
    if not any(book["en"].values()):
        raise SourceMissingError(f"no package {manual.packages} with sections in English where they used to be")
    return book


def _language(tag: str) -> str:
    return _LANGUAGES.get(tag) or canonical(tag)


def _rows(manual: Manual, book: Book, repeated: set[str]) -> Iterator[Row]:
    """Yield the rows of one manual; a heading in `repeated`, or of one word, gets that of its parent in front."""
    for file, english in sorted(book["en"].items()):
        translations = _corresponding(manual, book, file)
        for position, section in enumerate(english):
            shortest = SHORTEST_BESIDE if _is_much_beside(section) else SHORTEST
            if _size(section.paragraphs) < shortest or not section.heading:
                continue
            in_context = section.heading.casefold() in repeated or " " not in section.heading
            if in_context and section.parent.casefold() in ("", section.heading.casefold()):
                continue
            versions = {
                language: sections_of_file[position]
                for language, sections_of_file in translations.items()
                if language == "en" or _is_translated(sections_of_file[position], section, in_context)
            }
            if len(versions) > 1:
                yield Row(
                    content_id=f"debian-manuals:{manual.name}/{file}#{section.anchor or position}",
                    query={language: _query(version, in_context) for language, version in versions.items()},
                    document={language: _document(version, section) for language, version in versions.items()},
                    source="debian-manuals",
                    licence=manual.licence,
                    provenance={language: "original" if language == "en" else "human" for language in versions},
                )


def _corresponding(manual: Manual, book: Book, file: str) -> dict[str, list[Section]]:
    """Return language -> sections of a file, for English and the languages whose sections correspond to its own."""
    english = book["en"][file]
    translations = {"en": english}
    for language, files in sorted(book.items()):
        if [section.depth for section in files.get(file, [])] == [section.depth for section in english]:
            translations[language] = files[file]
        elif file in files:
            log.warning("debian-manuals: %s %s has other sections in %s; left out", manual.name, file, language)
    return translations


def _query(section: Section, in_context: bool) -> str:
    return f"{section.parent}: {section.heading}" if in_context else section.heading


def _document(section: Section, english: Section) -> str:
    """Return the section's text; where the English listings are long, no language keeps its listings."""
    return "\n".join(section.paragraphs) if _is_much_beside(english) else section.text


def _is_much_beside(section: Section) -> bool:
    return _size(section.listings) + _size(section.tables) > BESIDE * _size(section.paragraphs)


def _is_translated(section: Section, english: Section, in_context: bool) -> bool:
    grams = {gram for text in english.paragraphs for gram in _grams(text)}
    untranslated = _size([text for text in section.paragraphs if _is_english(text, grams)])
    if not section.heading or untranslated >= LEFT_IN_ENGLISH * max(1, _size(section.paragraphs)):
        return False
    pairs = [(section.heading, english.heading), *([(section.parent, english.parent)] if in_context else [])]
    return all(heading != original or _is_name(heading, section.paragraphs) for heading, original in pairs)


def _is_english(text: str, grams: set[tuple[str, ...]]) -> bool:
    """Return whether a paragraph is mostly Latin letters and, except for references to sections, the English one.

    Args:
        text: The paragraph.
        grams: Word 4-grams of the English section.
    """
    words, text_grams = _words(text), _grams(text)
    is_latin = 2 * sum(map(len, words)) > sum(map(str.isalpha, text))
    return is_latin and 2 * sum(gram in grams for gram in text_grams) > len(text_grams)


def _is_name(heading: str, paragraphs: Sequence[str]) -> bool:
    """Return whether each word of an English heading is in the translated text too: "Xen", not "Backup"."""
    used = {word for text in paragraphs for word in _words(text)}
    return used.issuperset(_words(heading))


def _grams(text: str) -> list[tuple[str, ...]]:
    words = _words(text)
    return list(zip(*(words[start:] for start in range(4)), strict=False))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]{2,}", text.casefold())


def _size(texts: Sequence[str]) -> int:
    return sum(map(len, texts))
