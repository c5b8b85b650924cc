"""Search a corpus in English and Chinese with LangChain, before and after calibration.

Half of the articles are in English only, half in Chinese only. Chinese questions are asked whose answer stands in an
English article. The plain embeddings rank the Chinese articles first; the calibrated ones rank the article that answers
the question. Calibration needs the vectors of your documents and their languages, no questions and no labels.

Install:  pip install 'isoglot[langchain]'
Run:      python examples/langchain_retrieval.py      # under half a minute
Prints:   for both embeddings, the articles found for one question, and how often the right one is among the first three
"""

from __future__ import annotations

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from sentence_transformers import SentenceTransformer

import isoglot
from isoglot.integrations.langchain import TransformedEmbeddings


class LocalModel(Embeddings):
    """The model that comes with isoglot. In your code: OpenAIEmbeddings(), HuggingFaceEmbeddings() or any other."""

    def __init__(self) -> None:
        self.model = SentenceTransformer(isoglot.model_path("e5-small-q4"))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vector of each text."""
        return self.model.encode_document(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return self.model.encode_query(text).tolist()


# The corpus, and the Chinese questions that an English article answers.
source = isoglot.load_collection("mini@demo")
in_english = set(sorted({document.content_id for document in source.documents})[1::2])
corpus = [
    Document(document.text, metadata={"article": document.content_id, "language": document.language})
    for document in source.documents
    if document.language == ("en" if document.content_id in in_english else "zh")
]
answers = {
    query.text: source.golds[query.query_id][0]
    for query in source.queries
    if query.language == "zh" and source.golds[query.query_id][0] in in_english
}

plain = LocalModel()
before = InMemoryVectorStore(plain)
before.add_documents(corpus)

# Calibrate: learn from the stored vectors what texts share only because of their language. `after` is built with
# embeddings that subtract it from documents and questions alike.
stored = list(before.store.values())
transform = isoglot.Transform.fit(
    np.array([document["vector"] for document in stored]), [document["metadata"]["language"] for document in stored]
)
after = InMemoryVectorStore(TransformedEmbeddings(plain, transform))  # transform.save("transform") keeps it
after.add_documents(corpus)

right = {}
for name, store in {"plain": before, "calibrated": after}.items():
    found = {question: store.similarity_search(question, k=3) for question in answers}
    question, answer = next(iter(answers.items()))
    print(f"{name}: {question} (answered in: {answer})")
    for document in found[question]:
        print(f"  {document.metadata['language']}  {document.metadata['article']}")
    right[name] = sum(
        answer in [document.metadata["article"] for document in found[question]] for question, answer in answers.items()
    )
    print(f"  the right article is among the first three for {right[name]} of {len(answers)} questions")
