"""Which prompt a model gets, and from where."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoglot import IsoglotError
from isoglot.encoders.prompts import find_prompts
from isoglot.platform.files import write_text


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


def test_prompts_of_other_names_are_told_and_leave_those_of_the_family(caplog: pytest.LogCaptureFixture) -> None:
    found = find_prompts("e5-mistral-instruct", {"web_search_query": "Instruct: ", "sts_query": "Same: ", "query": ""})
    assert (found["query"].source, found["document"].source) == ("family", "none")
    found = find_prompts("stella", {"s2p_query": "Instruct: ", "query": "", "document": ""})
    assert found["query"].source == "none"
    assert [record.message.partition(";")[0] for record in caplog.records] == [
        "e5-mistral-instruct has prompts (web_search_query, sts_query), of which none is used, but those of its family",
        "stella has prompts (s2p_query), of which none is used",
    ]
    assert "--query-prompt" in caplog.text


def test_a_model_without_prompts_or_with_used_ones_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    find_prompts("stella", {"query": "", "document": None})
    find_prompts("stella", {"query": "Q: ", "sts": "S: "})
    find_prompts("stella", {"s2p_query": "Instruct: "}, {"document": ""})
    assert not caplog.records


def test_a_prompt_is_chosen_by_its_name_or_its_text_and_may_be_empty() -> None:
    configured = {"query": "q: ", "s2p_query": "Instruct: ", "retrieval.passage": "p: "}
    found = find_prompts("e5-small", configured, {"query": "s2p_query", "document": "Text: "})
    assert (found["query"].text, found["query"].source, found["query"].task) == ("Instruct: ", "chosen", "query")
    assert (found["document"].text, found["document"].source) == ("Text: ", "chosen")
    assert find_prompts("e5-small", {}, {"query": ""})["query"].text == ""
    assert find_prompts("e5-small", {}, {"query": ""})["document"].text == "passage: "
    assert find_prompts("jina", configured, {"document": "retrieval.passage"})["document"].task == "retrieval.passage"


def test_a_name_that_the_model_lacks_is_told_with_those_that_it_has() -> None:
    with pytest.raises(IsoglotError, match=r"stella has no prompt 's2p_qery'; its prompts: s2p_query, sts;"):
        find_prompts("stella", {"s2p_query": "Instruct: ", "sts": "S: "}, {"query": "s2p_qery"})
    with pytest.raises(IsoglotError, match="for query and document, not for 'passage'"):
        find_prompts("stella", {}, {"passage": "p: "})


def test_a_folder_that_align_wrote_has_the_prompts_that_it_states(tmp_path: Path) -> None:
    folder = tmp_path / "e5-small"
    assert find_prompts(str(folder), {"query": "", "document": ""})["query"].source == "family"
    write_text(folder / "isoglot.json", "{}")
    assert find_prompts(str(folder), {"query": "", "document": ""})["query"].source == "none"


def test_instruct_models_prompt_queries_only() -> None:
    found = find_prompts("intfloat/multilingual-e5-large-instruct", {})
    assert found["query"].text.startswith("Instruct: ")
    assert (found["document"].text, found["document"].source) == ("", "none")


def test_names_of_retrieval_tasks_are_passed_on() -> None:
    found = find_prompts("jinaai/jina-embeddings-v3", {"retrieval.query": "Represent: ", "retrieval.passage": "Doc: "})
    assert (found["query"].task, found["document"].task) == ("retrieval.query", "retrieval.passage")
