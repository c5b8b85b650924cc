"""Headings that become questions, against a real HTTP server: see llm_server.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from isoglot.llm.service import Service
from isoglot.platform.errors import IsoglotError
from isoglot.training_data import held_out
from isoglot.training_data.generation.answers import PROMPTS, REASONS
from isoglot.training_data.generation.questions import ask_rows
from isoglot.training_data.generation.report import GenerationReport
from isoglot.training_data.loading import training_rows
from isoglot.training_data.origins import ORIGINS
from isoglot.training_data.row import Row, read_rows, write_rows
from tests.bakery import BAKERY
from tests.command_line import isoglot
from tests.llm_server import Reply, Server, chat, error, serving

MINI = {row.document["en"]: row for row in training_rows("mini@train", ["en", "de", "zh", "th"])}
HEADINGS = {"en": "About number", "de": "Über Nummer", "zh": "关于第", "th": "เกี่ยวกับหมายเลข"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr(held_out, "EVALUATION", ("mini@test",))


def headed(row: Row, number: int) -> Row:
    """The row with headings in place of its questions."""
    query = {tag: f"{heading} {number}" for tag, heading in HEADINGS.items()}
    provenance = dict.fromkeys(row.languages, "human") | {"en": "original"}
    return msgspec.structs.replace(row, query=query, provenance=provenance, licence="CC0-1.0")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of the first four topics of mini@train, with headings."""
    topics = {row.content_id: row for row in MINI.values()}
    write_rows(tmp_path / "rows.jsonl", [headed(row, i) for i, row in enumerate(list(topics.values())[:4])])
    return tmp_path / "rows.jsonl"


def listed(prompt: str) -> tuple[Row, list[str]]:
    """The row of mini and the languages that a prompt asks for."""
    text = json.loads(prompt[prompt.rindex("\n{") :])
    return MINI[text["passage"]], list(text["languages"])


def answering(changed: Callable[[Row], dict[str, str]] = lambda row: {}) -> Callable[[str], Reply]:
    """An answer with mini's questions, of which some are changed."""

    def answer(prompt: str) -> Reply:
        row, languages = listed(prompt)
        return chat(json.dumps({tag: row.query[tag] for tag in languages} | changed(row)))

    return answer


def ask(rows: Path, server: Server, **options: float) -> GenerationReport:
    service = Service("test", base_url=server.url, **options)  # type: ignore[arg-type]
    return ask_rows(rows, rows.with_name("asked.jsonl"), service)


def test_each_heading_becomes_a_question_and_all_else_stays(rows: Path) -> None:
    with serving(answering()) as server:
        report = ask(rows, server)
    assert len(server.bodies) == 4
    for before, after in zip(read_rows(rows), read_rows(rows.with_name("asked.jsonl")), strict=True):
        assert after.query == MINI[before.document["en"]].query
        assert after.provenance == {tag: f"{value}, question by test" for tag, value in before.provenance.items()}
        assert msgspec.structs.replace(after, query=before.query, provenance=before.provenance) == before
    assert (report.cells, report.languages) == (16, {"de": 4, "en": 4, "th": 4, "zh": 4})
    assert (report.left_out, report.rows) == ([], 4)


def test_the_prompt_has_the_english_passage_its_heading_and_the_languages(rows: Path) -> None:
    with serving(answering()) as server:
        ask(rows, server, concurrency=1)
    prompt = server.prompts[0]
    assert prompt.startswith((PROMPTS / "questions.md").read_text(encoding="utf-8").partition("$")[0])
    first = read_rows(rows)[0]
    assert json.loads(prompt[prompt.rindex("\n{") :]) == {
        "languages": {
            "en": "English (en-Latn-US)",
            "de": "German (de-Latn-DE)",
            "th": "Thai (th-Thai-TH)",
            "zh": "Chinese (zh-Hans-CN)",
        },
        "heading": first.query["en"],
        "passage": first.document["en"],
    }


