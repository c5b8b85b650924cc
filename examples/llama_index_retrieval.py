"""Search a corpus in English and Chinese with LlamaIndex, before and after calibration.

Half of the articles are in English only, half in Chinese only. Chinese questions are asked whose answer stands in an
English article. The plain embedding ranks the Chinese articles first; the calibrated one ranks the article that answers
the question. Calibration needs the vectors of your documents and their languages, no questions and no labels.

Install:  pip install 'isoglot[llama-index]'
Run:      python examples/llama_index_retrieval.py      # under half a minute
Prints:   for both embeddings, the articles found for one question, and how often the right one is among the first three
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode
from sentence_transformers import SentenceTransformer

import isoglot
from isoglot.integrations.llama_index import TransformedEmbedding


class LocalModel(BaseEmbedding):
    """The model that comes with isoglot. In your code: OpenAIEmbedding(), HuggingFaceEmbedding() or any other."""

    model: Any = SentenceTransformer(isoglot.model_path("e5-small-q4"))

    def _get_text_embedding(self, text: str) -> list[float]:
        return self.model.encode_document(text).tolist()

    def _get_query_embedding(self, query: str) -> list[float]:
        return self.model.encode_query(query).tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


# The corpus, and the Chinese questions that an English article answers.
source = isoglot.load_collection("mini@demo")
in_english = set(sorted({document.content_id for document in source.documents})[1::2])
corpus = [
    document
    for document in source.documents
    if document.language == ("en" if document.content_id in in_english else "zh")
]
languages = {document.content_id: document.language for document in corpus}
answers = {
    query.text: source.golds[query.query_id][0]
    for query in source.queries
    if query.language == "zh" and source.golds[query.query_id][0] in in_english
}

plain = LocalModel()
nodes = [TextNode(id_=document.content_id, text=document.text) for document in corpus]
before = VectorStoreIndex(nodes, embed_model=plain)

# Calibrate: learn from the stored vectors what texts share only because of their language. `after` is built with an
# embedding that subtracts it from documents and questions alike.
stored = before.vector_store.data.embedding_dict
transform = isoglot.Transform.fit(np.array(list(stored.values())), [languages[article] for article in stored])
after = VectorStoreIndex(nodes, embed_model=TransformedEmbedding(plain, transform))  # transform.save(...) keeps it

right = {}
for name, index in {"plain": before, "calibrated": after}.items():
    retriever = index.as_retriever(similarity_top_k=3)
    found = {question: [hit.node_id for hit in retriever.retrieve(question)] for question in answers}
    question, answer = next(iter(answers.items()))
    print(f"{name}: {question} (answered in: {answer})")
    for article in found[question]:
        print(f"  {languages[article]}  {article}")
    right[name] = sum(answer in found[question] for question, answer in answers.items())
    print(f"  the right article is among the first three for {right[name]} of {len(answers)} questions")
