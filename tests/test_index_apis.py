"""Indexes whose vectors an API makes, or a transform changes: indexed, searched, audited, calibrated and served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

import isoglot
from isoglot import Collection, Transform
from isoglot.alignment.index_calibration import calibrate_index
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.indexing.probes import audit_inputs
from isoglot.indexing.store import Index
from isoglot.indexing.update import update_index
from isoglot.platform.errors import IsoglotError
from isoglot.serving.app import create_app
from isoglot.serving.settings import Settings
from tests.embedding_protocols import PROTOCOLS, speaking
from tests.indexing import write_jsonl
from tests.llm_server import Server, error
from tests.serving_index import HERE

MODEL = "openai:text-embedding-3-small"


def letters(text: str) -> list[float]:
    return [1.0 + text.lower().count(letter) for letter in "abdeghikмоаен"]


@pytest.fixture
def api(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with speaking("openai", letters, monkeypatch=monkeypatch) as server:
        yield server


@pytest.fixture
def corpus(small_collection: Collection, tmp_path: Path) -> str:
    rows = [
        {"_id": f"{d.content_id}.{d.language}", "content_id": d.content_id, "lang": d.language, "text": d.text}
        for d in small_collection.documents
    ]
    return write_jsonl(tmp_path / "corpus.jsonl", rows)


def sent(server: Server) -> list[str]:
    return [text for body in server.bodies for text in PROTOCOLS["openai"].texts(body)]


def test_an_index_of_an_api_sends_each_text_once_and_ranks_as_its_vectors(
    api: Server, corpus: str, small_collection: Collection, tmp_path: Path
) -> None:
    update_index(corpus, tmp_path / "index", [MODEL])
    update_index(corpus, tmp_path / "index")
    texts = sent(api)
    assert len(texts) == len(set(texts))
    documents = small_collection.documents
    vectors = np.array([letters(d.text) for d in documents])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    asked = np.array(letters("who bakes the bread?"))
    best = documents[int(np.argmax(vectors @ asked))]
    hit = Index(tmp_path / "index").search("who bakes the bread?", k=1)[0]
    assert (hit.passage.text, hit.passage.language) == (best.text, best.language)
    assert hit.score == pytest.approx(float(np.max(vectors @ asked) / np.linalg.norm(asked)), abs=1e-6)


def test_new_documents_alone_are_sent_and_another_document_prompt_encodes_all_anew(
    api: Server, corpus: str, tmp_path: Path
) -> None:
    update_index(corpus, tmp_path / "index", [MODEL])
    before = len(sent(api))
    more = write_jsonl(tmp_path / "more.jsonl", [{"_id": "new", "lang": "en", "text": "a new document about a dog"}])
    update_index(more, tmp_path / "index", add=True)
    assert sent(api)[before:] == ["a new document about a dog"]
    index = Index(tmp_path / "index")
    index.load_encoder(query_prompt="question: ")  # the documents' vectors stay what they are
    index.search("where is the dog?")
    assert sent(api)[-1] == "question: where is the dog?"
    changes = update_index(more, tmp_path / "index", [MODEL], add=True, prompts={"document": "text: "})
    assert changes.encoded == 19
    assert sum(text.startswith("text: ") for text in sent(api)) == 19


def test_a_transform_stands_in_an_index_beside_the_model_that_it_changes(
    tiny_model: Path, corpus: str, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    encoder = load_encoder(str(tiny_model))
    documents = small_collection.documents
    texts, languages = [d.text for d in documents], [d.language for d in documents]
    plain = encoder.encode(texts, "document", languages)
    transform = Transform.fit(plain, languages)
    transform.save(tmp_path / "transform")
    changed_name = f"{tiny_model}+{tmp_path / 'transform'}"
    update_index(corpus, tmp_path / "index", [str(tiny_model), changed_name])
    index = Index(tmp_path / "index")
    assert index.models == [str(tiny_model), changed_name]
    passages = [index.get(f"{d.content_id}.{d.language}#1") for d in documents]
    stored = index.vectors(changed_name, [passage for passage in passages if passage is not None])
    assert np.allclose(stored, transform.documents(plain, languages), atol=1e-6)

    question = small_collection.queries[0]
    query = transform.queries(encoder.encode([question.text], "query", [question.language]), [question.language])
    hits = index.search(question.text, model=changed_name, language=question.language, k=18)
    scores = transform.documents(plain, languages) @ query[0]
    assert [hit.score for hit in hits] == pytest.approx(np.sort(scores)[::-1], abs=1e-6)

    audit = isoglot.audit(audit_inputs(index, changed_name)[1], audit_inputs(index, changed_name)[0])
    assert audit.model.name == changed_name
    assert "changed by center" in str(audit.model.how)


def test_a_transform_that_was_fitted_anew_encodes_the_index_anew(
    tiny_model: Path, corpus: str, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    documents = small_collection.documents
    languages = [d.language for d in documents]
    plain = load_encoder(str(tiny_model)).encode([d.text for d in documents], "document", languages)
    Transform.fit(plain, languages).save(tmp_path / "transform")
    name = f"{tiny_model}+{tmp_path / 'transform'}"
    update_index(corpus, tmp_path / "index", [name])
    Transform.fit(plain, languages, query_share=1).save(tmp_path / "transform", force=True)
    with pytest.raises(IsoglotError, match="has changed since it was indexed"):
        Index(tmp_path / "index").search("bread?")
    assert update_index(corpus, tmp_path / "index").encoded == 18
    assert Index(tmp_path / "index").search("bread?")


def test_an_index_of_an_api_is_calibrated_and_no_passage_is_sent_again(
    api: Server, corpus: str, tmp_path: Path
) -> None:
    update_index(corpus, tmp_path / "index", [MODEL])
    before = set(sent(api))
    questions = write_jsonl(tmp_path / "questions.jsonl", [{"lang": "en", "text": f"question {n}?"} for n in range(40)])
    folders = calibrate_index(tmp_path / "index", queries=questions)
    assert list(folders) == [f"{MODEL}+calibrated"]
    assert all(text.startswith("question ") for text in sent(api)[len(before) :])
    index = Index(tmp_path / "index")
    assert index.models == [MODEL, f"{MODEL}+calibrated"]
    assert index.search("who bakes bread?", model=f"{MODEL}+calibrated", k=3)


def test_what_encodes_no_texts_is_no_model_of_an_index(corpus: str, tmp_path: Path) -> None:
    for name in ("bm25", "bm25:"):
        with pytest.raises(IsoglotError, match="encodes no texts"):
            update_index(corpus, tmp_path / "index", [name])
    assert not (tmp_path / "index" / "passages.lance").exists()


def test_a_server_asks_the_api_keeps_no_question_and_says_when_the_api_is_gone(
    api: Server, corpus: str, tmp_path: Path
) -> None:
    update_index(corpus, tmp_path / "index", [MODEL])
    index = Index(tmp_path / "index")
    app = create_app(index, {MODEL: index.load_encoder()}, Settings())
    with TestClient(app, base_url=HERE) as client:
        found = client.post("/v1/search", json={"question": "a secret question about bread"}).json()
        assert found["columns"][0]["results"]
        vectors = client.post("/v1/embeddings", json={"model": MODEL, "input": ["bread", "a dog"]}).json()
        assert len(vectors["data"]) == 2
        assert vectors["usage"]["total_tokens"] >= 3
        client.post("/v1/search", json={"question": "a secret question about bread"})
        assert sent(api).count("a secret question about bread") == 2  # asked again: it was not kept

        api.answer = lambda texts: error(500, "down")
        before = len(api.bodies)
        for path, body in (
            ("/v1/search", {"question": "a dog?"}),
            ("/v1/embeddings", {"model": MODEL, "input": ["x", "y"]}),
        ):
            refused = client.post(path, json=body)
            assert refused.status_code == 503
            assert "API gave no vectors" in json.dumps(refused.json())
        assert len(api.bodies) == before + 4  # each is asked twice, and two texts together: somebody waits
