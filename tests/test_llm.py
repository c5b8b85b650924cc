"""Rows by a language model, against a real HTTP server that misbehaves: see llm_server.py."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from isoglot.cli import main
from isoglot.llm.service import Service
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.training_data.generation.answers import PROMPTS, REASONS, BadAnswerError, read_answer
from isoglot.training_data.generation.asking import UNANSWERED
from isoglot.training_data.generation.generate import generate_rows
from isoglot.training_data.generation.journal import Journal
from isoglot.training_data.generation.report import GenerationReport
from isoglot.training_data.generation.translate import check_translation, translate_rows
from isoglot.training_data.loading import training_rows
from isoglot.training_data.row import Row, read_rows, write_rows
from tests.forked import Forked
from tests.llm_server import Reply, Server, chat, error, serving

KEY = "sk-test-0123456789-SECRET"
MINI = {row.query["en"]: row for row in training_rows("mini@demo-train")}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def english(tmp_path: Path) -> Path:
    """A file of the first four rows of mini, in English alone."""
    return written(tmp_path, 4)


def written(folder: Path, count: int) -> Path:
    write_rows(folder / "en.jsonl", [row.keep(["en"]) for row in list(MINI.values())[:count]])
    return folder / "en.jsonl"


def asked(prompt: str) -> tuple[Row, str]:
    """The row of mini and the language that a prompt asks for."""
    tag = re.search(r"English into .* \((\w+)-", prompt)
    assert tag is not None
    return MINI[json.loads(prompt[prompt.rindex("\n{") :])["query"]], tag[1]


def translated(prompt: str) -> Reply:
    """A good translation: mini's."""
    row, tag = asked(prompt)
    return pair(row.query[tag], row.document[tag])


def pair(query: str, document: str) -> Reply:
    return chat(json.dumps({"query": query, "document": document}))


def after(seconds: float, answer: Callable[[str], Reply] = translated) -> Callable[[str], Reply]:
    def reply(prompt: str) -> Reply:
        time.sleep(seconds)
        return answer(prompt)

    return reply


def translate(rows: Path, server: Server, to: str = "de,zh", **options: float) -> GenerationReport:
    service = Service("test", base_url=server.url, **options)  # type: ignore[arg-type]
    return translate_rows(rows, to.split(","), rows.parent / "out.jsonl", service)


# What is kept


def test_translations_land_in_their_cells_with_the_models_name_as_provenance(english: Path) -> None:
    with serving(translated) as server:
        report = translate(english, server)
    rows = read_rows(english.parent / "out.jsonl")
    before = read_rows(english)
    assert [row.content_id for row in rows] == [row.content_id for row in before]
    for row, old in zip(rows, before, strict=True):
        assert row.languages == ["en", "de", "zh"]
        assert row.document["zh"] == MINI[row.query["en"]].document["zh"]
        assert row.provenance == {**old.provenance, "de": "test", "zh": "test"}
        assert (row.source, row.licence) == (old.source, old.licence)
    assert (report.cells, report.languages, report.left_out) == (8, {"de": 4, "zh": 4}, [])
    assert len(server.bodies) == 8


def test_languages_that_a_row_has_are_neither_asked_for_nor_changed(tmp_path: Path) -> None:
    row = next(iter(MINI.values()))
    write_rows(tmp_path / "en.jsonl", [row.keep(["en", "de"])])
    with serving(translated) as server:
        translate(tmp_path / "en.jsonl", server)
        assert len(server.bodies) == 1
        with pytest.raises(IsoglotError, match="has all of de already"):
            translate(tmp_path / "en.jsonl", server, "de")
    assert read_rows(tmp_path / "out.jsonl")[0].document["de"] == row.document["de"]


def test_the_prompt_is_the_file_in_the_package_and_names_script_and_territory(english: Path) -> None:
    with serving(translated) as server:
        translate(english, server, "zh")
    first = (PROMPTS / "translate.md").read_text(encoding="utf-8").splitlines()[0]
    assert server.prompts[0].startswith(first.replace("$language", "Chinese").replace("$tag", "zh-Hans-CN"))
    assert "$" not in server.prompts[0]


# What goes wrong on the way


