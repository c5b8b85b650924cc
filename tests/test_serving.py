"""The server: what it finds, what it refuses, and that it goes on answering whatever clients do."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import re
import shutil
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import httpx
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="isoglot[serve] is not installed")
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

import isoglot
from isoglot import Collection, Index, IsoglotError
from isoglot.cli import main
from isoglot.encoders.encoder import Encoder
from isoglot.indexing.update import update_index
from isoglot.ranking.balance import BALANCES
from isoglot.serving import messages, middleware
from isoglot.serving.app import create_app
from isoglot.serving.batching import PART, WAITING_PARTS, Batcher, GoneError
from isoglot.serving.columns import default_columns
from isoglot.serving.routes import PAGE
from isoglot.serving.settings import Settings
from isoglot.serving.telemetry import JsonLines
from tests import command_line
from tests.forked import Forked
from tests.indexing import write_jsonl
from tests.serving_index import HERE, Running, Served, serve_small

KEY = "schlüssel"


@pytest.fixture(scope="module")
def served(tiny_model: Path, small_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """An index of the small collection with the vectors of two models, and their encoders."""
    return serve_small(tiny_model, small_collection, tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[TestClient]:
    with client_of(served) as client:
        yield client


def client_of(served: Served, **settings: Any) -> TestClient:
    return TestClient(create_app(served.index, served.encoders, Settings(**settings)), base_url=HERE)


def ask(client: TestClient, **asked: Any) -> Any:
    response = client.post("/v1/search", json={"question": "flour and water", **asked})
    assert response.status_code == 200, response.text
    return response.json()


def refused(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    return f"{error['param']}|{error['message']}"


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines that the server has logged, as they were written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("isoglot.serving")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)


# Results


def test_results_are_those_of_exact_search_and_have_their_rank_in_the_other_column(
    client: TestClient, served: Served
) -> None:
    a, b = served.models
    columns = ask(client, columns=[{"model": a}, {"model": b}], k=5)["columns"]
    whole = ask(client, columns=[{"model": a}, {"model": b}], k=100)["columns"]
    for side, column in enumerate(columns):
        model = served.models[side]
        encoder = served.encoders[model]
        scores = served.vectors[model] @ encoder.encode(["flour and water"], "query", ["en"])[0]
        best = np.sort(scores)[::-1][:5]
        np.testing.assert_allclose([result["score"] for result in column["results"]], best, atol=1e-4)
        other = {result["id"]: result["rank"] for result in whole[1 - side]["results"]}
        assert [result["rank"] for result in column["results"]] == [1, 2, 3, 4, 5]
        assert all(result["other_rank"] == other[result["id"]] for result in column["results"])


def test_twins_are_the_other_language_versions_with_their_ranks_in_the_column(client: TestClient) -> None:
    (column,) = ask(client, k=100, twins=True)["columns"]
    ranks = {result["id"]: result["rank"] for result in column["results"]}
    content = {result["id"]: result["content_id"] for result in column["results"]}
    for result in column["results"]:
        assert len(result["twins"]) == 2
        assert {"de", "en", "ru"} == {result["language"], *(twin["language"] for twin in result["twins"])}
        for twin in result["twins"]:
            assert twin["rank"] == ranks[twin["id"]]
            assert content[twin["id"]] == result["content_id"]


def test_a_filter_leaves_only_its_languages_and_any_spelling_of_them_will_do(client: TestClient) -> None:
    response = ask(client, languages=["deu", "RU"], k=100, twins=True)
    assert response["corpus"] == {"de": 0.5, "ru": 0.5}
    (column,) = response["columns"]
    assert set(column["mix"]) == {"de", "ru"}
    assert len(column["results"]) == 12
    assert all(twin["rank"] is None for r in column["results"] for twin in r["twins"] if twin["language"] == "en")


def test_equal_shares_give_each_language_its_part(client: TestClient, served: Served) -> None:
    columns = [{"model": served.models[0]}, {"model": served.models[0], "balance": "equal"}]
    column = ask(client, columns=columns, k=6)["columns"][1]
    assert column["mix"] == {"de": 0.3333, "en": 0.3333, "ru": 0.3333}
    assert all(result["other_rank"] >= 1 for result in column["results"])


def test_the_questions_language_is_detected_unless_it_is_given(client: TestClient) -> None:
    assert ask(client, question="wann fährt der zug heute abend ab?")["language"] == "de"
    assert ask(client, language="zho_Hans")["language"] == "zh"
    assert ask(client, question="1234")["language"] is None


def test_a_question_that_shows_no_language_gets_the_same_hits_in_python_on_the_command_line_and_over_http(
    tiny_model: Path, small_collection: Collection, tmp_path: Path, own_cache: Path
) -> None:
    centered = isoglot.align(str(tiny_model), "center", small_collection, tmp_path / "centered", dev="none")
    documents = [
        {"_id": f"{d.content_id}.{d.language}", "lang": d.language, "text": d.text}
        for d in small_collection.documents
        if d.language != "en" or d.content_id in ("bread", "train")
    ]
    update_index(write_jsonl(tmp_path / "corpus.jsonl", documents), tmp_path / "index", [str(centered)])
    index = Index(tmp_path / "index")
    assert max(index.languages, key=lambda tag: index.languages[tag]) == "de"
    (model,) = index.models
    encoder = index.load_encoder()
    expected = {
        tag: [(hit.passage.id, hit.score) for hit in index.search_vector(encoder.encode(["1869 ?"], "query", [tag])[0])]
        for tag in ("de", "en")
    }
    assert expected["de"] != expected["en"]

    assert [(hit.passage.id, hit.score) for hit in index.search("1869 ?")] == expected["de"]
    done = command_line.isoglot("search", tmp_path / "index", "1869 ?", "--json")
    printed = [(hit["passage"]["id"], hit["score"]) for hit in json.loads(done.stdout)]
    assert printed == expected["de"]
    client = TestClient(create_app(index, {model: encoder}, Settings()), base_url=HERE)
    (column,) = ask(client, question="1869 ?")["columns"]
    assert [result["id"] for result in column["results"]] == [passage_id for passage_id, _ in expected["de"]]
    np.testing.assert_allclose([r["score"] for r in column["results"]], [s for _, s in expected["de"]], atol=1e-5)
    asked = {"input": "1869 ?", "model": model, "input_type": "query"}
    vector = client.post("/v1/embeddings", json=asked).json()["data"][0]["embedding"]
    np.testing.assert_allclose(vector, encoder.encode(["1869 ?"], "query", ["de"])[0], atol=1e-5)


def test_the_index_its_languages_and_its_models_are_described(client: TestClient, served: Served) -> None:
    languages = client.get("/v1/languages").json()["languages"]
    assert languages == [
        {"language": tag, "name": name, "passages": 6}
        for tag, name in (("de", "German"), ("en", "English"), ("ru", "Russian"))
    ]
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == served.models
    index = client.get("/v1/index").json()
    assert index["passages"] == 18
    assert [column["model"] for column in index["columns"]] == served.models
    assert {example["language"] for example in index["examples"]} == {"de", "en", "ru"}


def test_the_left_column_is_the_model_to_compare_with(served: Served) -> None:
    a, b = served.models
    columns = client_of(served, compare=b).get("/v1/index").json()["columns"]
    assert [column["model"] for column in columns] == [b, a]
    with pytest.raises(IsoglotError, match="--compare other: the index has no vectors of that model"):
        client_of(served, compare="other")


def test_the_page_begins_with_columns_of_the_servers_balance_and_the_api_uses_the_first(served: Served) -> None:
    a, b = served.models
    client = client_of(served, balance="proportional")
    columns = client.get("/v1/index").json()["columns"]
    assert columns == [{"model": a, "balance": "proportional"}, {"model": b, "balance": "proportional"}]
    assert [column["balance"] for column in ask(client)["columns"]] == ["proportional"]
    assert {result["scaled"] for column in ask(client)["columns"] for result in column["results"]} == {None}
    (scaled,) = ask(client_of(served, balance="scaled"))["columns"]
    ordering = [result["scaled"] for result in scaled["results"]]
    assert ordering == sorted(ordering, reverse=True)
    with pytest.raises(IsoglotError, match="unknown balance 'fair'; choose none, equal, proportional"):
        client_of(served, balance="fair")
    with pytest.raises(
        IsoglotError, match=r"--balance scaled\(k=3, weight=1\): a server's columns take scaled without options"
    ):
        client_of(served, balance="scaled(k=3, weight=1)")


def test_what_scaled_columns_cannot_know_is_logged_once(
    served: Served, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    client_of(served, balance="equal")
    assert logged() == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(served.index.snapshot(), "language_counts", {"de": 1000, "en": 4, "ru": 1000})
        client_of(served, balance="scaled")
    assert [(line["level"], line["message"].partition(".")[0]) for line in logged()] == [
        ("warning", "Scaled balance, languages with fewer than 5 documents: en (4)"),
        (
            "warning",
            "Scaled balance, languages with less than 1 in 100 of another's documents: en (4 beside 1000 in de)",
        ),
    ]


@pytest.mark.parametrize(
    ("balance", "other"), [("none", "scaled"), ("equal", "none"), ("proportional", "none"), ("scaled", "none")]
)
def test_an_index_of_one_model_is_compared_with_itself_in_another_balance(balance: str, other: str) -> None:
    assert [column.balance for column in default_columns(["base"], balance=balance)] == [balance, other]


def test_the_api_and_the_page_know_the_balances_that_searches_know() -> None:
    assert get_args(messages.Balance) == BALANCES
    script = (PAGE / "results.js").read_text(encoding="utf-8")
    (line,) = (line for line in script.splitlines() if line.startswith("export const BALANCES"))
    assert tuple(re.findall(r'(\w+): "', line)) == BALANCES


# Embeddings


def test_embeddings_are_the_encoders_in_both_formats(client: TestClient, served: Served) -> None:
    texts, model = ["snow covers the road", "she tunes"], served.models[0]
    expected = served.encoders[model].encode(texts, "document", ["en", "en"])
    floats = client.post("/v1/embeddings", json={"input": texts, "model": model}).json()
    np.testing.assert_allclose([one["embedding"] for one in floats["data"]], expected, atol=1e-5)
    assert floats["usage"]["prompt_tokens"] == sum(len(f"d: {text}") + 2 for text in texts)
    packed = client.post("/v1/embeddings", json={"input": texts, "model": model, "encoding_format": "base64"}).json()
    vectors = [np.frombuffer(base64.b64decode(one["embedding"]), "<f4") for one in packed["data"]]
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_a_query_has_its_own_prompt(client: TestClient, served: Served) -> None:
    asked = {"input": "snow", "model": served.models[0], "input_type": "query", "dimensions": 32}
    vector = client.post("/v1/embeddings", json=asked).json()["data"][0]["embedding"]
    expected = served.encoders[served.models[0]].encode(["snow"], "query", ["en"])[0]
    np.testing.assert_allclose(vector, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"input": [1, 2, 3]}, "send texts (langchain-openai: check_embedding_ctx_length=False)"),
        ({"input": [[1, 2], [3]]}, "token arrays are not accepted"),
        ({"input": []}, "at least 1 item"),
        ({"input": " "}, "input"),
        ({"input": "x" * 20_001}, "at most 20000 characters"),
        ({"input": ["x"] * 2_049}, "at most 2048 items"),
        ({"input": ["a", "", "b"]}, "input|input[1]: String should have at least 1 character"),
        ({"input": ["a", "b", " "]}, "input|input[2]: the text is blank"),
        ({"input": ["a", "b", None]}, "input|input[2]: Input should be a valid string"),
        ({"input": None}, "input|input: Input should be a valid string"),
        ({"language": "en-x-" + "a" * 100}, "language|language: String should have at most 100 characters"),
        ({"model": "x" * 5_000}, "model|model: String should have at most 4096 characters"),
        ({"dimensions": 16}, "dimensions|dimensions: {model} has 32, and its vectors cannot be shortened"),
        ({"encoding_format": "int8"}, "'float' or 'base64'"),
        ({"language": "xx"}, "language|unknown language 'xx'"),
    ],
)
def test_embeddings_that_cannot_be_given_are_refused_with_the_reason(
    client: TestClient, served: Served, wrong: dict[str, Any], message: str
) -> None:
    response = client.post("/v1/embeddings", json={"input": "snow", "model": served.models[0], **wrong})
    assert message.format(model=served.models[0]) in refused(response, 422)


def test_null_means_that_a_field_is_not_given(client: TestClient, served: Served) -> None:
    plain = {"input": "snow", "model": served.models[0]}
    nulls = dict.fromkeys(("encoding_format", "dimensions", "user", "input_type", "language"))
    expected = client.post("/v1/embeddings", json=plain).json()
    assert client.post("/v1/embeddings", json={**plain, **nulls}).json() == expected
    column = {"model": served.models[0], "balance": None}
    assert ask(client, k=None, twins=None, languages=None, language=None, columns=None) == ask(client)
    assert ask(client, columns=[column])["columns"][0]["balance"] == "none"


def test_a_list_of_2048_texts_is_encoded_in_parts_while_questions_are_answered(served: Served) -> None:
    model, waiting = served.models[0], []
    texts = [f"{number} flakes of snow" for number in range(2_048)]

    async def together() -> tuple[httpx.Response, list[httpx.Response]]:
        app = create_app(served.index, served.encoders, Settings())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as client:
            long = asyncio.create_task(client.post("/v1/embeddings", json={"input": texts, "model": model}))
            questions = []
            while not long.done():
                questions.append(await client.post("/v1/search", json={"question": "snow"}))
                metrics = await client.get("/metrics")
                waiting.append(float(metrics.text.split("\nisoglot_texts_waiting ")[1].split()[0]))
            return await long, questions

    long, questions = asyncio.run(together())
    vectors = [one["embedding"] for one in long.json()["data"]]
    expected = served.encoders[model].encode(texts, "document", ["en"] * len(texts), keep=False)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert {question.status_code for question in questions} == {200}
    assert 0 < max(waiting) <= PART + 1


def test_texts_of_a_client_that_has_left_are_not_encoded_to_the_end(served: Served) -> None:
    sizes: list[int] = []

    async def leaves() -> None:
        async def gone() -> bool:
            return bool(sizes)

        batcher = Batcher(served.encoders, sizes.append)
        await batcher.encode(served.models[0], "query", ["snow"] * 300, ["en"] * 300, gone=gone)

    with pytest.raises(GoneError):
        asyncio.run(leaves())
    assert sum(sizes) == PART


def test_a_name_can_say_the_role_of_its_texts(client: TestClient, served: Served) -> None:
    name = f"{served.models[0]}@query"
    response = client.post("/v1/embeddings", json={"input": "snow", "model": name}).json()
    expected = served.encoders[served.models[0]].encode(["snow"], "query", ["en"])[0]
    np.testing.assert_allclose(response["data"][0]["embedding"], expected, atol=1e-5)
    assert response["model"] == name
    stated = client.post("/v1/embeddings", json={"input": "snow", "model": name, "input_type": "document"}).json()
    assert stated["data"][0]["embedding"] != response["data"][0]["embedding"]
    for wrong in (f"{served.models[0]}@passage", "@query", f"{name}@query"):
        unknown = client.post("/v1/embeddings", json={"input": "snow", "model": wrong})
        assert f"model|model {wrong!r} is not in the index" in refused(unknown, 404)
    searched = client.post("/v1/search", json={"question": "x", "columns": [{"model": name}]})
    assert "is not in the index" in refused(searched, 404)


def test_one_model_is_described_as_openai_does(client: TestClient, served: Served) -> None:
    listed = client.get("/v1/models").json()["data"]
    assert [client.get(f"/v1/models/{quote(model, safe='')}").json() for model in served.models] == listed
    assert client.get(f"/v1/models/{served.models[0]}@query").json()["id"] == f"{served.models[0]}@query"
    for param, response in (
        ("model", client.get("/v1/models/gpt")),
        ("model", client.post("/v1/embeddings", json={"input": "snow", "model": "gpt"})),
        ("columns", client.post("/v1/search", json={"question": "snow", "columns": [{"model": "gpt"}]})),
    ):
        assert refused(response, 404).startswith(f"{param}|model 'gpt' is not in the index; it has {served.models[0]}")
        assert response.json()["error"]["code"] == "model_not_found"


def test_openais_own_client_gets_vectors(running: Running, served: Served) -> None:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0)
    response = client.embeddings.create(input=["snow"], model=served.models[0])
    expected = served.encoders[served.models[0]].encode(["snow"], "document", ["en"])[0]
    np.testing.assert_allclose(response.data[0].embedding, expected, atol=1e-5)
    assert [model.id for model in client.models.list()] == served.models
    assert client.models.retrieve(served.models[0]).id == served.models[0]
    with pytest.raises(openai.NotFoundError, match="model 'gpt' is not in the index"):
        client.embeddings.create(input=["snow"], model="gpt")
    with pytest.raises(openai.NotFoundError, match="model 'gpt' is not in the index"):
        client.models.retrieve("gpt")


def test_an_audit_through_the_server_is_that_of_the_model(
    running: Running, served: Served, small_collection: Collection, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
    model = served.models[0]
    direct, through = (isoglot.audit(name, small_collection) for name in (model, f"openai:{model}"))
    assert {prompt.source for prompt in through.model.prompts.values()} == {"server"}
    assert json.loads(direct.to_json())["scenarios"] == json.loads(through.to_json())["scenarios"]


# What is refused


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": 0}, "k|"),
        ({"k": 101}, "k|k: Input should be less than or equal to 100"),
        ({"k": 10**400}, "k|"),
        ({"question": "x" * 2001}, "question|question: String should have at most 2000 characters"),
        ({"question": " \n"}, "question|"),
        ({"question": None}, "question|"),
        ({"languages": ["xx"]}, "languages|unknown language 'xx'"),
        ({"languages": ["fr"]}, "languages|the index has no passage in fr; it has de, en, ru"),
        ({"language": "xx"}, "language|unknown language 'xx'"),
        ({f"field {number}": 0 for number in range(100)}, "None|an object has at most 100 fields"),
        ({"columns": [dict.fromkeys(map(str, range(101)), 0)]}, "columns|columns[0]: an object has at most 100 fields"),
        ({"columns": []}, "columns|"),
        ({"columns": [{"model": "x", "balance": "fair"}]}, "columns|columns[0].balance: Input should be 'none', "),
        (
            {"languages": ["en", "en-x-" + "a" * 100]},
            "languages|languages[1]: String should have at most 100 characters",
        ),
        ({"balance": "equal"}, "balance|balance: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_field_is_named_with_what_would_be_right(
    client: TestClient, wrong: dict[str, Any], message: str
) -> None:
    assert message in refused(client.post("/v1/search", json={"question": "snow", **wrong}), 422)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "the body is no JSON: Expecting property name enclosed in double quotes at character 1"),
        (b"", 422, "Field required"),
        (b"[]", 422, "Input should be a valid dictionary"),
        (
            b'{"question": "\xff\xfe"}',
            400,
            "the body cannot be read: 'utf-8' codec can't decode byte 0xff in",
        ),
        (b'{"question": "\\ud800"}', 422, "question|question: "),
        (b"[" * 100_000, 400, "the body cannot be read: maximum recursion depth exceeded"),
        (b'{"question": ' + b"9" * 10_000 + b"}", 400, "the body cannot be read: Exceeds the limit"),
    ],
)
def test_bodies_that_are_no_question_are_refused_with_the_reason(
    client: TestClient, body: bytes, status: int, message: str
) -> None:
    response = client.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert message in refused(response, status)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_is_not_marked_as_json_is_refused_with_what_to_send(
    client: TestClient, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = client.post("/v1/search", content=b'{"question": "snow"}', headers=headers)
    assert refused(response, 422) == "None|the body is not marked as JSON; send Content-Type: application/json"


def test_a_body_is_refused_beyond_the_limit_whether_it_says_its_length_or_not(served: Served) -> None:
    client = client_of(served, max_body=1000)
    body = json.dumps({"question": "snow", "languages": ["en"] * 500}).encode()
    json_type = {"Content-Type": "application/json"}
    message = refused(client.post("/v1/search", content=body, headers=json_type), 413)
    assert message == "None|a body may have at most 1,000 bytes (serve --max-body); send fewer texts at a time"
    refused(client.post("/v1/search", content=iter([body[:900], body[900:]]), headers=json_type), 413)


def test_without_the_key_no_data_is_given_and_the_page_can_still_ask_for_it(served: Served) -> None:
    client = client_of(served, api_key=KEY)
    for path in ("/v1/index", "/v1/languages", "/v1/corpus", "/metrics", "/openapi.json"):
        assert "Authorization: Bearer KEY" in refused(client.get(path), 401)
        assert client.get(path).headers["www-authenticate"] == "Bearer"
    for wrong in (b"Bearer wrong", KEY.encode(), b"Basic " + KEY.encode(), b"Bearer " + KEY.encode()[:-1], b"\xff"):
        refused(client.get("/v1/index", headers={b"Authorization": wrong}), 401)
    right = {b"Authorization": b"Bearer " + KEY.encode()}
    assert client.get("/v1/index", headers=right).status_code == 200
    for path in ("/", "/page/main.js", "/healthz", "/readyz"):
        assert client.get(path).status_code == 200


def test_every_response_has_the_security_headers_and_an_id(served: Served, tmp_path: Path) -> None:
    client = client_of(served, api_key="k")
    paths = ("/", "/page/style.css", "/nowhere", "/v1/index", "/healthz", "/openapi.json")
    for response in (*map(client.get, paths), client.delete("/healthz"), client.get("/", headers={"Host": "evil"})):
        assert response.headers["x-content-type-options"] == "nosniff"
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert len(response.headers["x-request-id"]) == 32


def test_a_site_that_takes_this_machines_address_for_its_name_gets_nothing(client: TestClient, served: Served) -> None:
    assert client.get("/v1/index", headers={"Host": "evil.example"}).status_code == 400
    proxied = client_of(served, allowed_hosts=("search.example",))
    assert proxied.get("/v1/index", headers={"Host": "search.example"}).status_code == 200
    assert client_of(served, host="0.0.0.0").get("/v1/index", headers={"Host": "any.example"}).status_code == 200


def test_other_sites_may_not_read_answers_unless_they_are_allowed_to(client: TestClient, served: Served) -> None:
    origin = {"Origin": "https://app.example"}
    assert "access-control-allow-origin" not in client.get("/v1/index", headers=origin).headers
    open_to_it = client_of(served, allowed_origins=("https://app.example",), api_key="k")
    preflight = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Authorization"}
    assert open_to_it.options("/v1/search", headers=preflight).status_code == 200
    assert open_to_it.get("/healthz", headers=origin).headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in open_to_it.get("/healthz", headers={"Origin": "https://x"}).headers


def test_more_requests_than_may_be_in_progress_are_asked_to_come_back(served: Served) -> None:
    async def all_at_once() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(served.index, served.encoders, Settings(max_requests=2)))
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            return await asyncio.gather(*(client.post("/v1/search", json={"question": "snow"}) for _ in range(20)))

    responses = asyncio.run(all_at_once())
    assert {response.status_code for response in responses} == {200, 429}
    assert all(response.headers["retry-after"] == "1" for response in responses if response.status_code == 429)


# Logs and metrics


def test_questions_are_logged_only_where_that_was_asked_for(
    served: Served, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    ask(client_of(served), question="where is the secret recipe")
    (line,) = logged()
    assert (line["route"], line["status"], line["language"], line["k"]) == ("/v1/search", 200, "en", 10)
    assert "secret" not in json.dumps(line)
    ask(client_of(served, log_queries=True), question="where is the secret recipe")
    assert logged()[1]["question"] == "where is the secret recipe"


def test_a_failure_is_answered_without_its_details_and_logged_without_the_question(
    served: Served, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    class Failing(Encoder):
        def encode(self, texts: Any, *_: Any, **__: Any) -> Any:
            raise RuntimeError(f"cannot encode {texts}")

    encoders = {model: Failing(encoder.model, model) for model, encoder in served.encoders.items()}
    client = TestClient(create_app(served.index, encoders, Settings()), base_url=HERE)
    response = client.post("/v1/search", json={"question": "secret"})
    assert refused(response, 500) == "None|the server failed; its log says why"
    assert "content-security-policy" in response.headers
    assert logged()[0]["error"] == "RuntimeError"
    assert "secret" not in json.dumps(logged())


def test_an_index_that_can_no_longer_be_read_is_not_ready_and_a_bug_is_no_storage_error(
    served: Served, logged: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(served)

    def failing(error: Exception) -> None:
        def passages(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(served.index, "passages", passages)

    failing(RuntimeError("lance error: Not found: passages.lance"))
    assert refused(client.get("/readyz"), 503) == "None|the index cannot be read; the log says why"
    assert "Not found: passages.lance" in logged()[0]["traceback"]
    failing(TypeError("a bug"))
    assert refused(client.get("/readyz"), 500) == "None|the server failed; its log says why"


def test_metrics_count_requests_by_route_and_not_by_what_clients_write(served: Served) -> None:
    client = client_of(served)
    ask(client)
    for path in ("/a", "/b", "/v1/search"):
        client.request("MADEUP", path)
    text = client.get("/metrics").text
    assert 'isoglot_requests_total{method="POST",route="/v1/search",status="200"} 1.0' in text
    assert 'isoglot_requests_total{method="other",route="other",status="404"} 2.0' in text
    assert "isoglot_index_passages 18.0" in text
    assert "MADEUP" not in text


# What changes beneath it, and what it keeps


@pytest.fixture
def remade(tiny_model: Path, tmp_path: Path) -> Callable[..., Index]:
    """Makes an index of some texts anew at the same path; it then has the version that it had before."""

    def make(*texts: str, model: Path = tiny_model) -> Index:
        shutil.rmtree(tmp_path / "index", ignore_errors=True)
        rows = [{"_id": str(number), "lang": "en", "text": text} for number, text in enumerate(texts)]
        update_index(write_jsonl(tmp_path / "corpus.jsonl", rows), tmp_path / "index", [str(model)])
        return Index(tmp_path / "index")

    return make


def test_an_index_made_again_at_the_same_path_is_searched_as_it_now_is(remade: Callable[..., Index]) -> None:
    index = remade("a wick in oil", "frogs in ponds")
    client = TestClient(create_app(index, {index.models[0]: index.load_encoder()}, Settings()), base_url=HERE)
    assert {result["text"] for result in ask(client)["columns"][0]["results"]} == {"a wick in oil", "frogs in ponds"}
    before = client.get("/v1/corpus").json()
    version = index.version
    assert remade("salt from the sea", "glass of sand").version == version
    assert {result["text"] for result in ask(client)["columns"][0]["results"]} == {"salt from the sea", "glass of sand"}
    assert client.get("/v1/index").json()["examples"] == [{"language": "en", "text": "salt from the sea"}]
    remade(*(f"{number} lamps" for number in range(4)))
    assert client.get("/v1/corpus").json() != before


def test_an_index_that_is_removed_or_has_other_vectors_is_told_as_such_until_it_is_back(
    remade: Callable[..., Index], served: Served, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    index = remade("a wick in oil")
    model = index.models[0]
    client = TestClient(create_app(index, {model: index.load_encoder()}, Settings()), base_url=HERE)
    ask(client)
    assert client.get("/readyz").json() == {"status": "ready"}
    document = client.get("/openapi.json").json()
    shutil.rmtree(index.folder)
    for response in (
        client.post("/v1/search", json={"question": "oil"}),
        *map(client.get, ("/readyz", "/v1/index", "/v1/languages", "/v1/corpus")),
    ):
        assert refused(response, 503) == "None|the index cannot be read; the log says why"
    assert client.get("/healthz").status_code == 200
    assert client.get("/openapi.json").json() == document
    assert client.post("/v1/embeddings", json={"input": "?", "model": model}).status_code == 200
    metrics = client.get("/metrics").text
    assert "isoglot_index_passages NaN" in metrics
    assert 'isoglot_requests_total{method="POST",route="/v1/search",status="503"} 1.0' in metrics
    remade("a wick in oil", model=Path(served.models[1]))
    refused(client.post("/v1/search", json={"question": "oil"}), 503)
    refused(client.get("/readyz"), 503)
    assert any("the index has other vectors of" in line.get("traceback", "") for line in logged())
    remade("a wick in oil")
    assert len(ask(client)["columns"][0]["results"]) == 1
    assert client.get("/readyz").status_code == 200
    assert "isoglot_index_passages 1.0" in client.get("/metrics").text


def test_a_file_of_the_index_that_is_lost_is_told_as_such(remade: Callable[..., Index]) -> None:
    index = remade("a wick in oil", "frogs in ponds")
    client = TestClient(create_app(index, {index.models[0]: index.load_encoder()}, Settings()), base_url=HERE)
    for data in Path(index.folder).rglob("data/*.lance"):
        data.unlink()
    refused(client.post("/v1/search", json={"question": "oil"}), 503)


def test_an_audit_without_its_ranks_is_refused_before_the_server_starts(
    served: Served, small_collection: Collection, tiny_model: Path, tmp_path: Path
) -> None:
    isoglot.audit(str(tiny_model), small_collection).save(tmp_path)
    (tmp_path / "ranks.npz").unlink()
    with pytest.raises(IsoglotError, match="saved without its ranks"):
        client_of(served, audits=(tmp_path,))


def test_long_bodies_that_are_held_at_the_same_time_are_bounded_and_questions_are_taken_all_the_same(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "MAX_HELD", 310_000)
    app = create_app(served.index, served.encoders, Settings(max_body=200_000))
    json_type = {"Content-Type": "application/json"}

    async def all_at_once() -> tuple[list[int], int, int]:
        arrived, proceed = asyncio.Event(), asyncio.Event()
        waiting = 0

        async def slow_body() -> AsyncIterator[bytes]:
            nonlocal waiting
            yield b" " * 100_000
            waiting += 1
            arrived.set()
            await proceed.wait()
            yield b'{"question": "snow"}'

        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as client:
            held = []
            for number in range(3):
                held.append(asyncio.create_task(client.post("/v1/search", content=slow_body(), headers=json_type)))
                while waiting <= number:
                    await arrived.wait()
                    await asyncio.sleep(0)
            refused_one = await client.post("/v1/search", content=b" " * 150_000, headers=json_type)
            question = await client.post("/v1/search", json={"question": "snow"})
            proceed.set()
            statuses = [response.status_code for response in await asyncio.gather(*held)]
            afterwards = await client.post(
                "/v1/search", content=b" " * 100_000 + b'{"question": "snow"}', headers=json_type
            )
            assert afterwards.status_code == 200
            return statuses, refused_one.status_code, question.status_code

    assert asyncio.run(all_at_once()) == ([200, 200, 200], 429, 200)


def test_what_clients_write_is_cut_in_answers_and_in_the_log(
    client: TestClient, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    for wrong in ({"x" * 100_000: 1}, {"columns": [{"model": "y" * 4_000}]}):
        assert len(client.post("/v1/search", json={"question": "snow", **wrong}).text) < 3_000
    logging.getLogger("isoglot.serving").info("z" * 100_000)
    assert len(json.dumps(logged()[-1])) < 9_000


# Batches


def test_texts_that_wait_together_are_encoded_together_and_get_the_vectors_of_each_alone(served: Served) -> None:
    model = served.models[0]
    encoder, sizes = served.encoders[model], []
    texts = [f"{'snow ' * (number % 7)}number {number}" for number in range(40)]

    async def together() -> list[np.ndarray]:
        batcher = Batcher({model: encoder}, sizes.append)
        encoded = await asyncio.gather(*(batcher.encode(model, "query", [text], ["en"]) for text in texts))
        batcher.close()
        return [result.vectors[0] for result in encoded]

    vectors = asyncio.run(together())
    for text, vector in zip(texts, vectors, strict=True):
        alone = encoder.model.encode(f"q: {text}", normalize_embeddings=True)
        np.testing.assert_allclose(vector, alone, atol=1e-5)
    assert len(sizes) < 5
    assert sum(sizes) == 40


def test_one_text_that_cannot_be_encoded_does_not_fail_those_in_its_batch(served: Served) -> None:
    class Picky(Encoder):
        def encode(self, texts: Any, *arguments: Any, **named: Any) -> Any:
            if "poison" in texts:
                raise IsoglotError("no vector for it")
            return super().encode(texts, *arguments, **named)

    model = served.models[0]

    async def together() -> list[Any]:
        batcher = Batcher({model: Picky(served.encoders[model].model, model)})
        texts = ["snow", "poison", "bread"]
        return await asyncio.gather(
            *(batcher.encode(model, "query", [text], ["en"]) for text in texts), return_exceptions=True
        )

    snow, poison, bread = asyncio.run(together())
    assert isinstance(poison, IsoglotError)
    assert snow.vectors.shape == bread.vectors.shape == (1, 32)


def test_a_question_does_not_wait_for_the_whole_of_a_long_list(served: Served) -> None:
    model = served.models[0]
    order: list[str] = []

    async def both() -> None:
        batcher = Batcher(served.encoders)

        async def one(name: str, texts: list[str], role: str) -> None:
            await batcher.encode(model, role, texts, ["en"] * len(texts))
            order.append(name)

        await asyncio.gather(
            one("list", [f"text {n}" for n in range(400)], "document"), one("question", ["snow"], "query")
        )

    asyncio.run(both())
    assert order == ["question", "list"]


def test_lists_of_many_clients_wait_for_each_other_and_a_question_for_none_of_them(served: Served) -> None:
    model, waiting, answered = served.models[0], [], []

    async def all_at_once() -> None:
        batcher = Batcher(served.encoders, lambda size: waiting.append(batcher.waiting + size))

        async def one(name: str, texts: list[str]) -> None:
            encoded = await batcher.encode(model, "query", texts, ["en"] * len(texts))
            assert len(encoded.vectors) == len(texts)
            answered.append(name)

        lists = [one(f"list {number}", [f"{number} {n}" for n in range(200)]) for number in range(8)]
        await asyncio.gather(*lists, one("question", ["snow"]))

    asyncio.run(all_at_once())
    assert answered[0] == "question"
    assert len(answered) == 9
    assert max(waiting) <= WAITING_PARTS * PART + 1


# Over real HTTP


@pytest.fixture(scope="module")
def running(served: Served) -> Iterator[Running]:
    with Running(create_app(served.index, served.encoders, Settings(body_seconds=0.3))) as server:
        yield server


def test_a_client_that_sends_half_a_body_and_waits_is_let_go_while_others_are_served(running: Running) -> None:
    head = (
        b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    )
    slow = threading.Thread(target=lambda: answers.append(running.send(head + b'{"question":')))
    answers: list[bytes] = []
    slow.start()
    assert httpx.post(f"{running.url}/v1/search", json={"question": "snow"}).status_code == 200
    slow.join()
    assert answers[0].startswith(b"HTTP/1.1 408")


def test_a_request_with_two_lengths_is_refused_and_nothing_after_it_is_read(running: Running) -> None:
    head = b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = running.send(head + b"0\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", whole=True)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_what_is_not_http_is_refused_and_the_server_goes_on(running: Running) -> None:
    for raw in (b"\x16\x03\x01\x02\x00", b"GET /\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"):
        assert b" 400 " in running.send(raw).split(b"\r\n")[0]
    assert httpx.get(f"{running.url}/healthz").json() == {"status": "ok"}


def test_head_is_answered_as_get_is_without_the_body(running: Running) -> None:
    for path in ("/", "/page/main.js", "/page/colours.css", "/healthz", "/readyz", "/v1/models", "/nowhere"):
        head, get = httpx.head(f"{running.url}{path}"), httpx.get(f"{running.url}{path}")
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-length"] == get.headers["content-length"]
    assert httpx.head(f"{running.url}/v1/search").status_code == 405
    raw = running.send(b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", whole=True)
    assert raw.endswith(b"\r\n\r\n")
    counted = httpx.get(f"{running.url}/metrics").text
    assert 'isoglot_requests_total{method="HEAD",route="/",status="200"} 2.0' in counted


# The process


@pytest.fixture(scope="module")
def process(served: Served) -> Iterator[tuple[Forked, str]]:
    environment = {"KEY": "k", "ISOGLOT_CACHE": str(served.folder.parent / "cache")}
    arguments = ["serve", str(served.folder), "--port", "0", "--api-key-env", "KEY"]
    with Forked(main, arguments, environment=environment) as started:
        url = ""
        for line in started.stderr:
            if '"url"' in line:
                url = json.loads(line)["url"]
                break
        yield started, url


@pytest.mark.process
def test_a_process_told_to_stop_finishes_what_it_works_on(process: tuple[Forked, str], served: Served) -> None:
    started, url = process
    key = {"Authorization": "Bearer k"}
    assert httpx.get(f"{url}readyz", headers=key).json() == {"status": "ready"}
    answers = []
    texts = [f"{number} " * 60 for number in range(128)]
    asked = {"input": texts, "model": served.models[0]}
    working = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{url}v1/embeddings", json=asked, headers=key, timeout=30))
    )
    working.start()
    while "isoglot_requests_in_flight 1.0" not in httpx.get(f"{url}metrics", headers=key).text:
        time.sleep(0.005)
    started.send_signal(signal.SIGTERM)
    working.join()
    assert answers[0].status_code == 200
    assert len(answers[0].json()["data"]) == 128
    written = started.communicate(timeout=10)[1]
    assert started.returncode in (0, -signal.SIGTERM)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}healthz")
    assert json.loads(written.splitlines()[-1])["message"].startswith("Finished server process")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--api-key-env", "NO_SUCH_KEY"], "isoglot: --api-key-env NO_SUCH_KEY: the variable is not set or empty"),
        (["--balance", "fair"], "isoglot: unknown balance 'fair'; choose none, equal, proportional"),
        (["--compare", "other"], "isoglot: --compare other: the index has no vectors of that model; it has "),
        (["--port", "{taken}"], "isoglot: cannot listen on 127.0.0.1:{taken}: Address already in use"),
    ],
)
def test_what_the_user_did_wrong_is_reported_in_one_line(
    served: Served, running: Running, options: list[str], message: str
) -> None:
    options = [option.format(taken=running.port) for option in options]
    found = command_line.isoglot("serve", served.folder, *options)
    assert found.returncode == 2
    assert len(found.stderr.splitlines()) == 1
    assert found.stderr.startswith(message.format(taken=running.port))


# The OpenAPI document


def test_the_document_is_made_once_for_each_state_of_the_index(remade: Callable[..., Index]) -> None:
    index = remade("a wick in oil")
    app = create_app(index, {index.models[0]: index.load_encoder()}, Settings())
    assert app.openapi() is app.openapi()
    first = app.openapi()
    remade("frogs in ponds")
    assert app.openapi() is not first


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_the_api_is_as_its_openapi_document_says(running: Running, mode: GenerationMode) -> None:
    document = schemathesis.openapi.from_url(f"{running.url}/openapi.json")
    for result in document.get_all_operations():
        operation = result.ok()
        if mode is GenerationMode.NEGATIVE and operation.method == "get":
            continue

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        def conforms(case: schemathesis.Case) -> None:
            case.call_and_validate()

        conforms()