FIRST = next(iter(MINI.values()))
BAD = {
    "a statement": ("de", "Der Nil hat zwei große Arme", "no-question"),
    "a refusal": ("de", "I'm sorry, I can't help with that?", "refusal"),
    "one word": ("de", "Nil?", "answer-length"),
    "two characters": ("zh", "河？", "answer-length"),
    "far too long": ("de", "und weiter " * 30 + "?", "answer-length"),
    "another language": ("de", FIRST.query["en"], "query-language"),
    "another script": ("th", FIRST.query["zh"], "query-language"),
    "the heading": ("de", "Über Nummer 0?", "heading"),
    "out of the document": ("zh", FIRST.document["zh"][:14], "no-question"),
    "markup": ("de", f"{FIRST.query['de'][:-1]} <b>heute</b>?", "markup"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_question_costs_its_own_cell_alone(rows: Path, name: str) -> None:
    language, question, reason = BAD[name]
    with serving(answering(lambda row: {language: question} if row == FIRST else {})) as server:
        report = ask(rows, server)
    assert len(server.bodies) == 4
    assert [(cell.content_id, cell.language, cell.reason) for cell in report.left_out] == [
        (FIRST.content_id, language, reason)
    ]
    assert reason in REASONS
    before, after = read_rows(rows)[0], read_rows(rows.with_name("asked.jsonl"))[0]
    assert after.query == FIRST.query | {language: before.query[language]}
    assert after.provenance[language] == before.provenance[language]
    assert f"left out 1: {reason}" in str(report)


def test_a_question_out_of_the_document_or_out_of_an_evaluation_collection_is_not_kept(rows: Path) -> None:
    copied = " ".join(FIRST.document["de"].split()[:6]) + "?"
    known = training_rows("mini@test", ["en"])[0].query["en"]
    with serving(answering(lambda row: {"de": copied, "en": known} if row == FIRST else {})) as server:
        report = ask(rows, server)
    assert {(cell.language, cell.reason) for cell in report.left_out} == {
        ("de", "query-in-document"),
        ("en", "contamination"),
    }


def test_two_rows_of_one_content_get_one_question_once(tmp_path: Path) -> None:
    one, other = headed(FIRST, 1), headed(FIRST, 2)
    write_rows(tmp_path / "rows.jsonl", [one, other])
    with serving(answering()) as server:
        report = ask(tmp_path / "rows.jsonl", server)
    assert report.reasons == {"duplicate": 4}
    assert [row.query for row in read_rows(tmp_path / "asked.jsonl")] == [FIRST.query, other.query]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (chat("Here are your questions."), "json"),
        (chat(json.dumps({"en": FIRST.query["en"]})), "shape"),
        (chat(json.dumps(headed(FIRST, 0).query)), "heading"),
    ],
    ids=["no JSON", "languages are missing", "the headings"],
)
def test_an_answer_without_any_use_is_asked_again(rows: Path, bad: Reply, reason: str) -> None:
    with serving(answering(), [bad]) as server:
        assert ask(rows, server, concurrency=1).languages == {"de": 4, "en": 4, "th": 4, "zh": 4}
    assert server.prompts[0] == server.prompts[1]
    rows.with_name("asked.answers.jsonl").unlink()
    with serving(lambda prompt: bad if listed(prompt)[0] == FIRST else answering()(prompt)) as server:
        report = ask(rows, server, attempts=2)
    assert len(server.bodies) == 5
    assert report.reasons == {reason: 4}
    assert read_rows(rows.with_name("asked.jsonl"))[0] == read_rows(rows)[0]


def test_rows_that_ask_already_and_cells_that_cannot_be_asked_about_stay(tmp_path: Path) -> None:
    second = list(MINI.values())[1]
    lacking = msgspec.structs.replace(headed(second, 1), query={"en": "About number 1", "fr": "Du numéro 1"})
    faulty = headed(list(MINI.values())[2], 2)
    faulty = msgspec.structs.replace(faulty, document=faulty.document | {"de": f"<p>{faulty.document['de']}</p>"})
    written = [FIRST, lacking, faulty]
    write_rows(tmp_path / "rows.jsonl", written)
    with serving(answering()) as server:
        report = ask(tmp_path / "rows.jsonl", server)
        assert sorted(map(tuple, (listed(prompt)[1] for prompt in server.prompts))) == [("en",), ("en", "th", "zh")]
        assert [(cell.language, cell.reason) for cell in report.left_out] == [("de", "markup")]
        assert read_rows(tmp_path / "asked.jsonl")[0] == FIRST
        write_rows(tmp_path / "rows.jsonl", [FIRST])
        with pytest.raises(IsoglotError, match="each query is a question already"):
            ask(tmp_path / "rows.jsonl", server)
    assert len(server.bodies) == 2


