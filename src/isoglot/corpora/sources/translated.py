"""Collections of documentation that people have translated in part: which texts are translations is found out here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.platform.languages import canonical

LEAST = 0.05
"""Share of the English contents; a language with less is left out, since a handful of queries measures nothing."""

RUN = 8
"""Number of successive words which, if they are as in English, count as left untranslated."""

Item = tuple[str, list[str]]
"""A heading and the blocks of text under it."""


def collection(name: str, items: Mapping[str, Mapping[str, Item]], notes: tuple[str, ...]) -> Collection:
    """Make a collection of headings and their texts, each in English and in the languages it is translated into.

    Args:
        name: The name of the collection.
        items: Language in the source's spelling, ``en`` among them -> content id -> heading and blocks of text.
        notes: The notes of the collection.
    """
    english = {
        identity: [heading, *blocks]
        for identity, (heading, blocks) in _unambiguous(items["en"]).items()
        if len(heading.split()) > 1 and any(map(_says_something, blocks))
    }
    documents, queries = [], []
    for language in sorted(items):
        tag = canonical(language)
        for identity, (heading, blocks) in sorted(_unambiguous(items[language]).items()):
            original = english.get(identity)
            if original and (language == "en" or is_translated([heading, *blocks], original)):
                documents.append(Document(identity, tag, "\n".join(blocks)))
                queries.append(Query(identity, tag, heading))
    sizes = Counter(document.language for document in documents)
    few = sorted(tag for tag in map(canonical, items) if sizes[tag] < LEAST * sizes["en"])
    if few:
        notes = (*notes, f"left out, for less than {100 * LEAST:.0f}% of it is translated: {', '.join(few)}")
    return Collection(
        name,
        [document for document in documents if document.language not in few],
        [query for query in queries if query.language not in few],
        {identity: (identity,) for identity in english},
        notes=notes,
    )


def is_translated(blocks: Sequence[str], english: Sequence[str]) -> bool:
    """Return whether all blocks are translations; names and commands may stay as they are.

    Translation tools put the English text, letter by letter, where a translation is missing or out of date. What they
    fill in themselves, such as the heading that a link names, may be translated nonetheless.

    Args:
        blocks: The heading and the blocks of text.
        english: The same in English.
    """
    return (
        len(blocks) == len(english)
        and blocks[0] != english[0]
        and not any(
            block == original and _says_something(block) for block, original in zip(blocks, english, strict=True)
        )
        and not _runs(blocks) & _runs(english)
    )


def _runs(blocks: Sequence[str]) -> set[tuple[str, ...]]:
    """Return all runs of `RUN` words, addresses and numbers apart: each is a sentence rather than a name."""
    by_block = [re.findall(r"[^\W\d_]{2,}", re.sub(r"\w+://\S+", "", block)) for block in blocks]
    return {run for words in by_block for run in zip(*(words[start:] for start in range(RUN)), strict=False)}


_WIDE = r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff60]"
_WRAPPED = re.compile(rf"(?<={_WIDE})[ \t]*\n\s*(?={_WIDE})")


def folded(text: str) -> str:
    """Return `text` with single spaces for all white space, and none where a line of Chinese or Japanese was broken."""
    return " ".join(_WRAPPED.sub("", text).split())


def _unambiguous(items: Mapping[str, Item]) -> dict[str, Item]:
    """Return the items whose heading no other item has."""
    used = Counter(heading.casefold() for heading, _ in items.values())
    return {identity: item for identity, item in items.items() if used[item[0].casefold()] == 1}


def _says_something(block: str) -> bool:
    """Return whether a block has four words; fewer may be a name or keys, the same in all languages."""
    return len(re.findall(r"\b[^\W\d_]{2,}", block)) >= 4
