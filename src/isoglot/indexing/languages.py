"""Decisions about languages that every search of an index shares: a text's language, and the language filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import canonical, detect, differing_language


class TextLanguage(NamedTuple):
    """The language that a text is encoded in.

    Attributes:
        tag: Canonical tag.
        recognised: Whether the language was given or detected; False for the fallback.
    """

    tag: str
    recognised: bool


def text_language(text: str, counts: Mapping[str, int], given: str | None = None) -> TextLanguage:
    """Decide which language a text is in, before a model encodes it for an index.

    The language is the given one, else the one detected in the text, else the index's largest: a text without words
    ("1869 ?") is most likely meant for the documents that are most numerous.

    Args:
        text: A question or a document.
        counts: Canonical tag -> number of passages in the index.
        given: Language named by the user, in any spelling; None or empty: detected.

    Raises:
        IsoglotError: `given` is not a known language.
    """
    tag = canonical(given) if given else detect([text], among=frozenset(counts))[0]
    if tag is not None:
        return TextLanguage(tag, recognised=True)
    return TextLanguage(next(iter(largest_first(counts)), "en"), recognised=False)


def passage_language(text: str, document_language: str) -> str:
    """Decide which language a part of a long document is in, where the document's was detected.

    Only what is surely in another language has one of its own: lists of names and code are of the document's.

    Args:
        text: The part's text.
        document_language: Canonical tag that was detected in the beginning of the document.
    """
    return differing_language(text, document_language, sure=0.5) or document_language


def language_filter(languages: Sequence[str] | None, counts: Mapping[str, int]) -> list[str] | None:
    """Turn the languages that a search is limited to into the index's tags.

    Args:
        languages: Tags in any spelling; None or empty: all languages.
        counts: Canonical tag -> number of passages in the index.

    Returns:
        Canonical tags, each once; None for all languages.

    Raises:
        IsoglotError: A language is unknown, or the index has no passage in it.
    """
    if not languages:
        return None
    tags = list(dict.fromkeys(canonical(tag) for tag in languages))
    missing = [tag for tag in tags if tag not in counts]
    if missing:
        raise IsoglotError(f"the index has no passage in {', '.join(missing)}; it has {', '.join(sorted(counts))}")
    return tags


def largest_first(counts: Mapping[str, int]) -> list[str]:
    """Sort languages by their number of passages, the largest first; equal ones by tag."""
    return sorted(counts, key=lambda tag: (-counts[tag], tag))