@pytest.mark.parametrize(
    ("fault", "least"),
    [
        (error(429, Retry_After="0.3"), 0.3),
        (error(500), 0.3),
        (error(503), 0.3),
        (Reply(b"{" + b" " * 2000 + b"}", cut=True), 0.3),
        (Reply(b"{}", delay=1.0), 0.5),
    ],
    ids=["429 with Retry-After", "500", "503", "cut in the body", "time-out"],
)
def test_a_request_that_fails_is_asked_again_after_a_wait(english: Path, fault: Reply, least: float) -> None:
    with serving(translated, [fault]) as server:
        report = translate(english, server, "de", concurrency=1, timeout=0.5)
    assert server.prompts[0] == server.prompts[1]
    assert server.times[1] - server.times[0] >= least
    assert Counter(server.prompts).most_common(2)[1][1] == 1
    assert (report.languages, report.left_out) == ({"de": 4}, [])


def test_requests_under_way_at_once_are_bounded(tmp_path: Path) -> None:
    with serving(after(0.03)) as server:
        translate(written(tmp_path, 12), server, concurrency=3)
    assert server.most_at_once == 3
    assert len(server.bodies) == 24


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "does not accept the key"), (403, "may not use test"), (404, "no model 'test'"), (402, "HTTP 402: no")],
)
def test_a_wrong_key_or_model_costs_one_request_and_is_reported_in_one_line(
    english: Path, status: int, message: str
) -> None:
    with serving(lambda prompt: error(status)) as server, pytest.raises(IsoglotError, match=message) as caught:
        translate(english, server)
    assert len(server.bodies) == 1
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in english.parent.iterdir()) == ["en.jsonl"]


def test_a_key_that_expires_later_loses_nothing(english: Path) -> None:
    with serving(translated, [None, None, error(401)]) as server, pytest.raises(IsoglotError, match="key"):
        translate(english, server, concurrency=1)
    with serving(translated) as server:
        report = translate(english, server)
    assert (report.resumed, len(server.bodies)) == (2, 6)


def test_an_address_where_nobody_listens_is_reported(english: Path) -> None:
    with serving(translated) as server:
        gone = server
    with pytest.raises(IsoglotError, match=r"127\.0\.0\.1:\d+ cannot be reached"):
        translate(english, gone)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/v1", "http://", "http://[", "http://host:port/v1"])
def test_a_base_url_that_is_none_is_reported(url: str) -> None:
    with pytest.raises(IsoglotError, match="base URL"):
        Service("test", base_url=url)


def test_a_server_that_is_down_for_good_stops_the_run(tmp_path: Path) -> None:
    down = error(500, Retry_After="0.001")
    with serving(lambda prompt: down) as server, pytest.raises(IsoglotError, match=r"HTTP 500: no; run again later"):
        translate(written(tmp_path, 20), server)
    assert len(set(server.prompts)) <= UNANSWERED + 8


def test_one_question_without_an_answer_does_not_stop_the_others(english: Path) -> None:
    first = next(iter(MINI.values())).query["en"]

    def answer(prompt: str) -> Reply:
        return error(500, Retry_After="0.001") if json.dumps(first) in prompt else translated(prompt)

    with serving(answer) as server:
        report = translate(english, server, "de")
    assert report.languages == {"de": 3}
    assert report.reasons == {"no-answer": 1}
    assert "left out 1: no-answer" in str(report)


def test_a_server_without_json_mode_is_asked_without_it(english: Path) -> None:
    refused = error(400, "'response_format.type' must be 'json_schema' or 'text'")
    with serving(translated, [refused]) as server:
        report = translate(english, server, "de")
    assert ["response_format" in body for body in server.bodies] == [True, False, False, False, False]
    assert report.languages == {"de": 4}


def test_a_web_page_instead_of_an_api_is_reported(tmp_path: Path) -> None:
    page = Reply(b"<html>hello</html>", headers={"Content-Type": "text/html"})
    with serving(lambda prompt: page) as server, pytest.raises(IsoglotError, match="no chat completion"):
        translate(written(tmp_path, 12), server)


# Answers that are not kept

