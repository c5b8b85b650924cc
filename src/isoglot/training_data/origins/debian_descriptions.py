"""The short and the long descriptions of Debian's packages, as volunteers translated them.

An index ``Translation-XX`` has a stanza for each package: its name, the MD5 of the English description, and the
description, whose first line is the short one (here the query) and whose rest is the long one (here the document).
Debian's policy, section 5.6.13, says how a long description is laid out.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from isoglot.platform.downloads import Downloads, SourceMissingError
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import os_errors_explained
from isoglot.platform.languages import canonical
from isoglot.training_data.origins import ORIGINS
from isoglot.training_data.row import Row

log = logging.getLogger(__name__)

_ORIGIN = ORIGINS["debian-descriptions"]

_BOILERPLATE = 20
"""A sentence shared by this many unlike packages describes none: "This package contains the shared library."."""

_NEW_WORDS = 12
"""A description needs this many words, and half of its words, in sentences that no earlier row has."""


def rows(downloads: Downloads, languages: frozenset[str] | None) -> list[Row]:
    """Return one row for each family of packages that was translated; those in more languages come first.

    Args:
        downloads: Where the indices come from.
        languages: Canonical tags of the languages wanted besides English; None: all.

    Raises:
        SourceMissingError: The archive cannot be reached, or the layout of its index changed.
    """
    tags = {name: tag for name in downloads.debian_translation_languages() if (tag := _tag(name))}
    wanted = [name for name, tag in tags.items() if languages is None or tag in languages]
    indices = downloads.debian_translations(wanted)
    if "en" not in indices:
        raise SourceMissingError("Debian's archive, as this machine reaches it, has no index Translation-en")
    originals = {stanza.md5: stanza for stanza in _stanzas(indices.pop("en"))}
    if not originals:
        raise SourceMissingError("Debian's index Translation-en is not laid out as it was; no stanza could be read")
    translated: dict[str, dict[str, _Texts]] = defaultdict(dict)  # MD5 -> tag -> texts
    for name, path in indices.items():
        stanzas = [stanza for stanza in _stanzas(path) if stanza.md5 in originals]
        frequencies = _word_frequencies(stanza.long for stanza in stanzas) if name == "ko" else None
        for stanza in stanzas:
            if _is_translation(stanza, originals[stanza.md5]):
                texts = _Texts(stanza.short, _document(stanza.long, frequencies))
                translated[stanza.md5].setdefault(tags[name], texts)
    english = {md5: _Texts(stanza.short, _document(stanza.long)) for md5, stanza in originals.items()}
    candidates = [
        _row(stanza.package, {"en": english[md5], **translated[md5]})
        for md5, stanza in originals.items()
        if md5 in translated and not _PART.fullmatch(stanza.package) and not _EMPTY.search(stanza.short)
    ]
    boilerplate = _boilerplate((stanza.package, english[md5].document) for md5, stanza in originals.items())
    return _one_of_each_family(candidates, boilerplate)


def _tag(name: str) -> str | None:
    """Return the canonical tag of a language as Debian spells it; None for English and for what is not a language."""
    try:
        tag = canonical("pt-PT" if name == "pt" else name)  # Brazil's has an index of its own
    except IsoglotError:
        log.warning("Translation-%s is left out: its name is not a language tag", name)
        return None
    return None if tag.split("-")[0] == "en" else tag


def _row(package: str, texts: Mapping[str, _Texts]) -> Row:
    return Row(
        content_id=f"{_ORIGIN.name}:{package}",
        query={tag: text.query for tag, text in texts.items()},
        document={tag: text.document for tag, text in texts.items()},
        source=_ORIGIN.name,
        licence=_ORIGIN.licence,
        provenance={tag: "original" if tag == "en" else "human" for tag in texts},
    )


# Indices

_STANZA = re.compile(
    r"^Package: (\S+)\nDescription-md5: ([0-9a-f]{32})\nDescription-[^\s:]+: *(.*)\n((?: .*\n?)*)", re.MULTILINE
)


class _Stanza(NamedTuple):
    """An entry of an index.

    Attributes:
        package: Name of the package.
        md5: MD5 of the English description.
        short: Short description.
        long: Long description, as laid out.
    """

    package: str
    md5: str
    short: str
    long: str


class _Texts(NamedTuple):
    """What a row has in one language."""

    query: str
    document: str


def _stanzas(path: Path) -> Iterator[_Stanza]:
    """Yield the entries of an index; of packages that share a description, the first."""
    with os_errors_explained(path, "read"):
        text = path.read_text(encoding="utf-8", errors="replace")
    seen = set()
    for package, md5, short, long in _STANZA.findall(text):
        if md5 not in seen and short.strip() and long.strip(" .\n"):
            seen.add(md5)
            yield _Stanza(package, md5, " ".join(short.split()), long)


def _is_translation(stanza: _Stanza, english: _Stanza) -> bool:
    """Return whether all was translated: no <trans> mark left, no paragraph lost, and neither text the English one."""
    return (
        "<trans>" not in stanza.short + stanza.long
        and stanza.short != english.short
        and stanza.long != english.long
        and len(_BREAK.findall(stanza.long)) == len(_BREAK.findall(english.long))
    )


# The layout of a long description

_BREAK = re.compile(r"^ \.[ \t]*$", re.MULTILINE)
_ITEM = re.compile(r"(?:\\?[*+•·‣▪–—-]|--)\s+|(?=\d{1,2}[.)]\s)")
_WIDE = r"\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff60"
_NO_SPACE = re.compile(
    rf"[{_WIDE}]\n[{_WIDE}]|[、。，；：！？）」]\n|\w-\n(?!(?:and|or|und|oder|og|eller|et|ou|e|o|i|и)\b)\w"
)


def _document(long: str, frequencies: Counter[str] | None = None) -> str:
    """Return a long description with each paragraph, list item and verbatim line on one line.

    Args:
        long: Description as laid out: a space before each line, more before verbatim ones, and a full stop between
            paragraphs.
        frequencies: Word -> how often it occurs, only for a language whose lines are broken within words.
    """
    lines: list[str] = []
    continued = range(0)  # indents with which a line continues the one above
    for line in long.splitlines():
        text = " ".join(line.split())
        indent = len(line) - len(line.lstrip())
        if text in ("", "."):
            continued = range(0)
        elif item := _ITEM.match(text):
            lines.append(text[item.end() :])
            continued = range(1 if indent == 1 else indent + 1, 100)
        elif indent in continued:
            lines[-1] = _joined(lines[-1], text, frequencies)
        else:
            lines.append(text)
            continued = range(1, 2) if indent == 1 else range(0)
    return "\n".join(lines)


def _joined(above: str, below: str, frequencies: Counter[str] | None) -> str:
    last, first = above.split()[-1], below.split()[0]
    one_word = frequencies is not None and frequencies[last + first] > min(frequencies[last], frequencies[first])
    return above + below if one_word or _NO_SPACE.search(f"{last}\n{first}") else f"{above} {below}"


def _word_frequencies(texts: Iterable[str]) -> Counter[str]:
    """Count the words inside lines; those at the ends may be cut, as Korean lines are broken at any syllable."""
    return Counter(word for text in texts for line in text.splitlines() for word in line.split()[1:-1])


# Families of packages

_PART = re.compile(r"(?:librust|gir1\.2)-.*|(?!golang-).*-(?:dev|dbg|docs?|headers|data|common)|.*-(?:l10n|i18n)\b.*")
"""Names of packages that hold a part of what another one describes; of a Go library, though, the headers are all."""

_EMPTY = re.compile(r"\b(?:transitional|dummy|empty)\b", re.IGNORECASE)


def _one_of_each_family(candidates: Iterable[Row], boilerplate: frozenset[str]) -> list[Row]:
    """Drop rows whose English document has too little that is neither boilerplate nor in an earlier row."""
    seen = set(boilerplate)
    kept: dict[str, Row] = {}  # by content id: the archive may have several versions of a package
    for row in sorted(candidates, key=lambda row: (-len(row.document), row.content_id)):
        words = {sentence: len(sentence.split()) for sentence in _sentences(row.document["en"])}
        new = sum(words[sentence] for sentence in words.keys() - seen)
        if new >= _NEW_WORDS and 2 * new >= sum(words.values()) and row.content_id not in kept:
            kept[row.content_id] = row
            seen.update(words)
    return list(kept.values())


def _boilerplate(described: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the sentences shared by packages whose names begin in many ways, from (package, English document)."""
    pairs = {(sentence, package.split("-")[0]) for package, text in described for sentence in _sentences(text)}
    frequencies = Counter(sentence for sentence, _ in pairs)
    return frozenset(sentence for sentence, count in frequencies.items() if count >= _BOILERPLATE)


def _sentences(text: str) -> list[str]:
    """Split an English text into sentences, and mask what tells members of a family apart (names, numbers)."""
    return [
        " ".join("*" if _NAME.search(word) else word for word in sentence.split())
        for sentence in re.split(r"\n|(?<=[.!?:;])\s+", text)
    ]


_NAME = re.compile(r"[A-Z\d_/]|\w[-.:+]\w")
