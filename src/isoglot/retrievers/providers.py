"""The APIs of embeddings that isoglot speaks: one entry each, with its request, its answer, its limits and its prices.

Each entry follows the provider's documentation; docs/reference/retrievers.md names the pages, and the day they were
read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any
from urllib.parse import quote

Body = Mapping[str, Any]

PRICES_READ = "2026-11-28"
"""The day on which `PRICES` were read."""
PRICES = {
    "openai:text-embedding-3-small": 0.02,
    "openai:text-embedding-3-large": 0.13,
    "openai:text-embedding-ada-002": 0.10,
    "cohere:embed-v4.0": 0.12,
    "cohere:embed-multilingual-v3.0": 0.10,
    "cohere:embed-english-v3.0": 0.10,
    "voyage:voyage-4-large": 0.12,
    "voyage:voyage-4": 0.06,
    "voyage:voyage-4-lite": 0.02,
    "voyage:voyage-3-large": 0.18,
    "voyage:voyage-3.5": 0.06,
    "voyage:voyage-3.5-lite": 0.02,
    "gemini:gemini-embedding-001": 0.15,
    "gemini:gemini-embedding-2": 0.20,
}
"""Provider and model -> USD for a million tokens, at the provider's own address."""


class OrderError(ValueError):
    """An answer numbers its vectors, but not 0, 1, 2 ..., each once."""


@dataclass(frozen=True)
class Provider:
    """An API of embeddings.

    Attributes:
        name: What stands before the colon, e.g. ``cohere``.
        title: What people call it.
        url: The base URL, where the environment names none.
        path: The path to post to; ``{model}`` stands for the model.
        body: Returns the request for a model, texts, and an input type or None.
        vectors: Returns the vectors of an answer in the order of the texts. What is no such answer makes it raise a
            LookupError, TypeError, AttributeError or ValueError.
        tokens: Path of keys to the number of tokens in an answer; empty: the API counts none.
        input_types: Role -> what the API calls it; empty: it knows no roles, and gets prompts of the model's family.
        untyped: Pattern of the models that know no roles all the same.
        batch: Texts in a request at most.
        local: Whether it runs on the user's own machines: it needs no key and costs nothing.
        key_header: The header that the key is sent in.
        model_prefix: What may stand before the name of a model and is no part of it.
        model_path: The path that says which model is served (``model_id``); empty: requests name the model.
    """

    name: str
    title: str
    url: str
    path: str
    body: Callable[[str, Sequence[str], str | None], Body]
    vectors: Callable[[Any], Sequence[Any]]
    tokens: tuple[str, ...] = ()
    input_types: Mapping[str, str] = field(default_factory=dict)
    untyped: str = "(?!)"
    batch: int = 32
    local: bool = False
    key_header: str = "Authorization"
    model_prefix: str = ""
    model_path: str = ""

    @property
    def key_variable(self) -> str:
        """The environment variable of the key."""
        return f"{self.name.upper()}_API_KEY"

    @property
    def url_variable(self) -> str:
        """The environment variable of the base URL."""
        return f"{self.name.upper()}_BASE_URL"

    @property
    def form(self) -> str:
        """How it is written on the command line."""
        return f"{self.name}:{'URL' if self.model_path else 'MODEL'}"

    def input_type(self, model: str, role: str) -> str | None:
        """Return what the API calls a role; None for a model that knows no roles."""
        return None if re.search(self.untyped, model) else self.input_types.get(role)

    def path_for(self, model: str) -> str:
        """Return the path to post to for a model."""
        return self.path.format(model=quote(model, safe=""))

    def counted_tokens(self, answer: Any) -> int:
        """Return the number of tokens that an answer states; 0 if it states none."""
        for key in self.tokens:
            answer = answer.get(key) if isinstance(answer, dict) else None
        return answer if isinstance(answer, int) else 0


def _without_none(**fields: Any) -> Body:
    return {name: value for name, value in fields.items() if value is not None}


def _openai_body(model: str, texts: Sequence[str], input_type: str | None) -> Body:
    return _without_none(model=model, input=texts, encoding_format="float", input_type=input_type)


def _cohere_body(model: str, texts: Sequence[str], input_type: str | None) -> Body:
    return {
        "model": model,
        "texts": texts,
        "input_type": input_type,
        "embedding_types": ["float"],
        "truncate": "END",
    }


