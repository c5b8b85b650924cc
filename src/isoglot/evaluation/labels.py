"""Language labels that disagree with what the texts look like: what is said of a language is then said of another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

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


class LabelCheck:
    """Counts texts that look like another language than their label, of each language at most `MOST_CHECKED`."""

    def __init__(self) -> None:
        self._checked: Counter[str] = Counter()
        self._left_out = 0
        self._others: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, language: str, text: str) -> None:
        """Look at a text and its label, a canonical tag, unless enough texts with that label were looked at."""
        if self._checked[language] == MOST_CHECKED:
            self._left_out += 1
            return
        self._checked[language] += 1
        other = differing_language(text, language, sure=SURE)
        if other is not None:
            self._others[language][other] += 1

    def note(self, kinds: str) -> str:
        """Say which languages have labels that disagree with the texts; empty if all agree but for chance finds.

        Args:
            kinds: What the texts are, in the plural.
        """
        wrong = [tag for tag, others in self._others.items() if others.total() >= SHARE * self._checked[tag]]
        if not wrong:
            return ""
        total = sum(others.total() for others in self._others.values())
        sample = " in a sample" if self._left_out else ""
        return (
            f"{total} of {self._checked.total()} {kinds}{sample} look like another language than their label "
            f"({'; '.join(map(self._of, wrong))}): results by language are not those of the languages they name."
        )

    def _of(self, language: str) -> str:
        """What the texts of a language look like: ``English: 6 of 6, mostly like Chinese``."""
        others, checked = self._others[language], self._checked[language]
        likeliest = english_name(others.most_common(1)[0][0])
        return f"{english_name(language)}: {others.total()} of {checked}, mostly like {likeliest}"


def _note(collection: Collection, kinds: str, items: Sequence[Document | Query], seed: int) -> str:
    check = LabelCheck()
    texts: dict[str, list[str]] = defaultdict(list)
    for item in items:
        texts[item.language].append(item.text)
    for language in filter(texts.__contains__, collection.languages):
        ordered = sorted(texts[language])  # so that the sample does not depend on the collection's order
        for at in np.random.default_rng(seed).permutation(len(ordered)):
            check.add(language, ordered[at])
    return check.note(kinds)
