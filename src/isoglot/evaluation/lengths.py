"""What an audit says of its texts: how long they are, how many were cut, and of how many the model knows no word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.encoders.lengths import KINDS, TextLengths, length_sums, shares
from isoglot.platform.arrays import Ints
from isoglot.ranking.pools import Pool
from isoglot.retrievers.base import CountsTokens, KnowsLengths, Retriever, used_documents, used_queries


def text_lengths(collection: Collection, pools: Sequence[Pool], retriever: Retriever) -> dict[str, TextLengths]:
    """Measure all texts of some pools: role (``query``, ``document``) -> their lengths.

    Args:
        collection: What the pools' positions point into.
        pools: The pools that are audited.
        retriever: What is audited; nothing is returned for one that is neither `CountsTokens` nor `KnowsLengths`, which
            knows them of all its texts in a language.
    """
    queries = [collection.queries[at] for at in used_queries(pools)]
    documents = [collection.documents[at] for at in used_documents(pools)]
    if isinstance(retriever, KnowsLengths):
        languages = {"query": {item.language for item in queries}, "document": {item.language for item in documents}}
        return {
            role: _named(collection, lengths, languages[role]) for role, lengths in retriever.text_lengths().items()
        }
    if not isinstance(retriever, CountsTokens):
        return {}
    measured = {
        "query": _lengths(collection, queries, retriever, "query"),
        "document": _lengths(collection, documents, retriever, "document"),
    }
    return {role: lengths for role, lengths in measured.items() if lengths is not None}


def zero_notes(collection: Collection, pools: Sequence[Pool], zero: Mapping[str, Ints]) -> tuple[str, ...]:
    """Say of which languages how many texts have no vector: a sentence for each role in which some have none.

    Args:
        collection: What the pools' positions point into.
        pools: The pools that are audited.
        zero: Role -> positions of the texts whose vectors are zero.
    """
    texts = {
        "document": (collection.documents, used_documents(pools)),
        "query": (collection.queries, used_queries(pools)),
    }
    notes = []
    for role, (items, used) in texts.items():
        if len(positions := zero.get(role, ())):
            languages = Counter(items[at].language for at in used)
            without = Counter(items[at].language for at in positions)
            counts = {collection.named(tag): (without[tag], number) for tag, number in languages.items()}
            notes.append(
                f"{shares(counts, KINDS[role])} have no vector, since the model knows no word of them: they score 0 "
                f"with every {'question' if role == 'document' else 'document'}."
            )
    return tuple(notes)


def _lengths(
    collection: Collection, items: Sequence[Query | Document], counter: CountsTokens, role: str
) -> TextLengths | None:
    texts = [item.text for item in items]
    counted = counter.count_tokens(["", *texts], role)
    if counted is None:
        return None
    around, *tokens = counted.tokens
    sums = length_sums(texts, [item.language for item in items], tokens, around, counted.limit)
    by_language = {language: found.means() for language, found in sums.items()}
    return _named(collection, TextLengths(limit=counted.limit, by_language=by_language), set(sums))


def _named(collection: Collection, lengths: TextLengths, languages: set[str]) -> TextLengths:
    """Return the lengths of some of the collection's languages, in its order and by its names."""
    by_language = {
        collection.named(language): lengths.by_language[language]
        for language in collection.languages
        if language in languages & lengths.by_language.keys()
    }
    return TextLengths(limit=lengths.limit, by_language=by_language)
