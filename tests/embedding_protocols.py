"""The protocols of embedding APIs, as their documentation states them, for the server of `tests.llm_server`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.llm_server import Reply, Server, serving

Vectors = Sequence[Any]


@dataclass(frozen=True)
class Protocol:
    """One API.

    Attributes:
        model: The model that tests ask for.
        base: What stands behind the port in the base URL.
        path: The path that is posted to, behind the port.
        texts: Returns the texts of a request.
        answer: Returns the body of an answer with some vectors.
        fault: The body of an error that says "no".
        request: Role -> what a request for the text "bread" must be, as documented.
        tokens: The number of tokens that `answer` states.
        pages: Path -> the JSON that GET answers with.
    """

    model: str
    base: str
    path: str
    texts: Callable[[dict[str, Any]], list[str]]
    answer: Callable[[Vectors], Any]
    fault: Any
    request: Mapping[str, Any]
    tokens: int = 0
    pages: Mapping[str, Any] = field(default_factory=dict)


def _numbered(vectors: Vectors) -> dict[str, Any]:
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return {"object": "list", "model": "test", "data": data, "usage": {"prompt_tokens": 5, "total_tokens": 5}}


def _gemini_request(task: str) -> dict[str, Any]:
    content = {"parts": [{"text": "bread"}]}
    return {"requests": [{"model": "models/gemini-embedding-001", "content": content, "taskType": task}]}


PROTOCOLS = {
    "openai": Protocol(
        model="text-embedding-3-small",
        base="/v1",
        path="/v1/embeddings",
        texts=lambda body: body["input"],
        answer=_numbered,
        fault={"error": {"message": "no", "type": "test"}},
        request={
            role: {"model": "text-embedding-3-small", "input": ["bread"], "encoding_format": "float"}
            for role in ("query", "document")
        },
        tokens=5,
    ),
    "cohere": Protocol(
        model="embed-v4.0",
        base="",
        path="/v2/embed",
        texts=lambda body: body["texts"],
        answer=lambda vectors: {
            "id": "1",
            "embeddings": {"float": list(vectors)},
            "texts": [],
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 5}},
        },
        fault={"id": "1", "message": "no"},
        request={
            role: {
                "model": "embed-v4.0",
                "texts": ["bread"],
                "input_type": f"search_{role}",
                "embedding_types": ["float"],
                "truncate": "END",
            }
            for role in ("query", "document")
        },
        tokens=5,
    ),
    "voyage": Protocol(
        model="voyage-4",
        base="/v1",
        path="/v1/embeddings",
        texts=lambda body: body["input"],
        answer=_numbered,
        fault={"detail": "no"},
        request={
            role: {"model": "voyage-4", "input": ["bread"], "input_type": role, "truncation": True}
            for role in ("query", "document")
        },
        tokens=5,
    ),
    "jina": Protocol(
        model="jina-embeddings-v3",
        base="/v1",
        path="/v1/embeddings",
        texts=lambda body: body["input"],
        answer=_numbered,
        fault={"detail": "no"},
        request={
            role: {
                "model": "jina-embeddings-v3",
                "input": ["bread"],
                "task": f"retrieval.{name}",
                "embedding_type": "float",
                "truncate": True,
            }
            for role, name in (("query", "query"), ("document", "passage"))
        },
        tokens=5,
    ),
    "gemini": Protocol(
        model="gemini-embedding-001",
        base="/v1beta",
        path="/v1beta/models/gemini-embedding-001:batchEmbedContents",
        texts=lambda body: [request["content"]["parts"][0]["text"] for request in body["requests"]],
        answer=lambda vectors: {"embeddings": [{"values": vector} for vector in vectors]},
        fault={"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}},
        request={
            "query": _gemini_request("RETRIEVAL_QUERY"),
            "document": _gemini_request("RETRIEVAL_DOCUMENT"),
        },
    ),
    "ollama": Protocol(
        model="nomic-embed-text:v1.5",
        base="",
        path="/api/embed",
        texts=lambda body: body["input"],
        answer=lambda vectors: {"model": "test", "embeddings": list(vectors), "prompt_eval_count": 5},
        fault={"error": "no"},
        request={
            role: {"model": "nomic-embed-text:v1.5", "input": [f"search_{role}: bread"], "truncate": True}
            for role in ("query", "document")
        },
        tokens=5,
    ),
    "tei": Protocol(
        model="intfloat/multilingual-e5-small",
        base="",
        path="/embed",
        texts=lambda body: body["inputs"],
        answer=list,
        fault={"error": "no", "error_type": "validation"},
        request={
            "query": {"inputs": ["query: bread"], "truncate": True},
            "document": {"inputs": ["passage: bread"], "truncate": True},
        },
        pages={
            "/info": {"model_id": "intfloat/multilingual-e5-small", "model_type": {"embedding": {"pooling": "mean"}}}
        },
    ),
}


def body(value: Any, status: int = 200, **headers: str) -> Reply:
    """Return a reply with a JSON body."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(json.dumps(value).encode(), status, named)


@contextmanager
def speaking(
    provider: str,
    vector: Callable[[str], list[float]],
    script: Sequence[Reply | None] = (),
    *,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Server]:
    """Run a server that speaks a provider's protocol, and name it in the provider's environment variable."""
    protocol = PROTOCOLS[provider]
    with serving(
        lambda texts: body(protocol.answer([vector(text) for text in texts])),
        script,
        posts=[protocol.path],
        pages=protocol.pages,
        asked=protocol.texts,
        base=protocol.base,
    ) as server:
        monkeypatch.setenv(f"{provider.upper()}_BASE_URL", server.url)
        yield server
