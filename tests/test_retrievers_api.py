"""An embeddings API, on a real server that misbehaves: what is good is kept, what is not is told in one line."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest

import isoglot
from isoglot import Collection, IsoglotError
from isoglot.retrievers.base import PromptRecord
from isoglot.retrievers.embeddings_api import EmbeddingsApiRetriever
from isoglot.retrievers.providers import PROVIDERS
from tests import command_line
from tests.llm_server import Reply, Server, embeddings, error, serving

KEY = "sk-secret-4711"
BATCH = PROVIDERS["openai"].batch


def vector(text: str) -> list[float]:
    """Counts of letters: translations of a text differ, copies do not."""
    return [float(text.count(letter)) for letter in "abcdefgh"] + [1.0]


def good(texts: list[str]) -> Reply:
    return embeddings([vector(text) for text in texts])


@pytest.fixture(autouse=True)
def _key(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def at(
    server: Server, monkeypatch: pytest.MonkeyPatch, model: str = "test", timeout: float = 120
) -> EmbeddingsApiRetriever:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    return EmbeddingsApiRetriever(model, timeout=timeout)


def encode(retriever: EmbeddingsApiRetriever, texts: list[str], role: str = "document") -> np.ndarray:
    return retriever.encode(texts, role, ["en"] * len(texts))


def test_an_audit_asks_for_each_text_once_and_the_next_for_none(
    small_collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(good) as server:
        at(server, monkeypatch)
        first = isoglot.audit("openai:test", small_collection)
        asked = [text for body in server.bodies for text in body["input"]]
        assert len(asked) == len(set(asked)) == 1 + 36  # the first finds the dimension
        again = isoglot.audit("openai:test", small_collection)
        assert len(server.bodies) == 3
    assert again.to_json() == first.to_json()
    assert first.model.name == "openai:test"
    assert first.model.dimension == 9
    assert first.model.how.startswith("embeddings of 127.0.0.1:")
    assert first.find("mono-same", ["en"], "en").measures["rr"].mean == 100


def test_ranks_are_those_of_the_vectors(small_collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(good) as server:
        found = at(server, monkeypatch)
        (result,) = isoglot.audit(
            found, small_collection, pools=[["en", "de"]], query_languages=["en"], scenarios=["multi"], run_depth=12
        ).scenarios
    texts = {(d.content_id, d.language): d.text for d in small_collection.documents}
    queries = {q.query_id: q.text for q in small_collection.queries if q.language == "en"}
    for query_id, run in result.run:
        for content, language, score in run:
            one, two = np.array(vector(queries[query_id])), np.array(vector(texts[content, language]))
            assert score == pytest.approx(one @ two / np.linalg.norm(one) / np.linalg.norm(two), abs=1e-6)


def test_a_known_family_gets_its_prompts_and_they_are_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(good) as server:
        found = at(server, monkeypatch, "intfloat/multilingual-e5-small")
        encode(found, ["bread"], "query")
        encode(found, ["bread"], "document")
        encode(at(server, monkeypatch, "other"), ["bread"])
    assert [body["input"] for body in server.bodies if "bread" in body["input"][0]] == [
        ["query: bread"],
        ["passage: bread"],
        ["bread"],
    ]
    assert found.describe().prompts["document"] == PromptRecord("passage: ", "family")


def test_of_a_model_without_known_prompts_it_is_said_that_none_are_known(
    small_collection: Collection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "isoglot")
    with serving(good) as server:
        at(server, monkeypatch)
        for model in ("test", "intfloat/multilingual-e5-small"):
            isoglot.audit(f"openai:{model}", small_collection, pools=[["en", "de"]], scenarios=["multi"])
    said = [message for message in caplog.messages if "no prompts of it are known" in message]
    assert [message.partition(": ")[0] for message in said] == ["openai:test"]


def test_isoglots_own_server_is_told_the_role_and_gets_no_prompt(
    small_collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = "intfloat/multilingual-e5-small"
    with serving(good) as server:
        server.models = {"other": "me", model: "isoglot"}
        found = at(server, monkeypatch, model)
        encode(found, ["bread"], "query")
        encode(found, ["bread"], "document")
        first = isoglot.audit(f"openai:{model}", small_collection)
        with pytest.raises(IsoglotError, match="puts its model's prompts before the texts; choose them when"):
            isoglot.audit(f"openai:{model}", small_collection, prompts={"query": "query: "})
    asked = [(body["input"], body["input_type"]) for body in server.bodies if "bread" in body["input"]]
    assert asked == [(["bread"], "query"), (["bread"], "document")]
    assert found.describe().prompts == {role: PromptRecord("", "server") for role in ("query", "document")}
    # the server is gone; what it gave is kept
    assert isoglot.audit(f"openai:{model}", small_collection).to_json() == first.to_json()


def test_prompts_can_be_chosen_and_left_out(small_collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(good) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        done = command_line.isoglot(
            *(
                "audit",
                "openai:e5-small",
                "--data",
                "mini@demo",
                "--pool",
                "en,de",
                "--scenarios",
                "multi",
                "--limit",
                1,
            ),
            *("--query-prompt", "", "--document-prompt", "D: ", "--json"),
        )
    assert done.returncode == 0, done.stderr
    prompts = json.loads(done.stdout)["model"]["prompts"]
    assert prompts == {"query": {"text": "", "source": "chosen"}, "document": {"text": "D: ", "source": "chosen"}}
    texts = [text for body in server.bodies for text in body["input"]]
    assert not any(text.startswith(("query: ", "passage: ")) for text in texts)
    assert any(text.startswith("D: ") for text in texts)
    assert not any("input_type" in body for body in server.bodies)


def test_answers_out_of_order_are_put_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda texts: embeddings([vector(t) for t in texts][::-1], range(len(texts))[::-1])) as server:
        vectors = encode(at(server, monkeypatch), ["abba", "cde", "abba"])
    assert (vectors[0] == vectors[2]).all()
    assert vectors[1] @ np.array(vector("cde")) == pytest.approx(np.linalg.norm(vector("cde")))


@pytest.mark.parametrize("number", [0, None, "missing"])
def test_answers_without_numbers_are_in_the_order_of_the_texts(number: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def unnumbered(texts: list[str]) -> Reply:
        index = {} if number == "missing" else {"index": number}
        data = [{"embedding": vector(text), **index} for text in texts]
        return Reply(json.dumps({"data": data}).encode())

    with serving(unnumbered) as server:
        vectors = encode(at(server, monkeypatch), ["abba", "cde"])
    assert vectors[1] @ np.array(vector("cde")) == pytest.approx(np.linalg.norm(vector("cde")))


def test_base64_is_decoded_though_numbers_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def encoded(texts: list[str]) -> Reply:
        return embeddings([b64encode(np.array(vector(text), "<f4").tobytes()).decode() for text in texts])

    with serving(encoded) as server:
        vectors = encode(at(server, monkeypatch), ["abba"])
    assert vectors[0] @ np.array(vector("abba")) == pytest.approx(np.linalg.norm(vector("abba")))


def test_a_model_that_tells_nothing_apart_is_told_of(
    small_collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda texts: embeddings([[1.0] * 9 for _ in texts])) as server:
        at(server, monkeypatch)
        found = isoglot.audit("openai:test", small_collection, pools=[["en", "de"]], scenarios=["multi"])
    assert found.notes == ("openai:test gave all documents the same vector: their ranks are those of chance.",)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (embeddings([vector("a")]), "1 vectors for 2 texts"),
        (embeddings([vector("a")] * 3), "3 vectors for 2 texts"),
        (embeddings([vector("a")] * 2, [1, 2]), "whose index is not 0, 1, 2"),
        (embeddings([vector("a")] * 2, [0, None]), "whose index is not 0, 1, 2"),
        (embeddings([[1.0, 2.0]] * 2), "vectors of 2 dimensions, and before of 9"),
        (embeddings([[1.0] * 9, [1.0] * 8]), "something else than a list of vectors"),
        (embeddings([[], []]), "something else than a list of vectors"),
        (embeddings(["AAAA", "AAAA"]), "something else than a list of vectors"),
        (embeddings([[1.0] * 9, None]), "something else than a list of vectors"),
        (embeddings([[1.0] * 9, [math.nan] * 9]), "zero or not finite, for the document 'b'"),
        (embeddings([[1.0] * 9, [1e300] * 9]), "zero or not finite"),
        (embeddings([[1.0] * 9, [0.0] * 9]), "zero or not finite"),
        (Reply(b'{"data": null}'), "something else than a list of vectors"),
        (Reply(b"{}"), "something else than a list of vectors"),
        (Reply(b"[1, 2]"), "something else than a list of vectors"),
        (Reply(b"{oops"), "something that is not JSON"),
        (Reply(b"<html>hi</html>", headers={"Content-Type": "text/html"}), "something that is not JSON"),
        (Reply(b'{"error": {"message": "model is still loading"}}'), r"gave an error \(model is still loading\)"),
        (Reply(b'{"error": "busy with %s"}' % KEY.encode()), r"gave an error \(busy with \*\*\*\)"),
        (error(400, "maximum context length is 512"), "HTTP 400: maximum context length is 512"),
        (
            Reply(b'{"detail": [{"loc": ["body"], "msg": "at most 16 texts"}]}', status=422),
            "HTTP 422: at most 16 texts",
        ),
        (Reply(b'{"detail": "Not here"}', status=400), "HTTP 400: Not here"),
        (error(401), "does not accept the key in OPENAI_API_KEY"),
        (error(403), "may not use test"),
        (error(404), "has no model 'test'"),
    ],
)
def test_garbage_is_told_in_one_line_and_not_kept(bad: Reply, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(good, [None, bad]) as server:  # the first request finds the dimension
        found = at(server, monkeypatch)
        assert found.dimension == 9
        with pytest.raises(IsoglotError, match=told) as caught:
            encode(found, ["a", "b"])
        assert "\n" not in str(caught.value)
        assert KEY not in str(caught.value)
        before = len(server.bodies)
        vectors = encode(found, ["a", "b"])
        assert server.bodies[before:][0]["input"] == ["a", "b"]
    assert vectors[0] @ np.array(vector("a")) == pytest.approx(np.linalg.norm(vector("a")))


def test_what_was_answered_before_garbage_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"text {number}" for number in range(2 * BATCH + 3)]
    with serving(good, [None, None, embeddings([])]) as server:
        with pytest.raises(IsoglotError, match="0 vectors for 32 texts; what was good before is kept"):
            encode(at(server, monkeypatch), texts)
        server.bodies.clear()
        encode(at(server, monkeypatch), texts)
    assert [len(body["input"]) for body in server.bodies] == [BATCH, 3]


def test_a_server_that_is_busy_is_asked_again_after_as_long_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(
        good, [error(429, Retry_After="0.2"), error(503, retry_after_ms="150"), error(500, retry_after_ms="10")]
    ) as server:
        encode(at(server, monkeypatch), ["a"])
    waits = np.diff(server.times)
    assert len(server.bodies) == 5
    assert waits[0] >= 0.2
    assert not waits[1] > 1  # the second round of requests begins at once


def test_a_connection_that_is_cut_or_too_slow_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Reply(good(["a"]).body, delay=0.6)
    with serving(good, [None, Reply(good(["a"]).body, cut=True), slow]) as server:
        found = at(server, monkeypatch, timeout=0.3)
        assert found.dimension == 9
        encode(found, ["a"])
    assert len(server.bodies) == 4


def test_an_api_that_stays_silent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isoglot.llm.http.RETRIES", 1)
    broken = error(500, "out of memory", retry_after_ms="10")
    with (
        serving(lambda texts: broken) as server,
        pytest.raises(IsoglotError, match=r"no answer \(HTTP 500: out of mem"),
    ):
        encode(at(server, monkeypatch), ["a"])


def test_an_address_where_nobody_listens_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(IsoglotError, match=r"127.0.0.1:9 cannot be reached"):
        encode(EmbeddingsApiRetriever("test"), ["a"])


def test_a_missing_key_or_model_is_told(monkeypatch: pytest.MonkeyPatch, small_collection: Collection) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(IsoglotError, match=r"OPENAI_API_KEY, or name a server.*OPENAI_BASE_URL"):
        isoglot.audit("openai:text-embedding-3-small", small_collection)
    with pytest.raises(IsoglotError, match="openai:MODEL"):
        isoglot.audit("openai:", small_collection)


def test_kept_vectors_need_no_network(small_collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(good) as server:
        at(server, monkeypatch)
        first = isoglot.audit("openai:test", small_collection)
    assert isoglot.audit("openai:test", small_collection).to_json() == first.to_json()
    assert json.loads(first.to_json())["environment"].keys() >= {"httpx2", "numpy"}