def test_a_row_without_english_is_asked_about_in_its_first_language(tmp_path: Path) -> None:
    row = headed(FIRST, 0).keep(["de", "zh"])
    write_rows(tmp_path / "rows.jsonl", [row])
    question = json.dumps({tag: FIRST.query[tag] for tag in ("de", "zh")})
    with serving(lambda prompt: chat(question)) as server:
        assert ask(tmp_path / "rows.jsonl", server).languages == {"de": 1, "zh": 1}
    assert FIRST.document["de"] in server.prompts[0]


def test_a_second_run_asks_only_what_is_missing_and_max_cost_stops(rows: Path) -> None:
    with serving(answering()) as server:  # each answer costs 0.0015
        report = ask(rows, server, price_in=10.0, price_out=10.0, max_cost=0.01, concurrency=1)
        kept = sum(report.languages.values())
        assert 0 < kept < 16
        assert report.reasons == {"max-cost": 16 - kept}
        asked = len(server.bodies)
        report = ask(rows, server, price_in=10.0, price_out=10.0, max_cost=1.0)
    assert (report.resumed, len(server.bodies)) == (4 * asked, 4)
    assert report.languages == {"de": 4, "en": 4, "th": 4, "zh": 4}


def test_the_commands_ask_about_a_file_of_rows_and_about_a_build(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked.jsonl"
    with serving(answering()) as server:
        model = ("--model", "test", "--base-url", server.url)
        done = isoglot("data", "generate", "--ask", rows, *model, "-o", asked)
        assert (done.returncode, len(read_rows(asked))) == (0, 4), done.stderr
        refused = isoglot("data", "generate", "--ask", rows, "--corpus", rows, *model, "-o", asked)
    assert refused.returncode == 2
    assert refused.stderr.strip().endswith("its rows have documents and licences")
    monkeypatch.setitem(ORIGINS, "bakery", BAKERY)
    monkeypatch.setattr("tests.bakery.QUERY", {"en": "About {}", "de": "Über {}", "zh": "关于{}"})

    def about_grain(prompt: str) -> Reply:
        text = json.loads(prompt[prompt.rindex("\n{") :])
        grain = text["heading"].split()[1]
        questions = {
            "en": f"Why do bakers use {grain} at all?",
            "de": f"Warum nehmen Bäcker überhaupt {grain}?",
            "zh": f"面包师为什么要用{grain}来烤面包？",
        }
        return chat(json.dumps({tag: questions[tag] for tag in text["languages"]}))

    with serving(about_grain) as server:
        built = isoglot(
            "data", "build", "bakery", "-o", tmp_path / "b.jsonl", "--ask", "test", "--base-url", server.url, "--json"
        )
    assert json.loads(built.stdout)["asked"]["languages"] == {"de": 4, "en": 5, "zh": 5}, built.stderr
    assert read_rows(tmp_path / "b.jsonl")[0].query["en"] == "About barley"
    assert read_rows(tmp_path / "b.asked.jsonl")[0].query["en"] == "Why do bakers use barley at all?"
    with serving(lambda prompt: error(401)) as server:
        failed = isoglot(
            "data", "build", "bakery", "-o", tmp_path / "c.jsonl", "--ask", "test", "--base-url", server.url
        )
    assert failed.returncode == 2
    assert len(read_rows(tmp_path / "c.jsonl")) == 5
    last = failed.stderr.strip().splitlines()[-1]
    assert f"to go on: isoglot data generate --ask {tmp_path / 'c.jsonl'} --model test -o" in last
    monkeypatch.delenv("OPENAI_API_KEY")
    keyless = isoglot("data", "build", "bakery", "-o", tmp_path / "d.jsonl", "--ask", "test")
    assert "OPENAI_API_KEY" in keyless.stderr
    assert not (tmp_path / "d.jsonl").exists()
