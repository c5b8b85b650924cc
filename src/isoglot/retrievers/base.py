"""What a retriever is: anything that ranks the documents of a pool, and what an audit records of it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.encoders.lengths import TextLengths
from isoglot.encoders.prompts import describe_unused
from isoglot.platform.arrays import Ints, Vectors
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking


class PromptRecord(msgspec.Struct, frozen=True):
    """A prompt that stands before texts, and where it is from."""

    text: str
    source: str


class RetrieverRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit records of a retriever, equal for retrievers that rank alike under one name.

    Attributes:
        name: What results call it.
        fingerprint: A hash of all that decides its rankings, in hex.
        dimension: Components of a vector; None where there are none.
        max_length: Tokens at which texts are cut; None where there is no limit, or it is not known.
        other_similarity: What the model compares its vectors by, where that is not cosine; None: it is.
        prompts: Role (``query``, ``document``) -> its prompt.
        language_given: Whether it is told each text's language.
        how: What it is, in one line; None for a model of this machine.
        unused_prompts: Names of the model's prompts that are not used, where texts get none of its prompts.
    """

    name: str
    fingerprint: str
    dimension: int | None = None
    max_length: int | None = None
    other_similarity: str | None = None
    prompts: dict[str, PromptRecord] = {}
    language_given: bool = False
    how: str | None = None
    unused_prompts: tuple[str, ...] = ()


@runtime_checkable
class Retriever(Protocol):
    """Ranks the documents of pools. A retriever that only gives scores needs less: see `Scorer`."""

    def describe(self) -> RetrieverRecord:
        """What an audit records of it."""

    def environment(self) -> dict[str, Any]:
        """Platform and versions of what it works with."""

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """The ranking of each pool, in order; as `VectorRankings` from a retriever that has vectors.

        Args:
            collection: What the pools' positions point into.
            pools: All that will be asked.
            balance: How the languages' lists are merged, one of `isoglot.ranking.balance.BALANCES`.
            top_k: How many of the best documents to return.
            show_progress: Whether to show progress on standard error.

        Raises:
            IsoglotError: It cannot rank them; the message says why.
        """


@runtime_checkable
class Scorer(Protocol):
    """A user's own retriever: one method. Its class name, or its attribute ``name``, is what results call it."""

    def scores(self, queries: Sequence[Query], documents: Sequence[Document]) -> NDArray[Any]:
        """The score of every document for every query: (q, n) finite numbers, higher is better.

        Args:
            queries: q queries, with `text` and `language`. A pool's queries come in several calls.
            documents: All n documents of a pool, the same list in each call.
        """


@dataclass(frozen=True)
class TokenCounts:
    """How long texts are before they are cut.

    Attributes:
        tokens: Number of tokens of each text, including the prompt and special tokens.
        limit: Number of tokens at which texts are cut; None: at none.
    """

    tokens: Sequence[int]
    limit: int | None


@runtime_checkable
class CountsTokens(Protocol):
    """A retriever that knows how its model cuts texts to tokens; an audit says how many texts were cut."""

    def count_tokens(self, texts: Sequence[str], role: str) -> TokenCounts | None:
        """Count the tokens of texts of a role, ``query`` or ``document``; None where they are not known."""


@runtime_checkable
class KnowsLengths(Protocol):
    """A retriever whose texts were encoded beforehand, and counted then."""

    def text_lengths(self) -> dict[str, TextLengths]:
        """Role -> the lengths of all texts that it has, by canonical language tag; no role of which none is known."""


@dataclass(frozen=True)
class VectorRankings(Iterator[Ranking]):
    """Rankings by the inner products of vectors, with those vectors.

    Attributes:
        rankings: The ranking of each pool, in order.
        vectors_at: Returns the (q, d) vectors of queries and the (n, d) vectors of documents, all of which are in the
            pools, at q and n positions in the collection.
        zero: Role -> positions in the collection of the texts whose vectors are zero.
        are_alike: Whether all documents have the same vector.
    """

    rankings: Iterator[Ranking]
    vectors_at: Callable[[Ints, Ints], tuple[Vectors, Vectors]]
    zero: Mapping[str, Ints] = field(default_factory=dict)
    are_alike: bool = False

    def __next__(self) -> Ranking:
        """The ranking of the next pool."""
        return next(self.rankings)


def similarity_notes(record: RetrieverRecord) -> tuple[str, ...]:
    """Say that a model compares its vectors otherwise than it was ranked here; nothing of other models."""
    if record.other_similarity is None:
        return ()
    return (
        f"{record.name} compares vectors by {record.other_similarity} (similarity_fn_name); the ranks here are by "
        "cosine, and a search as the model states it may find something else.",
    )


def model_record(record: RetrieverRecord) -> dict[str, Any]:
    """A record as plain data, without `how`, `unused_prompts` and `other_similarity` where there is nothing to say."""
    found: dict[str, Any] = msgspec.to_builtins(record)
    optional = ("how", "unused_prompts", "other_similarity")
    return {key: value for key, value in found.items() if value or key not in optional}


def prompt_notes(record: RetrieverRecord) -> tuple[str, ...]:
    """Say that a model has prompts of which none is used; nothing of other models."""
    if not record.unused_prompts:
        return ()
    sources = {role: prompt.source for role, prompt in record.prompts.items()}
    said = describe_unused(record.name, record.unused_prompts, sources)
    return (f"{said}: its ranks may be better with them.",)


def used_queries(pools: Sequence[Pool]) -> Ints:
    """Positions of all queries that any pool asks, each once, in order."""
    return np.unique(np.concatenate([pool.queries for pool in pools]))


def used_documents(pools: Sequence[Pool]) -> Ints:
    """Positions of all documents that stand in any pool, each once, in order."""
    return np.unique(np.concatenate([pool.documents for pool in pools]))


def environment(*libraries: str, **facts: str) -> dict[str, Any]:
    """The platform, `facts`, and the versions of `libraries`."""
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        **facts,
        "cpus": os.cpu_count(),
        **{name: version(name) for name in libraries},
    }
