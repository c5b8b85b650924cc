"""Which prompt a model gets, and from where."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoglot import IsoglotError
from isoglot.encoders.prompts import Prompt, find_prompts
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


@pytest.mark.parametrize(
    ("configured", "told"),
    [
        (
            {"query": "Q: ", "text": "T: ", "document": ""},
            "x has prompts (text), of which none is used for document texts",
        ),
        ({"topic": "T: ", "passage": "P: "}, "x has prompts (topic), of which none is used for query texts"),
        ({"query": "Q: ", "document": "", "s2s_query": "S: "}, None),  # prompts of queries are none for documents
        ({"query": "Q: ", "passage": "", "sts": "S: "}, None),  # it states that a passage has none
        ({"query": "Q: ", "document": "D: ", "Clustering": "C: "}, None),
        ({"query": "Q: ", "document": "", "web": "Q: "}, None),
    ],
)
def test_a_role_without_prompt_is_told_of_where_the_model_has_others(
    configured: dict[str, str | None], told: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    find_prompts("x", configured)
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [told] * (told is not None)


@pytest.mark.parametrize(
    "configured",
    [
        {"search_query": "q: ", "document": "d: ", "query": ""},
        {"query": "q: ", "doc": "d: "},
        {"Query": "q: ", "Passage": "d: ", "query": "", "document": ""},
        {"search_query": "q: ", "search_document": "d: "},
    ],
)
def test_names_of_prompts_are_known_in_any_case(configured: dict[str, str | None]) -> None:
    found = find_prompts("x", configured)
    assert [(prompt.text, prompt.source) for prompt in found.values()] == [("q: ", "model"), ("d: ", "model")]


@pytest.mark.parametrize(
    "name",
    ["e5-base-study/labse", "/data/compare-e5-large-and-gte/gte/", "e5-small-lab/labse", "my-e5-basement", "e5-small2"],
)
def test_only_the_models_own_name_tells_its_family(name: str) -> None:
    assert find_prompts(name, {})["query"].source == "none"


@pytest.mark.parametrize("name", ["jeffh/intfloat-multilingual-e5-large:f16", "my_e5-base", "e5-small-q4+x"])
def test_a_name_around_the_familys_is_no_hindrance(name: str) -> None:
    assert find_prompts(name, {})["document"].text == "passage: "


def test_the_folder_itself_tells_the_family_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "multilingual-e5-small"
    folder.mkdir()
    (tmp_path / "latest").symlink_to(folder)
    snapshot = tmp_path / "models--intfloat--multilingual-e5-small" / "snapshots" / "614241f"
    monkeypatch.chdir(folder)
    caplog.set_level("INFO")
    for name in (".", "../latest", f"{folder}/", str(snapshot), str(snapshot)):
        assert find_prompts(name, {})["document"] == Prompt("passage: ", "document", "family")
    assert len(caplog.records) == 4  # each model once
    assert "gets the prompts of its family, which its name tells ('query: ' and 'passage: ')" in caplog.text
    other = tmp_path / "models--e5-base-lab--labse" / "snapshots" / "614241f"
    assert find_prompts(str(other), {})["query"].source == "none"


def test_a_model_without_prompts_or_with_used_ones_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    find_prompts("stella", {"query": "", "document": None})
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
