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
    """A prompt that is put before texts.

    Attributes:
        text: Text of the prompt; empty: none.
        source: Where it comes from: ``chosen``, ``model``, ``family``, ``server`` or ``none``.
    """

    text: str
    source: str


class RetrieverRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a retriever in an audit; retrievers with equal records rank alike.

    Attributes:
        name: Name in results.
        fingerprint: Hash, in hex, of everything that decides its rankings.
        dimension: Number of components of a vector; None where there are no vectors.
        max_length: Number of tokens at which texts are cut; None where there is no limit, or it is unknown.
        other_similarity: Similarity that the model's configuration names instead of cosine; None: it names cosine.
        prompts: Role (``query``, ``document``) -> its prompt.
        language_given: Whether it gets each text's language.
        how: Description in one line; None for a model of this machine.
        unused_prompts: Names of the model's prompts, where none of them is used.
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
    """The interface of a retriever that ranks the documents of pools.

    A retriever that only gives scores needs one method: see `Scorer`.
    """

    def describe(self) -> RetrieverRecord:
        """Return the record of the retriever in an audit."""

    def environment(self) -> dict[str, Any]:
        """Return the platform and the versions of the libraries that it uses."""

    def rankings(
        self, collection: Collection, pools: Sequence[Pool], *, balance: str, top_k: int, show_progress: bool
    ) -> Iterator[Ranking]:
        """Rank the documents of each pool for each of its queries.

        Args:
            collection: Collection that the positions of the pools refer to.
            pools: Pools of the audit.
            balance: Balance of the lists, such as ``none`` or ``scaled``.
            top_k: Number of best documents of each query to return.
            show_progress: Whether to show progress on standard error.

        Returns:
            The ranking of each pool, in order; `VectorRankings` from a retriever that has vectors.

        Raises:
            IsoglotError: The documents cannot be ranked; the message says why.
        """


@runtime_checkable
class Scorer(Protocol):
    """The interface of a retriever of your own: one method.

    Results call it by its attribute ``name``, or else by the name of its class.
    """

    def scores(self, queries: Sequence[Query], documents: Sequence[Document]) -> NDArray[Any]:
        """Score every document for every query.

        Args:
            queries: q queries, with `text` and `language`. The queries of a pool come in several calls.
            documents: All n documents of a pool, the same list in each call.

        Returns:
            Scores (q, n): finite numbers of any type, compared in float64; higher is better.
        """


@dataclass(frozen=True)
class TokenCounts:
    """Lengths of texts before they are cut.

    Attributes:
        tokens: Number of tokens of each text, with prompt and special tokens.
        limit: Number of tokens at which texts are cut; None: they are not cut.
    """

    tokens: Sequence[int]
    limit: int | None


@runtime_checkable
class CountsTokens(Protocol):
    """The interface of a retriever that counts tokens, so that an audit can report how many texts were cut."""

    def count_tokens(self, texts: Sequence[str], role: str) -> TokenCounts | None:
        """Count the tokens of texts.

        Args:
            texts: n texts.
            role: ``query`` or ``document``.

        Returns:
            The counts; None where they are unknown.
        """


@runtime_checkable
class KnowsLengths(Protocol):
    """The interface of a retriever whose texts were encoded, and counted, beforehand."""

    def text_lengths(self) -> dict[str, TextLengths]:
        """Return role -> lengths of all texts that it has, by language; roles of unknown lengths are missing."""


@dataclass(frozen=True)
class VectorRankings(Iterator[Ranking]):
    """Rankings by the inner products of vectors, together with the vectors.

    Attributes:
        rankings: Ranking of each pool, in order.
        vectors_at: Function from q positions of queries and n positions of documents in the collection to their
            vectors, (q, d) and (n, d).
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