ROW = next(iter(MINI.values()))
LONG = " ".join([ROW.document["de"]] * 3)
HALF = f"{ROW.document['de']} {ROW.document['en']}"
BAD = {
    "prose": (chat("Here is your translation."), "json"),
    "json of another shape": (chat('{"question": "x", "document": "y"}'), "shape"),
    "a list": (chat("[1]"), "shape"),
    "a number for a text": (chat('{"query": 1, "document": "y"}'), "shape"),
    "an empty text": (pair(" ", ROW.document["de"]), "shape"),
    "half a surrogate pair": (chat('{"query": "\\ud800", "document": "y"}'), "shape"),
    "nothing": (chat(None), "json"),
    "a refusal in prose": (chat("I'm sorry, I can't help with that."), "refusal"),
    "a refusal in JSON": (pair(ROW.query["de"], "I’m sorry, but I cannot translate this."), "refusal"),
    "a refusal in its field": (chat(None, refusal="I can't."), "refusal"),
    "cut at the limit": (chat('{"query": "Wel', finish="length"), "cut"),
    "filtered": (chat("", finish="content_filter"), "filtered"),
    "the English back": (pair(ROW.query["en"], ROW.document["en"]), "english-query"),
    "the document in English": (pair(ROW.query["de"], ROW.document["en"]), "language"),
    "half of it in English": (pair(ROW.query["de"], HALF), "untranslated"),
    "another language": (pair(ROW.query["de"], ROW.document["es"]), "language"),
    "far too long": (pair(ROW.query["de"], LONG), "answer-length"),
    "far too short": (pair(ROW.query["de"], ROW.document["de"][:60]), "answer-length"),
    "the document for a query": (pair(ROW.document["de"], ROW.document["de"]), "answer-length"),
    "a query out of the document": (pair(ROW.document["de"][:60], ROW.document["de"]), "query-in-document"),
    "markup": (pair(ROW.query["de"], f"<p>{ROW.document['de']}</p>"), "markup"),
}


def test_a_bad_answer_is_asked_again(tmp_path: Path) -> None:
    with serving(translated, [BAD["prose"][0], BAD["another language"][0]]) as server:
        report = translate(written(tmp_path, 1), server, "de")
    assert len(server.bodies) == 3
    assert report.usage.answers == 3
    assert read_rows(tmp_path / "out.jsonl")[0].document["de"] == ROW.document["de"]


@pytest.mark.parametrize("name", BAD)
def test_a_cell_whose_answers_stay_bad_is_left_out_and_reported(tmp_path: Path, name: str) -> None:
    bad, reason = BAD[name]

    def answer(prompt: str) -> Reply:
        return bad if asked(prompt) == (ROW, "de") else translated(prompt)

    with serving(answer) as server:
        report = translate(written(tmp_path, 2), server, attempts=2)
    assert len(server.bodies) == 5
    assert [(cell.content_id, cell.language, cell.reason) for cell in report.left_out] == [
        (ROW.content_id, "de", reason)
    ]
    assert reason in REASONS
    assert [row.languages for row in read_rows(tmp_path / "out.jsonl")] == [["en", "zh"], ["en", "de", "zh"]]
    assert json.loads((tmp_path / "out.report.json").read_text())["reasons"] == {reason: 1}


def test_no_good_answer_at_all_writes_no_rows(english: Path) -> None:
    with serving(lambda prompt: chat("no")) as server, pytest.raises(IsoglotError, match=r"no answer was good: .*json"):
        translate(english, server, "de", attempts=1)
    assert sorted(path.name for path in english.parent.iterdir()) == ["en.jsonl", "out.report.json"]


def test_the_translations_of_mini_pass_as_answers() -> None:
    """The checks of an answer find nothing wrong with translations that were read; a fourth of them for speed."""
    for row in list(MINI.values())[::4]:
        for tag in row.languages[1:]:
            check_translation(row.keep(["en"]), tag, {"query": row.query[tag], "document": row.document[tag]})


def test_json_in_a_code_fence_is_read() -> None:
    assert read_answer('```json\n{"query": " a "}\n```', ("query",)) == {"query": "a"}
    with pytest.raises(BadAnswerError, match="json"):
        read_answer("[" * 100_000, ("query",))


def test_the_same_translation_of_two_rows_is_kept_once(tmp_path: Path) -> None:
    first = ROW.keep(["en"])
    write_rows(
        tmp_path / "en.jsonl",
        [first, msgspec.structs.replace(first, content_id="b", query={"en": "How is that done?"})],
    )
    good = pair(ROW.query["de"], ROW.document["de"])
    with serving(lambda prompt: good) as server:
        report = translate(tmp_path / "en.jsonl", server, "de")
    assert report.languages == {"de": 1}
    assert report.reasons == {"duplicate": 1}