def _voyage_body(model: str, texts: Sequence[str], input_type: str | None) -> Body:
    return {"model": model, "input": texts, "input_type": input_type, "truncation": True}


def _jina_body(model: str, texts: Sequence[str], input_type: str | None) -> Body:
    return _without_none(model=model, input=texts, task=input_type, embedding_type="float", truncate=True)


def _gemini_body(model: str, texts: Sequence[str], input_type: str | None) -> Body:
    return {
        "requests": [
            _without_none(model=f"models/{model}", content={"parts": [{"text": text}]}, taskType=input_type)
            for text in texts
        ]
    }


def _ollama_body(model: str, texts: Sequence[str], input_type: str | None) -> Body:
    return {"model": model, "input": texts, "truncate": True}


def _tei_body(model: str, texts: Sequence[str], input_type: str | None) -> Body:
    return {"inputs": texts, "truncate": True}


def _numbered_vectors(answer: Any) -> Sequence[Any]:
    """The vectors of an answer in OpenAI's form, ordered by ``index``.

    Some servers do not number them, or call all of them 0: those are in the order of the texts.
    """
    entries = answer["data"]
    numbers = {entry.get("index") for entry in entries}
    if len(numbers) > 1:
        if numbers != {*range(len(entries))}:
            raise OrderError
        entries = sorted(entries, key=itemgetter("index"))
    return [entry["embedding"] for entry in entries]


def _cohere_vectors(answer: Any) -> Sequence[Any]:
    return answer["embeddings"]["float"]  # type: ignore[no-any-return]


def _gemini_vectors(answer: Any) -> Sequence[Any]:
    return [embedding["values"] for embedding in answer["embeddings"]]


def _ollama_vectors(answer: Any) -> Sequence[Any]:
    return answer["embeddings"]  # type: ignore[no-any-return]


def _tei_vectors(answer: Any) -> Sequence[Any]:
    if not isinstance(answer, list):
        raise TypeError
    return answer


PROVIDERS = {
    provider.name: provider
    for provider in (
        Provider(
            name="openai",
            title="OpenAI",
            url="https://api.openai.com/v1",
            path="/embeddings",
            body=_openai_body,
            vectors=_numbered_vectors,
            tokens=("usage", "total_tokens"),
        ),
        Provider(
            name="cohere",
            title="Cohere",
            url="https://api.cohere.com",
            path="/v2/embed",
            body=_cohere_body,
            vectors=_cohere_vectors,
            tokens=("meta", "billed_units", "input_tokens"),
            input_types={"query": "search_query", "document": "search_document"},
            batch=96,
        ),
        Provider(
            name="voyage",
            title="Voyage",
            url="https://api.voyageai.com/v1",
            path="/embeddings",
            body=_voyage_body,
            vectors=_numbered_vectors,
            tokens=("usage", "total_tokens"),
            input_types={"query": "query", "document": "document"},
            batch=128,
        ),
        Provider(
            name="jina",
            title="Jina",
            url="https://api.jina.ai/v1",
            path="/embeddings",
            body=_jina_body,
            vectors=_numbered_vectors,
            tokens=("usage", "total_tokens"),
            input_types={"query": "retrieval.query", "document": "retrieval.passage"},
            untyped=r"embeddings-v2|clip-v1",
            batch=128,
        ),
        Provider(
            name="gemini",
            title="Gemini",
            url="https://generativelanguage.googleapis.com/v1beta",
            path="/models/{model}:batchEmbedContents",
            body=_gemini_body,
            vectors=_gemini_vectors,
            tokens=("usageMetadata", "promptTokenCount"),
            input_types={"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT"},
            untyped="gemini-embedding-2",
            batch=100,
            key_header="x-goog-api-key",
            model_prefix="models/",
        ),
        Provider(
            name="ollama",
            title="Ollama",
            url="http://localhost:11434",
            path="/api/embed",
            body=_ollama_body,
            vectors=_ollama_vectors,
            tokens=("prompt_eval_count",),
            local=True,
        ),
        Provider(
            name="tei",
            title="text-embeddings-inference",
            url="http://localhost:8080",
            path="/embed",
            body=_tei_body,
            vectors=_tei_vectors,
            local=True,
            model_path="/info",
        ),
    )
}
