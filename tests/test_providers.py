"""Each provider's API, on a real server that speaks its protocol and misbehaves."""

from __future__ import annotations

import logging
import math
import struct
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isoglot
from isoglot import Collection, IsoglotError
from isoglot.llm import http
from isoglot.retrievers.base import PromptRecord
from isoglot.retrievers.embeddings_api import CHARACTERS, EmbeddingsApiRetriever
from isoglot.retrievers.providers import PRICES, PROVIDERS
from isoglot.retrievers.registry import as_retriever
from tests.embedding_protocols import PROTOCOLS, body, speaking
from tests.llm_server import Reply

KEY = "secret-4711"
each_provider = pytest.mark.parametrize("provider", PROVIDERS)


def vector(text: str) -> list[float]:
    """Counts of letters: translations of a text differ, copies do not."""
    return [float(text.count(letter)) for letter in "abcdefgh"] + [1.0]


def unit(text: str) -> np.ndarray:
    return np.array(vector(text)) / np.linalg.norm(vector(text))


@pytest.fixture(autouse=True)
def _keys(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in PROVIDERS.values():
        monkeypatch.setenv(provider.key_variable, KEY)


def named(provider: str) -> str:
    return f"{provider}:{PROTOCOLS[provider].model}"


def load(provider: str) -> EmbeddingsApiRetriever:
    retriever = as_retriever(named(provider))
    assert isinstance(retriever, EmbeddingsApiRetriever)
    return retriever


def encode(retriever: EmbeddingsApiRetriever, texts: list[str], role: str = "document") -> np.ndarray:
    return retriever.encode(texts, role, ["en"] * len(texts))


def test_every_provider_has_a_protocol_here() -> None:
    assert PROTOCOLS.keys() == PROVIDERS.keys()
    assert {name.partition(":")[0] for name in PRICES} <= PROVIDERS.keys()


@each_provider
def test_a_request_is_as_the_documentation_says(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with speaking(provider, vector, monkeypatch=monkeypatch) as server:
        retriever = load(provider)
        vectors = {role: encode(retriever, ["bread"], role) for role in ("query", "document")}
        requests = [sent for sent in server.bodies if "bread" in str(sent)]
    assert requests == [PROTOCOLS[provider].request[role] for role in ("query", "document")]
    for role, found in vectors.items():
        (text,) = PROTOCOLS[provider].texts(PROTOCOLS[provider].request[role])
        assert found[0] == pytest.approx(unit(text), abs=1e-6)
    header, value = ("x-goog-api-key", KEY) if provider == "gemini" else ("authorization", f"Bearer {KEY}")
    assert {headers[header] for headers in server.headers} == {value}
    assert {headers.get("authorization", value) for headers in server.headers} == {value}
    assert retriever.describe().name == named(provider)


@each_provider
def test_an_audit_sends_each_text_once_in_its_role_and_the_next_none(
    provider: str, small_collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with speaking(provider, vector, monkeypatch=monkeypatch) as server:
        first = isoglot.audit(named(provider), small_collection)
        sent = [
            (text, str(sorted(request.items())))
            for request in server.bodies
            for text in PROTOCOLS[provider].texts(request)
        ]
        assert len(sent) == len(set(sent)) == 1 + 36  # the first finds the dimension
    again = isoglot.audit(named(provider), small_collection)  # nobody answers any more
    assert again.to_json() == first.to_json()


@pytest.mark.parametrize("provider", [name for name, provider in PROVIDERS.items() if provider.input_types])
def test_the_same_text_as_query_and_document_is_two_vectors(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with speaking(provider, vector, monkeypatch=monkeypatch) as server:
        retriever = load(provider)
        for role in ("query", "document", "query", "document"):
            encode(retriever, ["bread"], role)
        assert sum("bread" in str(sent) for sent in server.bodies) == 2
    record = retriever.describe()
    assert record.prompts == {role: PromptRecord("", "server") for role in ("query", "document")}
    assert record.how is not None
    assert all(name in record.how for name in PROVIDERS[provider].input_types.values())


def test_a_chosen_prompt_goes_before_the_text_beside_the_input_type(monkeypatch: pytest.MonkeyPatch) -> None:
    with speaking("cohere", vector, monkeypatch=monkeypatch) as server:
        retriever = as_retriever(named("cohere"), prompts={"query": "Q: "})
        assert isinstance(retriever, EmbeddingsApiRetriever)
        encode(retriever, ["bread"], "query")
    assert server.bodies[0]["texts"] == ["Q: bread"]
    assert server.bodies[0]["input_type"] == "search_query"
    assert retriever.describe().prompts["query"] == PromptRecord("Q: ", "chosen")


def test_gemini_embedding_2_gets_prompts_instead_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = PROTOCOLS["gemini"]
    path = "/v1beta/models/gemini-embedding-2:batchEmbedContents"
    monkeypatch.setitem(PROTOCOLS, "gemini", type(protocol)(**{**vars(protocol), "path": path}))
    with speaking("gemini", vector, monkeypatch=monkeypatch) as server:
        retriever = as_retriever("gemini:models/gemini-embedding-2")
        assert isinstance(retriever, EmbeddingsApiRetriever)
        for role in ("query", "document"):
            encode(retriever, ["bread"], role)
    sent = [request for batch in server.bodies for request in batch["requests"]]
    texts = [request["content"]["parts"][0]["text"] for request in sent]
    assert [text for text in texts if "bread" in text] == [
        "task: search result | query: bread",
        "title: none | text: bread",
    ]
    assert not any("taskType" in request for request in sent)


def test_what_fails_on_the_way_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fault, good = PROTOCOLS["cohere"].fault, body(PROTOCOLS["cohere"].answer([vector("a")]))
    script = [
        None,
        Reply(good.body, cut=True),
        body(fault, 429, Retry_After="0.2"),
        body(fault, 503, retry_after_ms="10"),
    ]
    with speaking("cohere", vector, script, monkeypatch=monkeypatch) as server:
        retriever = load("cohere")
        assert retriever.dimension == 9
        encode(retriever, ["a"])
    assert np.diff(server.times)[2] >= 0.2
    assert len(server.bodies) == 5


@each_provider
@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "HTTP 400: no"),
        (401, "does not accept the key in {variable}"),
        (403, "the key in {variable} may not use {model} .HTTP 403: no"),
        (404, "has no model '{model}', or the base URL is wrong .HTTP 404: no"),
        (301, "HTTP 301"),
    ],
)
def test_a_refusal_is_told_in_one_line_without_the_key(
    provider: str, status: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = PROTOCOLS[provider].fault
    with speaking(provider, vector, [body(fault, status)], monkeypatch=monkeypatch) as server:
        with pytest.raises(
            IsoglotError,
            match=told.format(variable=PROVIDERS[provider].key_variable, model=PROTOCOLS[provider].model),
        ) as caught:
            encode(load(provider), ["a"])
        assert len(server.bodies) == 1
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)


def _answers(provider: str) -> list[tuple[Reply, str]]:
    """What may come in place of vectors of two texts, and what is said."""
    protocol = PROTOCOLS[provider]
    good = [1.0] * 9
    bad: list[tuple[list[Any], str]] = [
        ([good], "1 vectors for 2 texts"),
        ([good] * 3, "3 vectors for 2 texts"),
        ([[1.0, 2.0]] * 2, "vectors of 2 dimensions, and before of 9"),
        ([good, [1.0] * 8], "something else than a list of vectors"),
        ([[], []], "something else than a list of vectors"),
        ([good, None], "something else than a list of vectors"),
        ([good, [math.nan] * 9], "zero or not finite, for the document 'b'"),
        ([good, [0.0] * 9], "zero or not finite, for the document 'b'"),
        ([good, [1e300] * 9], "zero or not finite"),
    ]
    return [
        *((body(protocol.answer(vectors)), told) for vectors, told in bad),
        (body(protocol.fault), r"gave an error \(no\); what was good before is kept"),
        (body({}), "something else than a list of vectors"),
        (body(None), "something else than a list of vectors"),
        (body("no"), "something else than a list of vectors"),
        (Reply(b"<html>hi</html>", headers={"Content-Type": "text/html"}), "something that is not JSON"),
    ]


@each_provider
def test_garbage_is_told_and_not_kept(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = _answers(provider)
    with speaking(provider, vector, [None, *(reply for reply, _ in answers)], monkeypatch=monkeypatch) as server:
        retriever = load(provider)
        assert retriever.dimension == 9
        for _, told in answers:
            with pytest.raises(IsoglotError, match=told) as caught:
                encode(retriever, ["a", "b"])
            assert "\n" not in str(caught.value)
        assert len(server.bodies) == 1 + len(answers)
        assert encode(retriever, ["a", "b"]).shape == (2, 9)


@pytest.mark.parametrize("provider", ["openai", "voyage", "jina"])
def test_an_answer_without_indexes_is_in_the_order_of_the_texts(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [{"embedding": vector("ab")}, {"embedding": vector("cd"), "index": None}]
    numbered = [{"embedding": vector("gh"), "index": 1}, {"embedding": vector("ef"), "index": 0}]
    script = [None, body({"data": entries}), body({"data": numbered}), body({"data": [numbered[0], entries[0]]})]
    with speaking(provider, vector, script, monkeypatch=monkeypatch):
        retriever = load(provider)
        assert retriever.dimension == 9
        assert encode(retriever, ["ab", "cd"]) == pytest.approx(np.stack([unit("ab"), unit("cd")]), abs=1e-6)
        assert encode(retriever, ["ef", "gh"]) == pytest.approx(np.stack([unit("ef"), unit("gh")]), abs=1e-6)
        with pytest.raises(IsoglotError, match=r"vectors whose index is not 0, 1, 2 \.\.\., each once"):
            encode(retriever, ["aa", "bb"])


def test_base64_is_read_whoever_sends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = b64encode(struct.pack("<9f", *vector("ab"))).decode()
    with speaking("openai", vector, [None, body({"data": [{"embedding": packed}]})], monkeypatch=monkeypatch):
        retriever = load("openai")
        assert retriever.dimension == 9
        assert encode(retriever, ["ab"])[0] == pytest.approx(unit("ab"), abs=1e-6)


@each_provider
def test_what_is_sent_is_told_before_and_what_was_counted_after(
    provider: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "isoglot")
    with speaking(provider, vector, monkeypatch=monkeypatch):
        encode(load(provider), ["abcdefgh" * 10, "bread"])
    before = [line for line in caplog.messages if "to send" in line]
    after = [line for line in caplog.messages if "counted" in line]
    assert len(before) == 1
    assert before[0].startswith(f"{named(provider)}: 2 document texts to send, about ")
    assert before[0].endswith("tokens")
    assert len(after) == (PROTOCOLS[provider].tokens > 0)
    assert all(line == f"{named(provider)}: the API counted 5 tokens" for line in after)


def test_a_price_is_told_with_its_day_at_the_providers_own_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "isoglot")
    with speaking("voyage", vector, monkeypatch=monkeypatch) as server:
        monkeypatch.delenv("VOYAGE_BASE_URL")
        own = type(PROVIDERS["voyage"])(**{**vars(PROVIDERS["voyage"]), "url": server.url})
        monkeypatch.setitem(PROVIDERS, "voyage", own)
        encode(load("voyage"), ["a" * 4000] * 2 + ["b" * 4000])
        assert load("voyage").describe().how == (
            "embeddings of Voyage's API, told query and document, whose weights are not seen: "
            "the fingerprint is of names"
        )
    assert "about 2000 tokens: USD 0.00012 at the price read on 2026-" in caplog.text
    assert "counted 5 tokens: USD 3e-07" in caplog.text


def test_a_request_holds_no_more_texts_or_characters_than_a_provider_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"text {number}" for number in range(100)]
    with speaking("cohere", vector, monkeypatch=monkeypatch) as server:
        encode(load("cohere"), texts)
        encode(load("cohere"), ["a" * (CHARACTERS // 2), "b" * (CHARACTERS // 2), "c", "d" * 2 * CHARACTERS])
    assert [len(sent["texts"]) for sent in server.bodies] == [96, 1, 4, 2, 1, 1]


def test_text_embeddings_inference_says_which_model_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    with speaking("tei", vector, monkeypatch=monkeypatch) as server:
        monkeypatch.delenv("TEI_BASE_URL")
        retriever = as_retriever(f"tei:{server.url}")
        assert isinstance(retriever, EmbeddingsApiRetriever)
        encode(retriever, ["bread"])
        assert retriever.describe().name == named("tei")
        assert server.bodies[0] == {"inputs": ["passage: bread"], "truncate": True}
        with pytest.raises(IsoglotError, match="a user and password belong into TEI_BASE_URL, not into a name"):
            as_retriever(server.url.replace("http://", "tei:http://me:hidden@"))
        monkeypatch.setenv("TEI_BASE_URL", server.url.replace("http://", "http://me:hidden@"))
        with pytest.raises(IsoglotError, match="serves the model intfloat/multilingual-e5-small, not other") as caught:
            encode(as_retriever("tei:other"), ["bread"])  # type: ignore[arg-type]
        assert "hidden" not in str(caught.value)
    with pytest.raises(IsoglotError, match="cannot be reached"):
        as_retriever(f"tei:{server.url}")


@each_provider
def test_a_missing_key_or_address_is_told(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = PROVIDERS[provider]
    monkeypatch.delenv(kind.key_variable)
    with pytest.raises(IsoglotError, match=f"name the API's model: {provider}:"):
        as_retriever(f"{provider}:")
    if not kind.local:
        with pytest.raises(IsoglotError, match=f"{kind.key_variable}, or name a server with {kind.url_variable}"):
            as_retriever(named(provider))
    with speaking(provider, vector, [body({}, 401)], monkeypatch=monkeypatch) as server:
        with pytest.raises(IsoglotError, match=f"wants a key, in the environment variable {kind.key_variable}"):
            encode(load(provider), ["a"])
        assert not {"authorization", "x-goog-api-key"} & server.headers[0].keys()
    monkeypatch.setenv(kind.url_variable, "localhost:1")
    with pytest.raises(IsoglotError, match=f"{kind.url_variable} is not an HTTP URL"):
        as_retriever(named(provider))


def test_user_and_password_of_a_base_url_are_sent_and_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with speaking("ollama", vector, [None, body({}, 400)], monkeypatch=monkeypatch) as server:
        monkeypatch.setenv("OLLAMA_BASE_URL", server.url.replace("http://", "http://me:hid%20den@"))
        monkeypatch.delenv("OLLAMA_API_KEY")
        retriever = load("ollama")
        assert "hid" not in str(retriever.describe())
        with pytest.raises(IsoglotError, match="HTTP 400") as caught:
            encode(retriever, ["a"])
    assert server.headers[0]["authorization"] == f"Basic {b64encode(b'me:hid den').decode()}"
    assert "hid" not in str(caught.value) + caplog.text


def test_a_server_that_asks_for_an_hour_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        speaking("voyage", vector, [body({"detail": "daily limit"}, 429, Retry_After="3600")], monkeypatch=monkeypatch),
        pytest.raises(IsoglotError, match=r"no answer \(HTTP 429: daily limit\); run again later"),
    ):
        encode(load("voyage"), ["a"])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "nan", "retry-after": "-1"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert http._retry_after(headers) == seconds