def test_a_row_whose_english_is_bad_is_not_asked_about_and_stays(tmp_path: Path) -> None:
    rows = [ROW.keep(["en"]), Row("x", {"en": "What is bold?"}, {"en": "<b>Bold</b> is a style of letters."})]
    write_rows(tmp_path / "en.jsonl", rows)
    with serving(translated) as server:
        report = translate(tmp_path / "en.jsonl", server, "de")
    assert len(server.bodies) == 1
    assert report.reasons == {"markup": 1}
    assert len(read_rows(tmp_path / "out.jsonl")) == 2


# Cost


def test_costs_add_up_bad_answers_included(english: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "isoglot")
    with serving(translated, [chat("no")]) as server:
        report = translate(english, server, "de", price_in=2.0, price_out=10.0)
    assert (report.usage.answers, report.usage.tokens_in, report.usage.tokens_out) == (5, 500, 250)
    assert report.usage.cost == pytest.approx(500 * 2e-6 + 250 * 1e-5)
    assert "USD 0.0035" in str(report)
    estimate = re.search(r"4 requests, about (\d+) tokens in and (\d+) out: USD 0.\d\d", caplog.text)
    assert estimate is not None
    assert int(estimate[1]) == pytest.approx(sum(map(len, server.prompts[1:])) / 4, abs=1)


def test_unknown_prices_give_tokens_only(english: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "isoglot")
    with serving(translated) as server:
        report = translate(english, server, "de")
    assert report.usage.cost is None
    assert "USD" not in str(report)
    assert "prices of test are not known" in caplog.text
    assert Service("gpt-4o").cost(1e6, 1e6) == 12.5
    assert Service("gpt-4o", base_url="http://localhost:8000/v1").cost(1e6, 1e6) is None


def test_answers_without_a_count_are_estimated_and_reported(english: Path) -> None:
    def uncounted(prompt: str) -> Reply:
        row, tag = asked(prompt)
        return chat(json.dumps({"query": row.query[tag], "document": row.document[tag]}), usage=None)

    with serving(uncounted) as server:
        report = translate(english, server, "de")
    assert report.usage.unstated == 4
    assert report.usage.tokens_in > 400


@pytest.mark.parametrize("concurrency", [1, 8])
def test_max_cost_stops_before_it_is_passed_and_a_second_run_goes_on(tmp_path: Path, concurrency: int) -> None:
    rows = written(tmp_path, 10)
    with serving(after(0.02)) as server:  # each answer costs 0.0015
        report = translate(rows, server, price_in=10.0, price_out=10.0, max_cost=0.02, concurrency=concurrency)
        kept = sum(report.languages.values())
        assert 0 < (report.usage.cost or 0) <= 0.02
        assert 3 <= kept < 20
        assert report.reasons == {"max-cost": 20 - kept}
        again = translate(rows, server, price_in=10.0, price_out=10.0, max_cost=1.0)
    assert (again.resumed, len(server.bodies)) == (kept, 20)
    assert again.languages == {"de": 10, "zh": 10}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_cost": 1.0}, "--max-cost needs"),
        ({"price_in": 1.0}, "both --price-in"),
        ({"concurrency": 0}, "must be above 0"),
        ({"timeout": float("nan")}, "must be above 0"),
        ({"price_in": -1.0, "price_out": 1.0}, "must not be negative"),
    ],
)
def test_settings_that_make_no_sense_are_reported(options: dict[str, float], message: str) -> None:
    with pytest.raises(IsoglotError, match=message):
        Service("test", base_url="http://127.0.0.1:9/v1", **options)  # type: ignore[arg-type]


# Going on


def test_what_was_answered_is_not_asked_again_but_other_words_languages_and_models_are(english: Path) -> None:
    with serving(translated) as server:
        translate(english, server, "de")
        report = translate(english, server, "de")
        assert (report.resumed, report.usage.answers, len(server.bodies)) == (4, 0, 4)
        translate(english, server, "de,zh")
        assert len(server.bodies) == 8
        translate_rows(english, ["de"], english.parent / "out.jsonl", Service("other", base_url=server.url))
        assert len(server.bodies) == 12
    rows = read_rows(english.parent / "out.jsonl")
    assert {row.provenance["de"] for row in rows} == {"other"}


def test_a_torn_last_line_of_the_journal_is_ignored(english: Path) -> None:
    with serving(translated) as server:
        translate(english, server, "de")
        journal = english.parent / "out.answers.jsonl"
        whole = (english.parent / "out.jsonl").read_bytes()
        journal.write_bytes(journal.read_bytes()[:-20])
        report = translate(english, server, "de")
        assert (report.resumed, len(server.bodies)) == (3, 5)
    assert (english.parent / "out.jsonl").read_bytes() == whole
    with Journal(journal) as reopened:
        assert len(reopened.answers) == 4


