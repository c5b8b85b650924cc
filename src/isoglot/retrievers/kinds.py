"""The kinds of retrievers that isoglot has, for the registry and for help texts; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from isoglot.retrievers.providers import PROVIDERS
from isoglot.stores.registry import STORES


@dataclass(frozen=True)
class Kind:
    """A kind of retriever.

    Attributes:
        name: What stands before the colon, e.g. ``openai``.
        form: How it is written on the command line.
        summary: One line.
        module: The module with ``load(argument, loading)``.
        has_vectors: Whether it has one vector a text, to which a transform can be fitted.
        encodes: Whether it encodes texts, and so puts prompts before them.
        options: Further keyword arguments of ``load``.
    """

    name: str
    form: str
    summary: str
    module: str
    encodes: bool = False
    has_vectors: bool = True
    options: Mapping[str, str] = field(default_factory=dict)


RETRIEVERS = {
    kind.name: kind
    for kind in (
        Kind(
            "bm25",
            "bm25",
            "words, without a model: the lexical baseline",
            "isoglot.retrievers.bm25",
            has_vectors=False,
        ),
        *(
            Kind(
                provider.name,
                provider.form,
                f"vectors of {provider.title}, or of what speaks its API",
                "isoglot.retrievers.embeddings_api",
                encodes=True,
                options={"provider": provider.name},
            )
            for provider in PROVIDERS.values()
        ),
        *(
            Kind(
                f"{name}-rerank",
                f"{name}-rerank:{'URL' if PROVIDERS[name].model_path else 'MODEL'}",
                f"a reranker of {PROVIDERS[name].title}",
                "isoglot.retrievers.rerank_api",
                has_vectors=False,
                options={"provider": name},
            )
            for name in ("cohere", "voyage", "jina", "tei")
        ),
        *(
            Kind(
                name,
                f"{name}:MODEL",
                summary,
                "isoglot.retrievers.ranking_models",
                has_vectors=False,
                options={"kind": kind},
            )
            for name, kind, summary in (
                ("cross-encoder", "CrossEncoder", "a reranker, which scores a query with a document"),
                ("sparse", "SparseEncoder", "sparse vectors, such as SPLADE's"),
                ("multi-vector", "MultiVectorEncoder", "a vector for each token, such as ColBERT's"),
            )
        ),
        Kind("vectors", "vectors:DIR", "vectors that you have", "isoglot.retrievers.stored_vectors"),
        Kind(
            "ray",
            "ray:DIR",
            "vectors of `isoglot encode`, ranked by a Ray cluster",
            "isoglot.retrievers.shards",
            has_vectors=False,
        ),
        *(
            Kind(name, store.form, store.summary, "isoglot.retrievers.stored_index", options={"store": name})
            for name, store in STORES.items()
        ),
    )
}

FORMS = ", ".join(kind.form for kind in RETRIEVERS.values())
"""All kinds as they are written on the command line."""
VECTOR_FORMS = ", ".join(kind.form for kind in RETRIEVERS.values() if kind.has_vectors)
"""The kinds that have vectors, to which a transform can be fitted."""
