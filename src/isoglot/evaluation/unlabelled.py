"""An audit without questions and labels: what stored vectors say by themselves. isoglot's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np

from isoglot.evaluation.lift import NEIGHBOURS, LanguageLift, language_lift
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.version import __version__
from isoglot.retrievers.base import Retriever
from isoglot.retrievers.held import SAMPLE, HoldsVectors, Version, sample_held
from isoglot.retrievers.stored_index import StoreRetriever

SCHEMA = "isoglot.unlabelled/1"
FILE = "unlabelled.json"
ASKED = 200
"""Documents whose own vectors are searched for at most; a share is then known to about 3 points."""
_EQUAL = 1e-5
"""Difference of two scores, over the larger, up to which they are equal: engines round products as they like."""


class UnlabelledAudit(msgspec.Struct, frozen=True, kw_only=True):
    """The audit of document vectors without questions.

    Attributes:
        schema: Schema of unlabelled.json.
        isoglot: Version of isoglot that made it.
        name: Name of the retriever.
        seed: Random seed of the documents whose own vectors were searched for.
        sampled: Language -> number of sampled documents, at most 1,000.
        unknown: Number of documents without a known language, which are left out.
        lift: Language -> its language lift.
        self_retrieval: Share of documents that the store's own search finds first by their own vectors, 0 to 100; one
            with an equal score counts as well. None where the vectors lie in no store.
    """

    schema: str
    isoglot: str
    name: str
    seed: int
    sampled: dict[str, int]
    unknown: int
    lift: dict[str, LanguageLift]
    self_retrieval: float | None

    def to_json(self) -> str:
        """As JSON text."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode() + "\n"


def audit_unlabelled(retriever: Retriever, seed: int = 0) -> UnlabelledAudit:
    """Audit what holds vectors of documents, without questions and labels.

    Args:
        retriever: Holds the vectors.
        seed: Random seed of which documents are asked about.

    Raises:
        IsoglotError: It holds no vectors, or they are in one language.
    """
    name = retriever.describe().name
    versions, vectors = sample_of_documents(retriever, name)
    languages = [language for _, language in versions]
    found = None
    if isinstance(retriever, StoreRetriever):
        chosen = np.random.default_rng(seed).permutation(len(versions))[:ASKED]
        found = _self_retrieval(retriever, [versions[at][0] for at in chosen], vectors[chosen])
    return UnlabelledAudit(
        schema=SCHEMA,
        isoglot=__version__,
        name=name,
        seed=seed,
        sampled=dict(Counter(languages)),
        unknown=getattr(retriever, "unknown", 0),
        lift=language_lift(units(vectors), languages, seed),
        self_retrieval=found,
    )


def sample_of_documents(retriever: Retriever, name: str) -> tuple[list[Version], Vectors]:
    """Return at most `SAMPLE` documents a language, and their vectors as they are.

    Raises:
        IsoglotError: There are none, or all are in one language.
    """
    if not isinstance(retriever, HoldsVectors):
        raise IsoglotError(f"{name}: holds no vectors: name a retriever and its --data, or a --run, or an --index")
    versions, vectors = sample_held(retriever, "document", SAMPLE)
    languages = sorted({language for _, language in versions})
    unknown = getattr(retriever, "unknown", 0)
    if not versions and unknown:
        raise IsoglotError(f"{name}: none of its {unknown} documents has a known language; is the field right?")
    if not versions:
        raise IsoglotError(f"{name}: holds no vectors of documents")
    if len(languages) == 1:
        raise IsoglotError(f"{name}: all documents are in one language, {languages[0]}, so none can bury another")
    return versions, vectors


def units(vectors: Vectors) -> Vectors:
    """(n, d) vectors at unit length; a vector of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    made: Vectors = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return made


def _self_retrieval(retriever: StoreRetriever, keys: Sequence[str], vectors: Vectors) -> float:
    """Share of keys among the first of the store's answers to their own vectors, equal scores included, 0 to 100."""
    answers = retriever.store.nearest(vectors, NEIGHBOURS)
    first = [
        {key for key, score in answer if score >= answer[0][1] - _EQUAL * abs(answer[0][1]) - _EQUAL}
        for answer in answers
    ]
    return round(100 * float(np.mean([key in best for key, best in zip(keys, first, strict=True)])), 3)
