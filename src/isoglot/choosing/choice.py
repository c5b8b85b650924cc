"""Records: what `choose` found of each model, and which one it recommends."""

from __future__ import annotations

from typing import Any

import msgspec

from isoglot.corpora.collection import CollectionRecord
from isoglot.evaluation.results import json_text
from isoglot.evaluation.statistics.intervals import Interval

SCHEMA = "isoglot.choice/1"
MENDS = ("as it is", "scaled", "calibrated", "calibrated, scaled")
"""How each model is tried; the mends need no training, labels or parallel text."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Properties and costs of a model; None where one is not known or does not apply.

    Attributes:
        licence: Licence, as its card states it.
        parameters: Number of weights.
        megabytes: Size of its weights in memory, in MB.
        dimension: Components of a vector.
        max_length: Tokens at which texts are cut.
        cut: Share of the documents that are cut, in percent.
        tokens_per_word: Language -> mean number of tokens that a word of its documents becomes.
        documents_per_second: Documents encoded in a second on this machine.
        query_milliseconds: Median time of encoding one query on this machine.
        usd: Price of encoding all documents, by an estimate of their tokens.
    """

    licence: str | None = None
    parameters: int | None = None
    megabytes: float | None = None
    dimension: int | None = None
    max_length: int | None = None
    cut: float | None = None
    tokens_per_word: dict[str, float] = {}
    documents_per_second: float | None = None
    query_milliseconds: float | None = None
    usd: float | None = None


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one model, as it is or mended; means over pools and query languages.

    Attributes:
        mend: One of `MENDS`.
        quality: ndcg@10 in pools of one language (mono-same), which a mend must not lower.
        complete: complete@10 in mixed pools (multi).
        control: ndcg@10 in mixed pools that hold each content in one language only (control).
        preference: How often a top 10 document is in the question's language, over that language's share of the mixed
            pool; 1: no preference.
    """

    mend: str
    quality: Interval
    complete: Interval
    control: Interval
    preference: float


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was tried.

    Attributes:
        name: Name of the model.
        error: Error that ended its trial; None: there was none.
        facts: Properties and costs of the model.
        tried: Its results, one for each mend that it takes.
    """

    name: str
    error: str | None = None
    facts: Facts = Facts()
    tried: tuple[Tried, ...] = ()


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """The recommended model.

    Attributes:
        name: Name of the model.
        mend: One of `MENDS`.
        reason: Reason, in a sentence.
        also: Others within its interval, as pairs of name and mend.
    """

    name: str
    mend: str
    reason: str
    also: tuple[tuple[str, str], ...] = ()


class Unfound(msgspec.Struct, frozen=True, kw_only=True):
    """A question that no model answers in its own language: it is hard, or labelled wrongly.

    Attributes:
        query_id: Id of the question.
        language: Language of the question.
        question: Text of the question.
        document: The beginning of a relevant document in that language.
    """

    query_id: str
    language: str
    question: str
    document: str


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `isoglot.choose`.

    Attributes:
        collection: Record of the collection that the models were tried on.
        labelled: Whether relevance is known; otherwise the queries were spans of the documents (a proxy).
        candidates: All models, in the order in which they were named; bm25 comes last if it was not named.
        recommendation: Recommended model; None if there is none. Without labels, bm25 is not considered.
        unfound: First 20 questions that no model answers in its own language; empty without labels.
        unfound_count: Number of all such questions.
        settings: Seed, limit and pools.
        environment: Platform, and versions of the libraries used.
        isoglot: Version of isoglot that made it.
        schema: Schema of choice.json.
    """

    collection: CollectionRecord
    labelled: bool
    candidates: tuple[Candidate, ...]
    recommendation: Recommendation | None
    unfound: tuple[Unfound, ...]
    unfound_count: int
    settings: dict[str, Any]
    environment: dict[str, Any]
    isoglot: str
    schema: str = SCHEMA

    def to_json(self) -> str:
        """Return the text of choice.json; numbers that are not finite become null."""
        return json_text(self)