def test_a_file_that_is_no_journal_is_not_written_to(english: Path) -> None:
    other = english.parent / "out.answers.jsonl"
    other.write_text('{"_id": "a"}\n')
    with serving(translated) as server, pytest.raises(InputError, match=r"out\.answers\.jsonl:1: not a line"):
        translate(english, server)
    assert other.read_text() == '{"_id": "a"}\n'


def start(*arguments: str | Path) -> Forked:
    """``isoglot data`` in a process of its own, where the OpenAI client logs all it does."""
    return Forked(main, ["data", *map(str, arguments)], environment={"OPENAI_LOG": "debug"})


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_run_that_is_stopped_midway_goes_on_where_it_was(tmp_path: Path, how: signal.Signals, code: int) -> None:
    rows, out = written(tmp_path, 10), tmp_path / "out.jsonl"
    with serving(after(0.1)) as server:
        process = start("translate", rows, "--to", "de,zh", "--model", "test", "--base-url", server.url, "-o", out)
        while len(server.bodies) < 14 and process.returncode is None:
            time.sleep(0.01)
        process.send_signal(how)
        output = "".join(process.communicate(timeout=20))
    assert process.returncode == code, output
    assert not out.exists()
    assert KEY not in output
    with Journal(tmp_path / "out.answers.jsonl") as journal:
        kept = len(journal.answers)
    assert 4 <= kept < 20
    with serving(translated) as server:
        report = translate(rows, server)
        assert (report.resumed, len(server.bodies)) == (kept, 20 - kept)
        resumed = out.read_bytes()
        (tmp_path / "out.answers.jsonl").unlink()
        translate(rows, server)
    assert out.read_bytes() == resumed


# The key


def test_the_key_goes_to_the_api_and_nowhere_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = error(400, f"the key {KEY} is not to my liking")
    with serving(translated, [None, echo, error(500, KEY, Retry_After="0.01")]) as server:
        report = translate(written(tmp_path, 4), server, "de", concurrency=1)
        service = Service("test", base_url=server.url)
    assert report.reasons == {"rejected": 1}
    assert "the key *** is not" in report.left_out[0].detail
    wrong = error(401, f"Incorrect API key provided: {KEY}")
    with serving(lambda prompt: wrong) as server, pytest.raises(IsoglotError) as caught:
        translate(written(tmp_path, 5), server, "de")
    captured = capfd.readouterr()
    files = "".join(path.read_text() for path in tmp_path.iterdir())
    outputs = (caplog.text, captured.out, captured.err, files, str(report), repr(report), repr(service))
    for text in (*outputs, repr(caught.value)):
        assert KEY not in text


@pytest.mark.parametrize(
    ("key", "base_url", "message"),
    [("", None, "OPENAI_API_KEY, or name a server"), (f"{KEY}\nx", "http://127.0.0.1:9/v1", "no key has")],
)
def test_a_key_that_is_missing_or_broken_is_reported_without_it(
    english: Path, monkeypatch: pytest.MonkeyPatch, key: str, base_url: str | None, message: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(IsoglotError, match=message) as caught:
        translate_rows(english, ["de"], english.parent / "out.jsonl", Service("test", base_url=base_url))
    assert KEY not in str(caught.value)


def test_a_local_server_needs_no_key(english: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with serving(translated) as server:
        assert translate(english, server, "de").languages == {"de": 4}


# Rows that a model writes


def written_about(prompt: str) -> Reply:
    """A passage of mini for the topic `ROW n`, a question for one of its passages."""
    value = json.loads(prompt[prompt.rindex("\n{") :])
    rows = list(MINI.values())
    if "topic" in value:
        row = rows[int(value["topic"].split()[1])]
        return pair(row.query["en"], row.document["en"])
    row = next(row for row in rows if row.document["en"] == value["passage"])
    return chat(json.dumps({"query": row.query["en"]}))


def test_topics_become_rows_and_equal_topics_one(tmp_path: Path) -> None:
    (tmp_path / "topics.txt").write_text("row 0\n\nrow 1\nrow 0\nrow 2\n")
    with serving(written_about) as server:
        service = Service("test", base_url=server.url)
        report = generate_rows(tmp_path / "out.jsonl", service, topics=tmp_path / "topics.txt", licence="CC0-1.0")
    rows = read_rows(tmp_path / "out.jsonl")
    assert [row.query["en"] for row in rows] == list(MINI)[:3]
    assert {(row.source, row.licence, row.provenance["en"]) for row in rows} == {("generated", "CC0-1.0", "test")}
    assert (len(server.bodies), report.languages) == (3, {"en": 3})


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (pair(ROW.query["en"], ROW.document["en"][:120]), "answer-length"),
        (pair("the longest river", ROW.document["en"]), "no-question"),
        (pair(ROW.query["de"], ROW.document["de"]), "language"),
        (chat("I cannot write about this."), "refusal"),
    ],
)
def test_a_bad_passage_is_left_out(tmp_path: Path, bad: Reply, reason: str) -> None:
    (tmp_path / "topics.txt").write_text("row 1\nrow 0\n")
    with serving(lambda prompt: bad if "row 0" in prompt else written_about(prompt)) as server:
        service = Service("test", base_url=server.url, attempts=2)
        report = generate_rows(tmp_path / "out.jsonl", service, topics=tmp_path / "topics.txt")
    assert len(server.bodies) == 3
    assert report.reasons == {reason: 1}
    assert report.rows == 1


