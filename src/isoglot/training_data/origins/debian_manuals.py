"""Sections of Debian's manuals: the installation guide, the administrator's handbook and the reference.

A heading is the query, the section's own text up to its first subsection the document; the handbook's boxes beside the
text are sections too. The translations are made from message catalogues, so the sections of a file follow each other
in every language as in English; a file where they do not is left out.
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
"""Fewest characters of English paragraphs, and where listings and tables are left out: shorter ones only lead over to
those or to subsections."""

BESIDE = 0.25
"""Most listings and tables to a section's paragraphs, in characters, with which a document keeps its listings and is no
mere lead to its tables."""

LEFT_IN_ENGLISH = 0.05
"""From which share of a translation's paragraphs, in characters, being left in English it is not used."""


@dataclass(frozen=True)
class Manual:
    """A book, in one package or in one a language.

    Attributes:
        name: In content ids.
        packages: Their names as a regular expression, with a group ``tag`` where each language has its own.
        files: The paths of its files, with groups ``tag`` (a language, as the package spells it) and ``file``.
        licence: SPDX expression, after the packages' copyright files.
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
"""Tags that mean something else in these packages than elsewhere: ``pt`` is Portugal's, beside ``pt-BR``."""

Book = dict[str, dict[str, list[Section]]]  # language -> file -> its sections


def rows(downloads: Downloads, languages: frozenset[str] | None) -> list[Row]:
    """Headings and sections, in the order of the manuals' files.

    Args:
        downloads: Where packages are kept.
        languages: Canonical tags wanted besides English; None: all.

    Raises:
        SourceMissingError: None of the manuals can be had.
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
        raise SourceMissingError(f"no manual of Debian can be had: {'; '.join(missing)}")
    headings = Counter(
        section.heading.casefold() for book in books.values() for file in book["en"].values() for section in file
    )
    repeated = {heading for heading, times in headings.items() if times > 1}
    return [row for manual, book in books.items() for row in _rows(manual, book, repeated)]


def _read(manual: Manual, downloads: Downloads, languages: frozenset[str] | None) -> Book:
    wanted = None if languages is None else languages | {"en"}
    found: Book = defaultdict(dict)
    for name in downloads.debian_names(manual.packages):
        package = re.fullmatch(manual.packages, name)
        tag = package and package.groupdict().get("tag")
        if tag and wanted is not None and _language(tag) not in wanted:
            continue
        try:
            for path, content in downloads.debian_files(name, lambda path: bool(re.fullmatch(manual.files, path))):
                place = re.fullmatch(manual.files, path)
                if place and (wanted is None or _language(place["tag"]) in wanted):
                    found[_language(place["tag"])][place["file"]] = sections(content)
        except SourceMissingError as error:
            log.warning("debian-manuals: %s is left out: %s", name, error)
    if not any(found["en"].values()):
        raise SourceMissingError(f"no package {manual.packages} with sections in English where they used to be")
    return found


def _language(tag: str) -> str:
    return _LANGUAGES.get(tag) or canonical(tag)


def _rows(manual: Manual, book: Book, repeated: set[str]) -> Iterator[Row]:
    for file, english in sorted(book["en"].items()):
        translations = {"en": english}
        for language, files in sorted(book.items()):
            if [part.depth for part in files.get(file, [])] == [part.depth for part in english]:
                translations[language] = files[file]
            elif file in files:
                log.warning("debian-manuals: %s %s has other sections in %s; left out", manual.name, file, language)
        for at, section in enumerate(english):
            shortest = SHORTEST_BESIDE if _is_much_beside(section) else SHORTEST
            if _size(section.paragraphs) < shortest or not section.heading:
                continue
            in_context = section.heading.casefold() in repeated or " " not in section.heading
            if in_context and section.parent.casefold() in ("", section.heading.casefold()):
                continue
            cells = {
                language: (_query(parts[at], in_context), _document(parts[at], section))
                for language, parts in translations.items()
                if language == "en" or _translated(parts[at], section, in_context)
            }
            if len(cells) == 1:
                continue
            yield Row(
                content_id=f"debian-manuals:{manual.name}/{file}#{section.anchor or at}",
                query={language: query for language, (query, _) in cells.items()},
                document={language: document for language, (_, document) in cells.items()},
                source="debian-manuals",
                licence=manual.licence,
                provenance={language: "original" if language == "en" else "human" for language in cells},
            )


def _query(section: Section, in_context: bool) -> str:
    return f"{section.parent}: {section.heading}" if in_context else section.heading


def _document(section: Section, english: Section) -> str:
    """Its text; without listings where in English they are long, so that it says the same in all languages."""
    return "\n".join(section.paragraphs) if _is_much_beside(english) else section.text


def _is_much_beside(section: Section) -> bool:
    return _size(section.listings) + _size(section.tables) > BESIDE * _size(section.paragraphs)


def _translated(section: Section, english: Section, in_context: bool) -> bool:
    grams = {gram for text in english.paragraphs for gram in _grams(text)}
    left = _size([text for text in section.paragraphs if _is_english(text, grams)])
    if not section.heading or left >= LEFT_IN_ENGLISH * max(1, _size(section.paragraphs)):
        return False
    pairs = [(section.heading, english.heading), *([(section.parent, english.parent)] if in_context else [])]
    return all(ours != theirs or _named(ours, section.paragraphs) for ours, theirs in pairs)


def _is_english(text: str, grams: set[tuple[str, ...]]) -> bool:
    """Whether a paragraph is mostly Latin letters and, but for references to other sections, the English one."""
    words, own = _words(text), _grams(text)
    latin = 2 * sum(map(len, words)) > sum(map(str.isalpha, text))
    return latin and 2 * sum(gram in grams for gram in own) > len(own)


def _named(heading: str, paragraphs: Sequence[str]) -> bool:
    """Whether each word of a heading that is the English one is in the translated text too: "Xen", not "Backup"."""
    used = {word for text in paragraphs for word in _words(text)}
    return used.issuperset(_words(heading))


def _grams(text: str) -> list[tuple[str, ...]]:
    words = _words(text)
    return list(zip(*(words[start:] for start in range(4)), strict=False))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]{2,}", text.casefold())


def _size(texts: Sequence[str]) -> int:
    return sum(map(len, texts))
