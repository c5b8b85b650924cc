"""Conditions of ``compare --fail-if``: what they mean, what is told, and the exit code."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import isoglot
from isoglot import Comparison, IsoglotError
from isoglot.cli import main
from isoglot.evaluation.comparison.conditions import Condition
from tests.synthetic_audits import synthetic_audit


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    audits = [synthetic_audit(name, seed, rank=rank) for name, seed, rank in (("x", 1, 9), ("y", 2, 1), ("z", 3, 14))]
    return isoglot.compare(*audits)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("complete@10<80", ("multi", "complete@10", "", "<", 80)),
        ("mono-same ndcg@10 drop>1", ("mono-same", "ndcg@10", "drop", ">", 1)),
        (" control  rr  rise <= -0.5 ", ("control", "rr", "rise", "<=", -0.5)),
        ("max_r>=20", ("multi", "max_r", "", ">=", 20)),
    ],
)
def test_a_condition_is_read(text: str, expected: tuple[str, str, str, str, float]) -> None:
    condition = Condition.parse(text)
    assert astuple(condition) == expected
    assert Condition.parse(str(condition)) == condition


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("complete@10=80", r'"complete@10=80" is not a condition; write \[SCENARIO\] MEASURE'),
        ("complete@10", "is not a condition"),
        ("complete@10 < x", "is not a condition"),
        ("complete@10 drops > 1", "is not a condition"),
        ("", "is not a condition"),
        ("mono ndcg@10<1", "unknown scenario 'mono'; choose from multi, mono-same, mono-cross, control"),
        ("mrr<1", "unknown measure 'mrr'"),
    ],
)
def test_what_is_no_condition_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(IsoglotError, match=message) as error:
        Condition.parse(text)
    assert "\n" not in str(error.value)


@given(st.text(alphabet="complete@10 <>=drop-.x\n", max_size=30))
def test_any_text_is_a_condition_or_told(text: str) -> None:
    with contextlib.suppress(IsoglotError):
        assert Condition.parse(text).comparison in ("<", "<=", ">", ">=")


def test_the_mean_of_the_last_audit_counts_and_changes_are_from_the_first(comparison: Comparison) -> None:
    mean = next(mean for mean in comparison.means if mean.scenario == "multi")
    first, _, last = (found.mean for found in mean.measures["max_r"])
    assert last > first
    for text, holds in (
        (f"max_r>{last - 0.01}", True),
        (f"max_r>{last + 0.01}", False),
        (f"max_r<{last + 0.01}", True),
        (f"max_r rise>{last - first - 0.01}", True),
        (f"max_r rise>{last - first + 0.01}", False),
        (f"max_r drop<{first - last + 0.01}", True),
        ("max_r drop>0", False),
    ):
        assert (Condition.parse(text).held(comparison) is not None) == holds, text


def test_it_is_told_where_the_condition_holds_the_furthest_first(comparison: Comparison) -> None:
    found = Condition.parse("max_r>1").held(comparison)
    assert found is not None
    cells = [cell for cell in comparison.cells if cell.scenario == "multi"]
    furthest = max(cells, key=lambda cell: cell.measures["max_r"][-1].mean)
    where = f"{'+'.join(furthest.pool_languages)} asked in {furthest.query_language}"
    assert found.startswith("z: multi max_r > 1: its mean is ")
    assert f"it holds in 4 of 4 pools and query languages: {where} " in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("control ndcg@10<1", "the audits have no scenario control in common"),
        ("complete@7<1", r"the audits hold complete@10, .*; add --measures"),
        ("mono-same lpr<1", "lpr says nothing in the scenario mono-same"),
    ],
)
def test_what_the_audits_do_not_hold_is_told(comparison: Comparison, text: str, message: str) -> None:
    with pytest.raises(IsoglotError, match=message):
        Condition.parse(text).held(comparison)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["isoglot", "compare", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_compare_exits_with_4_if_a_condition_holds_else_with_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, rank in (("before", 3), ("after", 12)):
        synthetic_audit(name, 1, rank=rank).save(tmp_path / name)
    folders = tmp_path / "before", tmp_path / "after"
    assert run(monkeypatch, *folders, "--fail-if", "complete@10<1") == 0
    assert capsys.readouterr().err == ""
    conditions = "--fail-if", "complete@10 drop>1", "--fail-if", "mono-same ndcg@10 drop>1"
    assert run(monkeypatch, *folders, "-o", tmp_path / "out", *conditions) == 4
    shown = capsys.readouterr()
    assert "kept, within a margin of 1" in shown.out
    lines = shown.err.splitlines()
    assert [line.split(": ")[:4] for line in lines] == [
        ["isoglot", "fails", "after", "multi complete@10 drop > 1"],
        ["isoglot", "fails", "after", "mono-same ndcg@10 drop > 1"],
    ]
    assert (tmp_path / "out" / "comparison.json").is_file()
    assert run(monkeypatch, *folders, "--fail-if", "complete@10=1") == 2
    assert "is not a condition" in capsys.readouterr().err
