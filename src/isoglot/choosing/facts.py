"""What a model is and costs: licence, size, speed on this machine, price."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from isoglot.choosing.choice import Facts
from isoglot.corpora.collection import Collection
from isoglot.encoders.cards import card_facts
from isoglot.evaluation.results import Audit
from isoglot.llm.service import estimated_tokens
from isoglot.retrievers.base import Retriever
from isoglot.retrievers.dense import DenseRetriever
from isoglot.retrievers.providers import PRICES

TIMED_DOCUMENTS, TIMED_QUERIES = 32, 8
"""How many texts a model's speed is measured with."""


def facts_of(name: str, retriever: Retriever, audit: Audit, collection: Collection) -> Facts:
    """What is known of a retriever. Only models of this machine are timed: an API's answers cost money.

    Args:
        name: What the user named.
        retriever: What was loaded.
        audit: An audit of it.
        collection: What was audited.
    """
    record = audit.model
    lengths = audit.lengths["document"].by_language if "document" in audit.lengths else {}
    texts = sum(each.texts for each in lengths.values())
    price = PRICES.get(record.name)
    model: Any = getattr(retriever.encoder if isinstance(retriever, DenseRetriever) else retriever, "model", None)
    weights = [] if model is None else list(model.parameters())
    speed = _speed(retriever, collection) if isinstance(retriever, DenseRetriever) else {}
    return Facts(
        licence=card_facts(name).licence,
        parameters=sum(each.numel() for each in weights) or None,
        megabytes=sum(each.numel() * each.element_size() for each in weights) / 1e6 or None,
        dimension=record.dimension,
        max_length=record.max_length,
        cut=100 * sum(each.cut for each in lengths.values()) / texts if texts else None,
        tokens_per_word={tag: each.tokens_per_word for tag, each in lengths.items() if each.tokens_per_word},
        usd=None if price is None else price * sum(estimated_tokens(each.text) for each in collection.documents) / 1e6,
        **speed,
    )


def _speed(retriever: DenseRetriever, collection: Collection) -> dict[str, float]:
    documents = collection.documents[:: max(1, len(collection.documents) // TIMED_DOCUMENTS)][:TIMED_DOCUMENTS]
    queries = collection.queries[:: max(1, len(collection.queries) // TIMED_QUERIES)][:TIMED_QUERIES]
    _seconds(retriever, "document", documents[:4])  # the first call prepares what later ones use
    in_all = _seconds(retriever, "document", documents)
    return {
        "documents_per_second": len(documents) / in_all,
        "query_milliseconds": 1000 * median(_seconds(retriever, "query", [query]) for query in queries),
    }


def _seconds(retriever: DenseRetriever, role: str, texts: Sequence[Any]) -> float:
    started = time.perf_counter()
    retriever.encode([each.text for each in texts], role, [each.language for each in texts], keep=False)
    return time.perf_counter() - started
