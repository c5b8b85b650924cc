"""Any LangChain embeddings object, changed by a transform (``pip install isoglot[langchain]``).

Usage:
    from isoglot.integrations.langchain import TransformedEmbeddings

    embeddings = TransformedEmbeddings(OpenAIEmbeddings(...), "transform")
    store = InMemoryVectorStore(embeddings)
"""

from __future__ import annotations

from pathlib import Path

from isoglot.integrations.text_languages import LanguageOf, TextVectors
from isoglot.platform.extras import needs
from isoglot.transforms.transform import Transform

with needs("isoglot.integrations.langchain", "langchain"):
    from langchain_core.embeddings import Embeddings


class TransformedEmbeddings(Embeddings):
    """LangChain embeddings whose vectors are changed by a transform, documents and queries each in their way.

    Args:
        embeddings: Embeddings of the model that the transform was fitted for.
        transform: Transform, or its folder.
        language: Language of all texts, or a function from a text to its language; None: detected.

    Raises:
        IsoglotError: The folder holds no transform, or it is damaged.
    """

    def __init__(self, embeddings: Embeddings, transform: Transform | str | Path, language: LanguageOf = None) -> None:
        self.embeddings, self._changed = embeddings, TextVectors(transform, language)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the changed vectors of documents.

        Args:
            texts: n texts.

        Returns:
            n vectors.

        Raises:
            IsoglotError: The vectors have another dimension, or one is not finite.
        """
        return self._changed.documents(self.embeddings.embed_documents(texts), texts)

    def embed_query(self, text: str) -> list[float]:
        """Return the changed vector of a query; it raises as `embed_documents` does."""
        return self._changed.query(self.embeddings.embed_query(text), text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return what `embed_documents` returns, by the asynchronous method of the wrapped embeddings."""
        return self._changed.documents(await self.embeddings.aembed_documents(texts), texts)

    async def aembed_query(self, text: str) -> list[float]:
        """Return what `embed_query` returns, by the asynchronous method of the wrapped embeddings."""
        return self._changed.query(await self.embeddings.aembed_query(text), text)