def test_passages_of_a_corpus_get_questions_and_bad_ones_are_not_asked_about(tmp_path: Path) -> None:
    lines = [{"_id": name, "text": row.document["en"]} for name, row in zip("abc", MINI.values(), strict=False)]
    lines += [{"_id": "d", "text": ROW.document["ru"]}, {"_id": "e", "text": "Too short."}]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with serving(written_about) as server:
        service = Service("test", base_url=server.url)
        report = generate_rows(tmp_path / "out.jsonl", service, corpus=tmp_path / "corpus.jsonl")
    rows = read_rows(tmp_path / "out.jsonl")
    assert [(row.content_id, row.query["en"]) for row in rows] == list(
        zip(("corpus:a", "corpus:b", "corpus:c"), MINI, strict=False)
    )
    assert len(server.bodies) == 3
    assert report.reasons == {"length": 1, "language": 1}


def test_rows_get_new_questions_and_keep_source_and_licence(english: Path) -> None:
    with serving(written_about) as server:
        generate_rows(english.parent / "out.jsonl", Service("test", base_url=server.url), corpus=english)
    before, rows = read_rows(english), read_rows(english.parent / "out.jsonl")
    assert [(row.content_id, row.document, row.source, row.licence) for row in rows] == [
        (row.content_id, row.document, row.source, row.licence) for row in before
    ]
    assert all(row.provenance == {"en": "test"} for row in rows)


# The commands


@pytest.mark.process
def test_the_commands_end_with_one_line_and_code_2_where_something_is_wrong(tmp_path: Path) -> None:
    with serving(lambda prompt: error(401)) as server:
        (tmp_path / "topics.txt").write_text("row 0\n")
        process = start(
            "generate", "--topics", tmp_path / "topics.txt", "--model", "test", "--base-url", server.url,
            "-o", tmp_path / "out.jsonl",
        )  # fmt: skip
        output = "".join(process.communicate(timeout=20))
    assert process.returncode == 2, output
    assert re.fullmatch(
        r"isoglot: 127\S+ does not accept the key in OPENAI_API_KEY \(HTTP 401: no\)", output.splitlines()[-1]
    )
    assert "Traceback" not in output
    assert KEY not in output


def test_output_is_named_rightly_before_anything_is_paid_for(english: Path) -> None:
    with serving(translated) as server:
        with pytest.raises(IsoglotError, match=r"\.jsonl or \.parquet"):
            translate_rows(english, ["de"], english.parent / "out.txt", Service("test", base_url=server.url))
        with pytest.raises(IsoglotError, match="other languages"):
            translate_rows(english, ["en"], english.parent / "out.jsonl", Service("test", base_url=server.url))
        with pytest.raises(IsoglotError, match="either topics or a corpus"):
            generate_rows(english.parent / "out.jsonl", Service("test", base_url=server.url))
    assert server.bodies == []


def test_inside_an_event_loop_the_way_out_is_reported(english: Path) -> None:
    async def notebook(server: Server) -> None:
        with pytest.raises(IsoglotError, match="to_thread"):
            translate(english, server)
        report = await asyncio.to_thread(translate, english, server, "de")
        assert report.languages == {"de": 4}

    with serving(translated) as server:
        asyncio.run(notebook(server))
