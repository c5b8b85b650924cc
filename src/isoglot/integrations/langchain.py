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
    """Embeddings of another object, changed by a transform; documents and queries by their own offsets.

    Args:
        embeddings: Gives the vectors, those of the model that the transform is for.
        transform: The transform, or its folder.
        language: The language of all texts, or a function that tells that of one; None: it is detected.

    Raises:
        IsoglotError: The folder holds no transform, or it is damaged.
    """

    def __init__(self, embeddings: Embeddings, transform: Transform | str | Path, language: LanguageOf = None) -> None:
        self.embeddings, self._changed = embeddings, TextVectors(transform, language)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the changed vector of each text.

        Raises:
            IsoglotError: The vectors have another dimension, or one is zero or not finite.
        """
        return self._changed.documents(self.embeddings.embed_documents(texts), texts)

    def embed_query(self, text: str) -> list[float]:
        """Return the changed vector of a query; errors as for `embed_documents`."""
        return self._changed.query(self.embeddings.embed_query(text), text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Do what `embed_documents` does, by the other object's own asynchronous method."""
        return self._changed.documents(await self.embeddings.aembed_documents(texts), texts)

    async def aembed_query(self, text: str) -> list[float]:
        """Do what `embed_query` does, by the other object's own asynchronous method."""
        return self._changed.query(await self.embeddings.aembed_query(text), text)
