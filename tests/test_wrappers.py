"""LangChain's and LlamaIndex' embeddings around a transform, with the real packages."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from isoglot import IsoglotError, Transform
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder

pytestmark = pytest.mark.usefixtures("own_cache")

TEXTS = ["the letter came too late for us all", "der brief kam leider viel zu spät an", "письмо пришло слишком поздно"]
LANGUAGES = ["en", "de", "ru"]
QUESTION = "wann kam der brief bei uns an"


@pytest.fixture(scope="module")
def encoder(tiny_model: Path) -> Encoder:
    return load_encoder(str(tiny_model), device="cpu")


@pytest.fixture(scope="module")
def transform(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    documents = encoder.encode([f"{text} {n}" for text in TEXTS for n in range(5)], "document", ["en"] * 15)
    tags = [tag for tag in LANGUAGES for _ in range(5)]
    return Transform.fit(documents, tags, model="tiny").save(tmp_path_factory.mktemp("t") / "transform")


def test_langchain(encoder: Encoder, transform: Path) -> None:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore

    from isoglot.integrations.langchain import TransformedEmbeddings

    class Inner(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return encoder.encode(texts, "document", ["en"] * len(texts)).tolist()  # type: ignore[no-any-return]

        def embed_query(self, text: str) -> list[float]:
            return encoder.encode([text], "query", ["en"])[0].tolist()  # type: ignore[no-any-return]

    wrapped, loaded = TransformedEmbeddings(Inner(), transform), Transform.load(transform)
    documents = loaded.documents(encoder.encode(TEXTS, "document", LANGUAGES), LANGUAGES)
    question = loaded.queries(encoder.encode([QUESTION], "query", ["de"]), "de")[0]
    np.testing.assert_allclose(wrapped.embed_documents(TEXTS), documents, atol=1e-6)
    np.testing.assert_allclose(asyncio.run(wrapped.aembed_documents(TEXTS)), documents, atol=1e-6)
    np.testing.assert_allclose(asyncio.run(wrapped.aembed_query(QUESTION)), question, atol=1e-6)
    assert wrapped.embed_documents([]) == []
    store = InMemoryVectorStore(wrapped)
    store.add_documents([Document(text) for text in TEXTS])
    (first, score), *_ = store.similarity_search_with_score(QUESTION, k=3)
    scores = documents @ question
    assert first.page_content == TEXTS[int(scores.argmax())]
    assert score == pytest.approx(scores.max(), abs=1e-5)


def test_llama_index(encoder: Encoder, transform: Path) -> None:
    from llama_index.core.base.embeddings.base import BaseEmbedding

    from isoglot.integrations.llama_index import TransformedEmbedding

    class Inner(BaseEmbedding):
        def _get_text_embedding(self, text: str) -> list[float]:
            return encoder.encode([text], "document", ["en"])[0].tolist()  # type: ignore[no-any-return]

        def _get_query_embedding(self, query: str) -> list[float]:
            return encoder.encode([query], "query", ["en"])[0].tolist()  # type: ignore[no-any-return]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    loaded = Transform.load(transform)
    documents = loaded.documents(encoder.encode(TEXTS, "document", LANGUAGES), LANGUAGES)
    question = loaded.queries(encoder.encode([QUESTION], "query", ["de"]), "de")[0]
    wrapped = TransformedEmbedding(Inner(model_name="tiny", embed_batch_size=7), transform)
    assert (wrapped.model_name, wrapped.embed_batch_size) == ("tiny", 7)
    np.testing.assert_allclose(wrapped.get_text_embedding_batch(TEXTS), documents, atol=1e-6)
    np.testing.assert_allclose(wrapped.get_text_embedding(TEXTS[1]), documents[1], atol=1e-6)
    np.testing.assert_allclose(wrapped.get_query_embedding(QUESTION), question, atol=1e-6)
    np.testing.assert_allclose(asyncio.run(wrapped.aget_query_embedding(QUESTION)), question, atol=1e-6)
    stated = TransformedEmbedding(Inner(), loaded, language=lambda text: "ru")
    expected = loaded.documents(encoder.encode(TEXTS, "document", LANGUAGES), "ru")
    np.testing.assert_allclose(asyncio.run(stated.aget_text_embedding_batch(TEXTS)), expected, atol=1e-6)


def test_a_folder_without_a_transform_is_told(tmp_path: Path) -> None:
    from langchain_core.embeddings import DeterministicFakeEmbedding

    from isoglot.integrations.langchain import TransformedEmbeddings

    with pytest.raises(IsoglotError, match=r"transform.json: cannot read"):
        TransformedEmbeddings(DeterministicFakeEmbedding(size=8), tmp_path)
    wrapped = TransformedEmbeddings(
        DeterministicFakeEmbedding(size=8), Transform.fit(np.eye(4, dtype=np.float32), ["en", "en", "de", "de"])
    )
    with pytest.raises(IsoglotError, match=r"the transform takes \(n, 4\)"):
        wrapped.embed_query("hello")
