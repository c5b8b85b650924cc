"""Language labels that disagree with what the texts look like: what is said of a language is then said of another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.platform.languages import differing_language, english_name
from isoglot.ranking.pools import Pool
from isoglot.retrievers.base import used_documents, used_queries

SURE = 0.5
"""The least probability of another language with which a text counts as labelled wrongly."""
SHARE = 0.05
"""The least share of a language's texts that must look like others: single short texts of names do so by chance."""
MOST_CHECKED = 500
"""How many texts of a language and role are looked at; of more a sample is taken."""


def label_notes(collection: Collection, pools: Sequence[Pool], seed: int) -> tuple[str, ...]:
    """Say which languages have labels that disagree with the texts: a sentence for each role, none where all agree.

    Args:
        collection: What the pools' positions point into.
        pools: The pools that are audited.
        seed: Random seed of the samples.
    """
    if all(query.text == query.query_id for query in collection.queries):  # a run's table of documents has no texts
        return ()
    documents = [collection.documents[at] for at in used_documents(pools)]
    queries = [collection.queries[at] for at in used_queries(pools)]
    notes = (_note(collection, "documents", documents, seed), _note(collection, "questions", queries, seed))
    return tuple(filter(None, notes))


def _note(collection: Collection, kinds: str, items: Sequence[Document | Query], seed: int) -> str:
    texts: dict[str, list[str]] = defaultdict(list)
    for item in items:
        texts[item.language].append(item.text)
    sampled = {language: _sample(texts[language], seed) for language in collection.languages if language in texts}
    others = {language: _differing(language, found) for language, found in sampled.items()}
    wrong = {
        language: counts
        for language, counts in others.items()
        if counts.total() and counts.total() >= SHARE * len(sampled[language])
    }
    if not wrong:
        return ""
    total, checked = sum(counts.total() for counts in others.values()), sum(map(len, sampled.values()))
    sample = " in a sample" if checked < len(items) else ""
    return (
        f"{total} of {checked} {kinds}{sample} look like another language than their label "
        f"({'; '.join(_each(wrong, sampled))}): results by language are not those of the languages they name."
    )


def _each(wrong: Mapping[str, Counter[str]], sampled: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What each language's texts look like: ``English: 6 of 6, mostly like Chinese``."""
    for language, counts in wrong.items():
        likeliest = english_name(counts.most_common(1)[0][0])
        yield f"{english_name(language)}: {counts.total()} of {len(sampled[language])}, mostly like {likeliest}"


def _sample(texts: Sequence[str], seed: int) -> Sequence[str]:
    """At most `MOST_CHECKED` of the texts, the same whatever their order."""
    if len(texts) <= MOST_CHECKED:
        return texts
    ordered = sorted(texts)
    return [ordered[at] for at in np.random.default_rng(seed).permutation(len(ordered))[:MOST_CHECKED]]


def _differing(language: str, texts: Sequence[str]) -> Counter[str]:
    """The other languages that texts with one label look like -> how many."""
    found = (differing_language(text, language, sure=SURE) for text in texts)
    return Counter(other for other in found if other is not None)
