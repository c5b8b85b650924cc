"""BM25: the lexical baseline, for which two languages share little but names and numbers."""

from __future__ import annotations

import hashlib
import json
import logging
import unicodedata
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import regex  # type: ignore[import-untyped]

from isoglot.corpora.collection import Collection
from isoglot.platform.arrays import Vectors
from isoglot.platform.extras import needs
from isoglot.platform.progress import progress
from isoglot.ranking.exact import rank_pool
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking
from isoglot.retrievers.base import RetrieverRecord, environment, used_documents

if TYPE_CHECKING:
    from isoglot.retrievers.registry import Loading

SETTINGS = {"method": "lucene", "k1": 1.5, "b": 0.75}
TOKENS = "words; character bigrams in Han and kana, trigrams in Thai, Lao, Khmer, Myanmar; case-folded, not stemmed"
_BIGRAMS, _TRIGRAMS = r"\p{Han}\p{Hiragana}\p{Katakana}ー", r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_RUNS = regex.compile(
    rf"(?P<two>[{_BIGRAMS}]+)|(?P<three>[{_TRIGRAMS}]+)|[\p{{L}}\p{{M}}\p{{N}}--[{_BIGRAMS}{_TRIGRAMS}]]+", regex.V1
)


def tokenize(text: str) -> list[str]:
    """The terms of a text, told by its scripts alone, whatever its language.

    Words are runs of letters, marks and digits, after NFKC and case folding. Runs of a script that puts no spaces
    between words become overlapping character n-grams: bigrams of ideographs and kana, as in Lucene's CJK analyzer,
    trigrams of letters in Thai, Lao, Khmer and Myanmar. A shorter run is one term.
    """
    terms = []
    for found in _RUNS.finditer(unicodedata.normalize("NFKC", text).casefold()):
        size = 2 if found["two"] else 3 if found["three"] else len(found[0])
        terms += [found[0][at : at + size] for at in range(max(1, len(found[0]) - size + 1))]
    return terms


class Bm25Retriever:
    """Ranks by BM25 with an index for each pool, since how rare a term is depends on the pool.

    Raises:
        IsoglotError: The package bm25s is missing.
    """

    finds_by_terms = True
    """See `isoglot.retrievers.pipelines.Fusion`."""

    def __init__(self) -> None:
        with needs("bm25", "bm25"):
            import bm25s  # type: ignore[import-untyped]  # noqa: F401

    def describe(self) -> RetrieverRecord:
        """As `Retriever.describe`."""
        return RetrieverRecord(
            name="bm25",
            fingerprint=hashlib.sha256(json.dumps([SETTINGS, TOKENS]).encode()).hexdigest(),
            how=f"{SETTINGS['method']}, k1 {SETTINGS['k1']}, b {SETTINGS['b']}, an index for each pool; {TOKENS}",
        )

    def environment(self) -> dict[str, Any]:
        """As `Retriever.environment`."""
        return environment("bm25s", "numpy")

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """As `Retriever.rankings`."""
        terms = {int(at): tokenize(collection.documents[at].text) for at in used_documents(pools)}
        with progress("bm25: asking", sum(len(pool.queries) for pool in pools), show=show_progress) as advance:
            for pool in pools:
                index = _Index([terms[int(at)] for at in pool.documents])
                queries = [tokenize(collection.queries[at].text) for at in pool.queries]
                yield rank_pool(partial(index.scores, queries), pool, balance=balance, top_k=top_k)
                advance(len(queries))


class _Index:
    """The BM25 index of n documents."""

    def __init__(self, documents: list[list[str]]) -> None:
        from bm25s import BM25

        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it tells each step
        self._index = BM25(**SETTINGS)
        self._index.index([terms or [""] for terms in documents], show_progress=False)
        self._none = np.zeros(len(documents), dtype=np.float32)

    def scores(self, queries: list[list[str]], start: int, end: int) -> Vectors:
        """(end - start, n) scores for the terms of the queries from start to end."""
        return np.stack([self._index.get_scores(terms) if terms else self._none for terms in queries[start:end]])


def load(argument: str, loading: Loading) -> Bm25Retriever:
    """``bm25``."""
    return Bm25Retriever()
