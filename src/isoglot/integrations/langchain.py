"""Any LangChain embeddings object, changed by a transform (``pip install isoglot[langchain]``).

Usage:
    from isoglot.integrations.langchain import TransformedEmbeddings

    embeddings = TransformedEmbeddings(OpenAIEmbeddings(...), "transform")
    store = InMemoryVectorStore(embeddings)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isoglot.integrations.text_languages import LanguageOf, languages_of
from isoglot.platform.errors import IsoglotError
from isoglot.transforms.transform import Transform

try:
    from langchain_core.embeddings import Embeddings
except ImportError as error:
    raise IsoglotError(f"LangChain cannot be loaded ({error}): pip install 'isoglot[langchain]'") from error


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
        self.embeddings = embeddings
        self.transform = transform if isinstance(transform, Transform) else Transform.load(transform)
        self.language = language

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the changed vector of each text.

        Raises:
            IsoglotError: The vectors have another dimension, or one is zero or not finite.
        """
        return self._documents(self.embeddings.embed_documents(texts), texts)

    def embed_query(self, text: str) -> list[float]:
        """Return the changed vector of a query; errors as for `embed_documents`."""
        return self._query(self.embeddings.embed_query(text), text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Do what `embed_documents` does, by the other object's own asynchronous method."""
        return self._documents(await self.embeddings.aembed_documents(texts), texts)

    async def aembed_query(self, text: str) -> list[float]:
        """Do what `embed_query` does, by the other object's own asynchronous method."""
        return self._query(await self.embeddings.aembed_query(text), text)

    def _documents(self, vectors: list[list[float]], texts: list[str]) -> list[list[float]]:
        if not texts:
            return []
        languages = languages_of(texts, self.language, self.transform)
        changed: list[list[float]] = self.transform.documents(np.array(vectors), languages).tolist()
        return changed

    def _query(self, vector: list[float], text: str) -> list[float]:
        changed: list[float] = self.transform.queries(
            np.array(vector), languages_of([text], self.language, self.transform)
        ).tolist()
        return changed
