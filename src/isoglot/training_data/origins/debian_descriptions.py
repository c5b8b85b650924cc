"""debian-descriptions: the short and the long description of Debian's packages, as volunteers translated them.

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

from isoglot.platform.downloads import Downloads, SourceMissingError
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import os_errors_explained
from isoglot.platform.languages import canonical
from isoglot.training_data.origins import ORIGINS
from isoglot.training_data.row import Row

log = logging.getLogger(__name__)

_ORIGIN = ORIGINS["debian-descriptions"]

_BOILERPLATE = 20
"""A sentence that so many unlike packages have says nothing of any: "This package contains the shared library."."""

_OWN_WORDS = 12
"""So many words of a description, and half of them, must stand in sentences that no row before has."""


def rows(downloads: Downloads, languages: frozenset[str] | None) -> list[Row]:
    """One row for each family of packages that was translated; those in more languages come first.

    Args:
        downloads: Where the indices come from.
        languages: Canonical tags besides English; None: all.

    Raises:
        SourceMissingError: The archive cannot be reached, or its index is not laid out as it was.
    """
    tags = {name: tag for name in downloads.debian_translation_languages() if (tag := _tag(name))}
    wanted = [name for name, tag in tags.items() if languages is None or tag in languages]
    indices = downloads.debian_translations(wanted)
    if "en" not in indices:
        raise SourceMissingError("Debian's archive, as this machine reaches it, has no index Translation-en")
    originals = {md5: (package, short, long) for package, md5, short, long in _stanzas(indices.pop("en"))}
    if not originals:
        raise SourceMissingError("Debian's index Translation-en is not laid out as it was; no stanza could be read")
    translated: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)  # MD5 -> tag -> query, document
    for name, path in indices.items():
        stanzas = {md5: (short, long) for _, md5, short, long in _stanzas(path) if md5 in originals}
        known = _words(long for _, long in stanzas.values()) if name == "ko" else None
        for md5, (short, long) in stanzas.items():
            if _is_translation(short, long, *originals[md5][1:]):
                translated[md5].setdefault(tags[name], (short, _document(long, known)))
    english = {md5: _document(long) for md5, (_, _, long) in originals.items()}
    found = [
        _row(package, {"en": (short, english[md5]), **translated[md5]})
        for md5, (package, short, _) in originals.items()
        if md5 in translated and not _PART.fullmatch(package) and not _EMPTY.search(short)
    ]
    return _one_of_each_family(found, _boilerplate((originals[md5][0], text) for md5, text in english.items()))


def _tag(name: str) -> str | None:
    """The canonical tag of a language as Debian spells it; None for English and for what is no language."""
    try:
        tag = canonical("pt-PT" if name == "pt" else name)  # Brazil's has an index of its own
    except IsoglotError:
        log.warning("Translation-%s is left out: Debian alone knows that language", name)
        return None
    return None if tag.split("-")[0] == "en" else tag


def _row(package: str, texts: Mapping[str, tuple[str, str]]) -> Row:
    return Row(
        content_id=f"{_ORIGIN.name}:{package}",
        query={tag: query for tag, (query, _) in texts.items()},
        document={tag: document for tag, (_, document) in texts.items()},
        source=_ORIGIN.name,
        licence=_ORIGIN.licence,
        provenance={tag: "original" if tag == "en" else "human" for tag in texts},
    )


# Indices

_STANZA = re.compile(
    r"^Package: (\S+)\nDescription-md5: ([0-9a-f]{32})\nDescription-[^\s:]+: *(.*)\n((?: .*\n?)*)", re.MULTILINE
)


def _stanzas(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """(package, MD5, short description, long description as laid out); packages may share a description."""
    with os_errors_explained(path, "read"):
        text = path.read_text(encoding="utf-8", errors="replace")
    seen = set()
    for package, md5, short, long in _STANZA.findall(text):
        if md5 not in seen and short.strip() and long.strip(" .\n"):
            seen.add(md5)
            yield package, md5, " ".join(short.split()), long


def _is_translation(short: str, long: str, english_short: str, english_long: str) -> bool:
    """Whether all was translated: no <trans> mark is left, no paragraph lost, and no text is the English one."""
    return (
        "<trans>" not in short + long
        and short != english_short
        and long != english_long
        and len(_BREAK.findall(long)) == len(_BREAK.findall(english_long))
    )


# The layout of a long description

_BREAK = re.compile(r"^ \.[ \t]*$", re.MULTILINE)
_ITEM = re.compile(r"(?:\\?[*+•·‣▪–—-]|--)\s+|(?=\d{1,2}[.)]\s)")
_WIDE = r"\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff60"
_NO_SPACE = re.compile(
    rf"[{_WIDE}]\n[{_WIDE}]|[、。，；：！？）」]\n|\w-\n(?!(?:and|or|und|oder|og|eller|et|ou|e|o|i|и)\b)\w"
)


def _document(long: str, known: Counter[str] | None = None) -> str:
    """A long description with each paragraph, list item and verbatim line on one line.

    Args:
        long: As laid out: a space before each line, more before verbatim ones, and a full stop between paragraphs.
        known: How often words occur; only where lines are broken within words.
    """
    lines: list[str] = []
    continued = range(0)  # how far a line that goes on is indented
    for line in long.splitlines():
        text = " ".join(line.split())
        indent = len(line) - len(line.lstrip())
        if text in ("", "."):
            continued = range(0)
        elif item := _ITEM.match(text):
            lines.append(text[item.end() :])
            continued = range(1 if indent == 1 else indent + 1, 100)
        elif indent in continued:
            lines[-1] = _joined(lines[-1], text, known)
        else:
            lines.append(text)
            continued = range(1, 2) if indent == 1 else range(0)
    return "\n".join(lines)


def _joined(above: str, below: str, known: Counter[str] | None) -> str:
    last, first = above.split()[-1], below.split()[0]
    one_word = known is not None and known[last + first] > min(known[last], known[first])
    return above + below if one_word or _NO_SPACE.search(f"{last}\n{first}") else f"{above} {below}"


def _words(texts: Iterable[str]) -> Counter[str]:
    """How often words stand within lines; those at the ends may be cut, as Korean lines are broken at any syllable."""
    return Counter(word for text in texts for line in text.splitlines() for word in line.split()[1:-1])


# Families of packages

_PART = re.compile(r"(?:librust|gir1\.2)-.*|(?!golang-).*-(?:dev|dbg|docs?|headers|data|common)|.*-(?:l10n|i18n)\b.*")
"""Names of packages that hold a part of what another one describes; the headers of a Go library are all of it."""

_EMPTY = re.compile(r"\b(?:transitional|dummy|empty)\b", re.IGNORECASE)


def _one_of_each_family(found: Iterable[Row], boilerplate: frozenset[str]) -> list[Row]:
    """Without rows whose English document has too little that is neither boilerplate nor in an earlier row."""
    seen = set(boilerplate)
    kept: dict[str, Row] = {}  # several versions of a package may be about
    for row in sorted(found, key=lambda row: (-len(row.document), row.content_id)):
        words = {sentence: len(sentence.split()) for sentence in _sentences(row.document["en"])}
        own = sum(words[sentence] for sentence in words.keys() - seen)
        if own >= _OWN_WORDS and 2 * own >= sum(words.values()) and row.content_id not in kept:
            kept[row.content_id] = row
            seen.update(words)
    return list(kept.values())


def _boilerplate(described: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The sentences that packages have whose names begin in many ways: (package, English document)."""
    pairs = {(sentence, package.split("-")[0]) for package, text in described for sentence in _sentences(text)}
    return frozenset(
        sentence for sentence, count in Counter(sentence for sentence, _ in pairs).items() if count >= _BOILERPLATE
    )


def _sentences(text: str) -> list[str]:
    """The sentences of an English text, with what tells members of a family apart (names, numbers) masked."""
    return [
        " ".join("*" if _NAME.search(word) else word for word in sentence.split())
        for sentence in re.split(r"\n|(?<=[.!?:;])\s+", text)
    ]


_NAME = re.compile(r"[A-Z\d_/]|\w[-.:+]\w")
