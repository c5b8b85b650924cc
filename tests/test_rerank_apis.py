"""Rerankers behind APIs: requests as documented, answers checked, and no pair sent twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import isoglot
from isoglot import IsoglotError
from isoglot.retrievers.providers import PROVIDERS
from isoglot.retrievers.registry import as_retriever
from isoglot.retrievers.rerank_api import RERANK_APIS, RerankApiRetriever
from tests.embedding_protocols import body
from tests.llm_server import Reply, Server, serving

each_provider = pytest.mark.parametrize("provider", RERANK_APIS)
BASES = {"cohere": ("", "/v2/rerank"), "jina": ("/v1", "/rerank"), "voyage": ("/v1", "/rerank"), "tei": ("", "/rerank")}
"""Provider -> what stands behind the port in its base URL, and the path that is posted to."""
TEXTS = ["bread", "a stone bridge"]
REQUESTS = {
    "cohere": {"model": "m", "query": "q", "documents": TEXTS},
    "jina": {"model": "m", "query": "q", "documents": TEXTS, "return_documents": False},
    "voyage": {"model": "m", "query": "q", "documents": TEXTS, "truncation": True},
    "tei": {"query": "q", "texts": TEXTS, "raw_scores": True, "truncate": True},
}


def score(text: str) -> float:
    return text.count("e") / 8 + text.count("r") / 64


def answer(provider: str, scores: list[tuple[int, Any]]) -> Any:
    """What a provider answers, as documented: best first."""
    name = "score" if provider == "tei" else "relevance_score"
    results = [{"index": at, name: value} for at, value in scores]
    return results if provider == "tei" else {"data" if provider == "voyage" else "results": results}


@contextmanager
def asking(
    provider: str, monkeypatch: pytest.MonkeyPatch, script: list[Reply | None] | None = None
) -> Iterator[tuple[Server, RerankApiRetriever]]:
    """A server of a provider's reranker, and a retriever that asks it."""
    base, path = BASES[provider]

    def ordered(texts: list[str]) -> Reply:
        return body(answer(provider, sorted(enumerate(map(score, texts)), key=lambda pair: -pair[1])))

    with serving(
        ordered,
        script or [],
        posts=[base + path],
        asked=lambda sent: sent["texts" if provider == "tei" else "documents"],
        base=base,
    ) as server:
        monkeypatch.setenv(PROVIDERS[provider].url_variable, server.url)
        retriever = as_retriever(f"{provider}-rerank:m")
        assert isinstance(retriever, RerankApiRetriever)
        yield server, retriever


@pytest.fixture(autouse=True)
def _keys(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in RERANK_APIS:
        monkeypatch.setenv(PROVIDERS[provider].key_variable, "secret-4711")


@each_provider
def test_a_request_is_as_the_documentation_says(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with asking(provider, monkeypatch) as (server, retriever):
        scores = retriever.fresh_scores([("q", text) for text in TEXTS])
    assert server.bodies == [REQUESTS[provider]]
    assert scores.tolist() == pytest.approx(list(map(score, TEXTS)))
    assert server.headers[0]["authorization"] == "Bearer secret-4711"


@each_provider
def test_a_pipeline_sends_each_candidate_once(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with asking(provider, monkeypatch) as (server, _):
        audits = [
            isoglot.audit(f"bm25 %5 >> {provider}-rerank:m", "mini@demo", pools=[("en", "de")], limit=3)
            for _ in range(2)
        ]
    sent = [
        (request["query"], text) for request in server.bodies for text in request.get("texts", request.get("documents"))
    ]
    assert len(sent) == len(set(sent)) > 0
    assert audits[0].to_json() == audits[1].to_json()
    assert audits[0].model.name == f"bm25 %5 >> {provider}-rerank:m"


@each_provider
def test_garbage_is_told_and_not_kept(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    replies = [
        (answer(provider, [(0, 0.5)]), "1 scores for 2 documents"),
        (answer(provider, [(0, 0.5), (0, 0.5)]), "2 scores for 2 documents, or some of them twice"),
        (answer(provider, [(0, 0.5), (2, 0.5)]), "2 scores for 2 documents"),
        (answer(provider, [(0, 0.5), (1, None)]), "something else than scored documents"),
        ({"error": {"message": "no"}} if provider != "tei" else {"error": "no"}, "gave"),
        (None, "something else than scored documents"),
        ("no", "something else than scored documents"),
    ]
    with asking(provider, monkeypatch, [body(reply) for reply, _ in replies]) as (_, retriever):
        for _, told in replies:
            with pytest.raises(IsoglotError, match=told) as caught:
                retriever.fresh_scores([("q", text) for text in TEXTS])
            assert "\n" not in str(caught.value)
        assert len(retriever.fresh_scores([("q", text) for text in TEXTS])) == 2


def test_a_request_holds_no_more_documents_than_a_provider_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    with asking("tei", monkeypatch) as (server, retriever):
        retriever.fresh_scores([(query, f"text {number}") for query in "ab" for number in range(40)])
    assert [(request["query"], len(request["texts"])) for request in server.bodies] == [
        ("a", 32),
        ("a", 8),
        ("b", 32),
        ("b", 8),
    ]


@pytest.mark.parametrize("provider", ["cohere", "jina", "voyage"])
def test_a_missing_key_is_told(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROVIDERS[provider].key_variable)
    with pytest.raises(IsoglotError, match=PROVIDERS[provider].key_variable):
        as_retriever(f"{provider}-rerank:m")
