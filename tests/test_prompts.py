"""Which prompt a model gets, and from where."""

from __future__ import annotations

import pytest

from isoglot.encoders.prompts import find_prompts


@pytest.mark.parametrize(
    ("name", "configured", "query", "document", "source"),
    [
        ("intfloat/multilingual-e5-base", {"query": "", "document": ""}, "query: ", "passage: ", "family"),
        ("./models/E5-small", {}, "query: ", "passage: ", "family"),
        ("BAAI/bge-m3", {}, "", "", "none"),
        ("nomic-ai/nomic-embed-text-v2", {}, "search_query: ", "search_document: ", "family"),
        ("anything", {"query": "Q ", "passage": "P "}, "Q ", "P ", "model"),
        ("intfloat/multilingual-e5-base", {"query": "own ", "document": "doc "}, "own ", "doc ", "model"),
    ],
)
def test_the_models_own_configuration_comes_before_the_family(
    name: str, configured: dict[str, str | None], query: str, document: str, source: str
) -> None:
    found = find_prompts(name, configured)
    assert (found["query"].text, found["document"].text) == (query, document)
    assert {prompt.source for prompt in found.values()} == {source}


def test_a_model_that_prompts_queries_only_gets_nothing_before_documents() -> None:
    found = find_prompts("Alibaba/e5-base-like", {"query": "Instruct: "})
    assert (found["document"].text, found["document"].source) == ("", "none")


def test_instruct_models_prompt_queries_only() -> None:
    found = find_prompts("intfloat/multilingual-e5-large-instruct", {})
    assert found["query"].text.startswith("Instruct: ")
    assert (found["document"].text, found["document"].source) == ("", "none")


def test_names_of_retrieval_tasks_are_passed_on() -> None:
    found = find_prompts("jinaai/jina-embeddings-v3", {"retrieval.query": "Represent: ", "retrieval.passage": "Doc: "})
    assert (found["query"].task, found["document"].task) == ("retrieval.query", "retrieval.passage")
