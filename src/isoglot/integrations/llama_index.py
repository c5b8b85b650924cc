"""Any LlamaIndex embedding, changed by a transform (``pip install isoglot[llama-index]``).

Usage:
    from isoglot.integrations.llama_index import TransformedEmbedding

    Settings.embed_model = TransformedEmbedding(OpenAIEmbedding(...), "transform")
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from isoglot.integrations.text_languages import LanguageOf, TextVectors
from isoglot.platform.extras import needs
from isoglot.transforms.transform import Transform

with needs("isoglot.integrations.llama_index", "llama-index"):
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import PrivateAttr


class TransformedEmbedding(BaseEmbedding):
    """A LlamaIndex embedding whose vectors are changed by a transform, documents and queries each in their way.

    Args:
        embedding: Embedding of the model that the transform was fitted for.
        transform: Transform, or its folder.
        language: Language of all texts, or a function from a text to its language; None: detected.
        **settings: Settings of LlamaIndex' `BaseEmbedding`; by default batch size and name are those of `embedding`.

    Raises:
        IsoglotError: The folder holds no transform, or it is damaged.
    """

    _embedding: BaseEmbedding = PrivateAttr()
    _changed: TextVectors = PrivateAttr()

    def __init__(
        self,
        embedding: BaseEmbedding,
        transform: Transform | str | Path,
        language: LanguageOf = None,
        **settings: Any,
    ) -> None:
        inherited: dict[str, Any] = {"model_name": embedding.model_name, "embed_batch_size": embedding.embed_batch_size}
        super().__init__(**(inherited | settings))
        self._embedding, self._changed = embedding, TextVectors(transform, language)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._changed.query(self._embedding.get_query_embedding(query), query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._changed.query(await self._embedding.aget_query_embedding(query), query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._changed.documents(self._embedding.get_text_embedding_batch(texts), texts)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._changed.documents(await self._embedding.aget_text_embedding_batch(texts), texts)
