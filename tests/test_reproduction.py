"""``isoglot reproduce``: the shipped file is sound, and a small file runs, resumes, and shows what is off."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import signal
from collections.abc import Sequence
from functools import cache as cache_calls
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from benchmarks.expected_rows import refreshed
from isoglot import Audit, Collection, IsoglotError, audit
from isoglot.cli import app
from isoglot.platform.languages import canonical
from isoglot.reproduction import expected as expected_module
from isoglot.reproduction.expected import SHIPPED, Expected, ExpectedNumber, load_expected
from isoglot.reproduction.page import Reproduction
from isoglot.reproduction.running import (
    NEEDS_ROWS,
    NEEDS_TRUST,
    ORIGIN_FILE,
    ExperimentResult,
    Runner,
    State,
    measured_value,
    run_in_process,
)
from tests.command_line import isoglot

FILE = """
tolerances:
  exact: {absolute: 0.01, relative: 0, why: "<b>nothing</b> may differ"}
models:
  models/center: isoglot align MODEL --method center --data mini@train --languages en,de --dev none -o models/center
notes:
  methods: ["<script>alert(1)</script> is a note"]
experiments:
  - name: base
    set: methods
    model: tiny
    about: as it is
    source: here
    sure: measured by isoglot on 2020-01-01
    tolerance: exact
    command: isoglot audit MODEL --data mini@demo --pool en,de --scenarios multi,mono-same --limit 8 -o audits/base
    rows:
      - [multi, en+de, EACH, max_r, -1]
      - [multi, en+TARGET, TARGET, complete@7, -1]
      - [mono-same, TARGET, TARGET, ndcg@10, -1]
  - name: center
    set: methods
    model: tiny
    about: center
    source: here
    sure: "<i>surely</i>"
    tolerance: exact
    command: isoglot audit models/center --data mini@demo --pool en,de --scenarios multi --limit 8 -o audits/center
    rows:
      - [multi, en+de, de, max_r, -1]
  - name: rows
    set: methods
    model: tiny
    about: fitted on rows
    source: here
    sure: guessed
    tolerance: exact
    command: isoglot audit MODEL --data mix.jsonl -o audits/rows
    rows:
      - [multi, en+de, de, max_r, 1]
  - name: code
    set: methods
    model: other
    about: needs code
    source: here
    sure: guessed
    tolerance: exact
    remote_code: true
    command: isoglot audit MODEL --data mini@demo -o audits/code
    rows:
      - [multi, en+de, de, max_r, 1]
  - name: absent
    set: methods
    model: other
    about: a model that is not there
    source: here
    sure: guessed
    tolerance: exact
    command: isoglot audit ./nowhere --data mini@demo -o audits/absent
    rows:
      - [multi, en+de, de, max_r, 1]
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def work(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOGLOT_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "work"


@pytest.fixture(scope="module")
def small(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Expected:
    return load_expected(small_file(tiny_model, tmp_path_factory.mktemp("expected")))


def small_file(tiny_model: Path, folder: Path) -> Path:
    file = folder / "expected.yaml"
    file.write_text(FILE.replace("MODEL", shlex.quote(str(tiny_model))), encoding="utf-8")
    return file


def in_this_process(arguments: Sequence[str], work: Path) -> None:
    """Run isoglot without the seconds that a new process takes to start."""
    with contextlib.chdir(work), contextlib.redirect_stdout(io.StringIO()):
        typer.main.get_command(app).main(list(arguments), standalone_mode=False)


@pytest.fixture(scope="module")
def done(small: Expected, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[ExperimentResult]]:
    """The work folder and results of the whole small file, run once."""
    work = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOGLOT_CACHE", str(cache))
        patch.setenv("HF_HUB_OFFLINE", "1")
        runner = Runner(expected=small, work=work, execute=in_this_process)
        return work, [runner.run(experiment) for experiment in small.select("methods")]


def with_measured(result: ExperimentResult) -> Any:
    """The experiment of a result, expecting what was measured."""
    numbers = [msgspec.structs.replace(each.number, expected=each.measured) for each in result.numbers]
    return msgspec.structs.replace(result.experiment, numbers=numbers)


def test_what_runs_is_compared_and_what_cannot_run_says_why(done: tuple[Path, list[ExperimentResult]]) -> None:
    base, center, rows, code, absent = done[1]
    assert [number.state for number in base.numbers] == [State.OFF] * 3
    assert base.numbers[0].measured is not None
    assert base.numbers[0].difference == base.numbers[0].measured + 1
    assert center.audit is not None
    assert center.audit.model.language_given
    assert (rows.reason, code.reason) == (NEEDS_ROWS, NEEDS_TRUST)
    assert "no such model folder" in absent.reason
    assert {number.state for result in (rows, code, absent) for number in result.numbers} == {State.NOT_RUN}


def test_a_number_within_its_tolerance_is_ok_and_just_beyond_it_is_off(
    done: tuple[Path, list[ExperimentResult]], small: Expected, work: Path
) -> None:
    runner = Runner(expected=small, work=done[0])
    right = with_measured(done[1][0])
    assert {number.state for number in runner.run(right).numbers} == {State.OK}
    beyond = msgspec.structs.replace(right.numbers[0], expected=right.numbers[0].expected + 0.011)
    assert runner.run(msgspec.structs.replace(right, numbers=[beyond])).numbers[0].state is State.OFF


def test_a_finished_command_is_not_run_again_and_a_changed_one_is(
    done: tuple[Path, list[ExperimentResult]], small: Expected, work: Path
) -> None:
    ran: list[str] = []
    runner = Runner(expected=small, work=done[0], execute=lambda arguments, work: ran.append(arguments[0]))
    base, center = small.experiments[:2]
    runner.run(base)
    runner.run(center)
    assert ran == []
    (done[0] / "models" / "center" / ORIGIN_FILE).write_text("made by another version")
    runner.run(center)
    assert ran == ["align"]  # the model came out as before, so its audit holds


def test_an_interrupted_run_goes_on_where_it_stopped(small: Expected, work: Path) -> None:
    ran: list[str] = []

    def interrupted(arguments: Sequence[str], work: Path) -> None:
        ran.append(arguments[0])
        if len(ran) == 3:
            raise KeyboardInterrupt
        in_this_process(arguments, work)

    runner = Runner(expected=small, work=work, execute=interrupted)
    base, center = small.experiments[:2]
    runner.run(base)
    with pytest.raises(KeyboardInterrupt):
        runner.run(center)
    assert [runner.run(experiment).reason for experiment in (base, center)] == ["", ""]
    assert ran == ["audit", "align", "audit", "audit"]


@pytest.mark.process
@pytest.mark.slow
def test_a_command_in_its_own_process_reports_what_is_wrong_or_fails(
    small: Expected, work: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = msgspec.structs.replace(
        small.experiments[0], command="isoglot audit ./nowhere --data mini@demo -o audits/x"
    )
    runner = Runner(expected=small, work=work)
    refused = runner.run(wrong)
    assert refused.numbers[0].state is State.NOT_RUN
    assert refused.reason == "./nowhere: no such model folder"
    assert f"isoglot: {refused.reason}" in capfd.readouterr().err
    monkeypatch.setenv("PYTHONHASHSEED", "not a number")
    failed = runner.run(small.experiments[0])
    assert failed.numbers[0].state is State.FAILED
    assert failed.reason.startswith("the command ended with 1: ")
    assert not Reproduction("methods", small, [failed]).reproduced


@pytest.mark.process
def test_an_interrupted_command_leaves_no_process_behind(tmp_path: Path) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_in_process(["audit", "e5-small-q4", "--data", "mini@demo"], tmp_path)
    finally:
        signal.signal(signal.SIGALRM, before)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if children.exists():
        commands = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children.read_text().split()]
        assert not any(b"isoglot" in command and b"audit" in command for command in commands)


def test_pages_and_json_say_the_same_and_show_text_as_text(
    done: tuple[Path, list[ExperimentResult]], small: Expected
) -> None:
    reproduction = Reproduction("methods", small, done[1])
    html, markdown, body = reproduction.to_html(), reproduction.to_markdown(), json.loads(reproduction.to_json())
    assert reproduction.summary == "0 ok, 4 off, 3 not run"
    assert body["counts"] == {"off": 4, "not run": 3}
    assert body["reproduced"] is False
    for page in (html, markdown):
        assert reproduction.summary in page
        assert "no such model folder" in page
        assert "isoglot align" in page
        assert "<script>alert" not in page
        assert "<b>nothing" not in page
        assert "<i>surely" not in page
    assert not re.search(r'(?:src|href)="(?!#|data:)', html)
    difference = body["experiments"][0]["rows"][0]["difference"]
    assert f"{difference:+.2f}" in html
    assert f"{difference:+.2f}" in markdown


def test_the_command_writes_pages_and_its_exit_code_says_that_numbers_are_off(
    done: tuple[Path, list[ExperimentResult]],
    tiny_model: Path,
    tmp_path: Path,
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = small_file(tiny_model, tmp_path)
    monkeypatch.setattr(expected_module.load_expected, "__defaults__", (file,))
    page, other = tmp_path / "page.html", tmp_path / "page.md"
    base = ["reproduce", "methods", "--work", str(done[0])]
    off = isoglot(*base, "--model", "tiny", "-o", page, "-o", other)
    assert off.returncode == 5
    assert "4 off" in page.read_text(encoding="utf-8")
    assert "4 off" in other.read_text(encoding="utf-8")
    assert "base/multi/en+de/EACH/max_r" in off.stdout
    assert isoglot(*base, "--only", "code").returncode == 0
    listed = isoglot(*base, "--only", "base/mono*", "--list")
    assert "base/mono-same/TARGET/TARGET/ndcg@10" in listed.stdout
    assert "complete@7" not in listed.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nothing"], "nothing of methods is about the model 'nothing'; known are e5-small-q4"),
        (["--only", "nothing"], "no number fits 'nothing'"),
        (["--data", "xquad"], "--data xquad: write xquad:DIR"),
        (["--data", "xquad:nowhere"], "nowhere: no such folder"),
        (["--rows", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["-o", "page.pdf"], "page.pdf: a page is written to .html or .md"),
    ],
)
def test_what_is_wrong_is_reported_in_one_line(arguments: list[str], message: str) -> None:
    refused = isoglot("reproduce", "methods", *arguments)
    assert refused.returncode == 2
    assert message in refused.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tolerance: exact", "tolerance: loose", "experiment 'base': unknown tolerance 'loose'"),
        ("EACH, max_r, -1]", "EACH, max_rr, 0]", "experiment 'base': unknown measure 'max_rr'"),
        ("EACH, max_r, -1]", "EACH, max_r, .nan]", "the expected max_r is not a number"),
        ("EACH, max_r, -1]", "EACH, max_r, many]", "$.experiments[0].rows[0][4]"),
        ("[multi, en+de, EACH", "[many, en+de, EACH", "unknown scenario 'many'"),
        ("name: center", "name: base", "two experiments are called 'base'"),
        ("set: methods", "set: others", "$.experiments[0].set"),
        ("about: as it is", "abuot: as it is", "abuot"),
        ("remote_code: true", "not_run: why", "needs either a command or not_run"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(old: str, new: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "expected.yaml"
    file.write_text(FILE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(IsoglotError, match=re.escape(message)):
        load_expected(file)


def test_words_stand_for_languages_and_each_cell_counts_the_same(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    result = audit(str(tiny_model), small_collection, scenarios=("multi", "mono-same"))
    means = {cell.cell: cell.measures["max_r"].mean for cell in result.scenarios}
    pairs = {cell: value for cell, value in means.items() if cell[0] == "multi"}
    target = [value for cell, value in pairs.items() if cell[2] != "en"]
    assert len(target) == 2

    def measured(scenario: str, pool: str, asked: str) -> float:
        number = ExpectedNumber(scenario=scenario, pool=pool, asked=asked, measure="max_r", expected=0)
        return measured_value(result, number)

    assert measured("multi", "en+TARGET", "TARGET") == pytest.approx(sum(target) / 2)
    assert measured("multi", "en+TARGET", "EACH") == pytest.approx(sum(pairs.values()) / 4)
    assert measured("mono-same", "en", "en") == pytest.approx(means["mono-same", ("en",), "en"])
    with pytest.raises(IsoglotError, match="no multi pool en asked in en"):
        measured("multi", "en", "en")


def test_numbers_are_refreshed_from_audits_and_nothing_else_changes(done: tuple[Path, list[ExperimentResult]]) -> None:
    before = FILE.replace("MODEL", "tiny")
    after = refreshed(before, {"base": Audit.load(done[0] / "audits" / "base")}, "2026-01-31")
    base = done[1][0].numbers
    changed = [(old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert [new for _, new in changed] == [
        "    sure: measured by isoglot on 2026-01-31",
        f"      - [multi, en+de, EACH, max_r, {base[0].measured:.2f}]",
        f"      - [multi, en+TARGET, TARGET, complete@7, {base[1].measured:.2f}]",
        f"      - [mono-same, TARGET, TARGET, ndcg@10, {base[2].measured:.2f}]",
    ]


@cache_calls
def commands() -> Any:
    return typer.main.get_command(app).commands  # type: ignore[attr-defined]


def options(command: str) -> dict[str, Any]:
    """The options that the real command line reads from a command."""
    words = shlex.split(command)
    assert words[0] == "isoglot"
    sub = commands()[words[1]]
    with sub.make_context(words[1], words[2:]) as context:
        return dict(context.params)


def test_every_shipped_command_is_one_that_the_command_line_takes() -> None:
    shipped = load_expected()
    for folder, command in shipped.models.items():
        assert str(options(command)["output"]) == folder
        assert command.endswith(f" -o {folder}")
    for experiment in shipped.experiments:
        if experiment.command:
            given = options(experiment.command)
            assert str(given["output"]) == f"audits/{experiment.name}"
            assert given["model"] in (experiment.model, *shipped.models)


def test_every_shipped_number_has_a_source_and_a_pool_that_its_command_makes() -> None:
    shipped = load_expected()
    assert {experiment.set for experiment in shipped.experiments} == {"paper", "methods"} == set(shipped.notes)
    for experiment in shipped.experiments:
        assert experiment.source
        assert experiment.sure
        assert len(experiment.about) > 5
        if not experiment.command or "mini@demo" in experiment.command:
            continue
        given = options(experiment.command)
        pools = [pool.split(",") for pool in given["pool"]]
        named = {language for pool in pools for language in pool}
        for number in experiment.numbers:
            assert number.scenario in given["scenarios"].split(",")
            parts = number.pool.split("+")
            assert set(parts) - {"TARGET", "EACH"} <= named
            assert {number.asked} - {"TARGET", "EACH"} <= named
            if number.scenario in ("multi", "control"):
                assert any(len(pool) == len(parts) for pool in pools)
            for language in named:
                canonical(language)


def test_the_shipped_file_names_no_place_of_a_machine() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])(?:/[a-z]+){2,}|https?://|DIR", text)
    assert [line for line in text.splitlines() if len(line) > 140] == [
        line for line in text.splitlines() if len(line) > 140 and line.startswith("  models/")
    ]
