"""The two goals: what an audit, a comparison, a page and a guard judge by."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

import isoglot
from isoglot import Audit, Collection, IsoglotError
from isoglot.alignment.auto import choose
from isoglot.alignment.guard import development_audit, measures_of
from isoglot.alignment.record import Trial, VerdictRecord
from isoglot.evaluation.measures import DEFAULT_MEASURES
from isoglot.report.html.page import Material, audits_to_html
from isoglot.report.markdown import to_markdown
from isoglot.report.tables import summary_table
from isoglot.report.verdicts import verdicts
from isoglot.retrievers.scorer import ScorerRetriever
from tests.command_line import isoglot as command_line
from tests.test_language_aware import ByLanguage, small


def own_first(**options: object) -> Audit:
    return isoglot.audit(ByLanguage(), small(), goal="own-first", **options)  # type: ignore[arg-type]


def test_an_audit_by_own_first_has_its_measures_and_says_so(tmp_path: Path) -> None:
    made = own_first(output=tmp_path)
    assert list(made.scenarios[0].measures)[: len(DEFAULT_MEASURES)] == list(DEFAULT_MEASURES)
    assert made.scenarios[0].measures["own_first@10"].mean == 100  # 4 documents: the top 10 holds all
    assert json.loads((tmp_path / "audit.json").read_text())["goal"] == "own-first"
    assert Audit.load(tmp_path).goal == "own-first"
    assert "; Chinese first, and all in the top 10 for 100.0%." in verdicts(made)[1]
    assert "- judged: own language first, others right behind (own_first@10)" in to_markdown(made)
    assert "Judged by the goal own-first: own language first, others right behind (own_first@10)." in to_markdown(made)


def test_without_a_goal_all_versions_together_are_judged(tmp_path: Path) -> None:
    made = isoglot.audit(ByLanguage(), small(), output=tmp_path)
    assert made.goal == "together"
    assert "- judged: all versions together (complete@10)" in to_markdown(made)
    assert list(made.scenarios[0].measures) == list(DEFAULT_MEASURES)
    assert "; all in the top 10 for 100.0%." in verdicts(made)[0]
    body = json.loads((tmp_path / "audit.json").read_text())
    del body["goal"]  # as older audits are
    (tmp_path / "audit.json").write_text(json.dumps(body))
    (tmp_path / "ranks.npz").unlink()
    assert Audit.load(tmp_path).goal == "together"


def test_an_unknown_goal_is_one_line() -> None:
    with pytest.raises(IsoglotError, match="unknown goal 'first'; choose together or own-first"):
        isoglot.audit(ByLanguage(), small(), goal="first")


def test_a_comparison_of_audits_by_own_first_is_about_it() -> None:
    made = own_first()
    assert any("own_first@10" in column for column in summary_table(isoglot.compare(made, made)).columns)
    assert isoglot.compare(made, made).goal == "own-first"
    together = isoglot.audit(ByLanguage(), small(), measures=list(made.scenarios[0].measures))
    assert isoglot.compare(made, together).goal == "together"


def test_the_page_judges_by_the_goal() -> None:
    page = audits_to_html(Material(audits=[own_first()], folders=[Path("a")]))
    assert "The version in the question&#39;s language is first of all, and every version" in page
    assert "first of all" not in audits_to_html(
        Material(audits=[isoglot.audit(ByLanguage(), small())], folders=[Path("a")])
    )


def test_the_guard_shows_and_auto_chooses_by_the_goal() -> None:
    collection: Collection = small()
    found = measures_of(
        development_audit(ScorerRetriever(ByLanguage()), collection, goal="own-first", show_progress=False)
    )
    assert "multi own_first@10" in found["mean"]
    assert "multi complete@10" not in found["mean"]
    verdict = VerdictRecord(mean=0.0, low=0.0, high=0.0, max_loss=1, passed=True, kept=True)

    def trial(method: str, own: float, together: float) -> Trial:
        measures = {"multi own_first@10": own, "multi complete@10": together}
        return Trial(
            method=method, needs_language=True, folder="", measures=measures, verdict=verdict, seconds=1, left_out=""
        )

    tried = [trial("a", 80, 90), trial("b", 85, 70)]
    assert choose(tried)[0].method == "a"
    assert choose(tried, "multi own_first@10")[0].method == "b"


def test_the_command_line_takes_the_goal(tmp_path: Path) -> None:
    arguments = ("audit", "bm25", "--data", "mini@demo", "--pool", "en,de", "--limit", "4", "--scenarios", "multi")
    result = command_line(*arguments, "--goal", "own-first", "-o", str(tmp_path / "a"))
    assert result.returncode == 0
    assert "Judged by the goal own-first" in result.stdout
    assert msgspec.json.decode((tmp_path / "a" / "audit.json").read_bytes())["goal"] == "own-first"
    refused = command_line(*arguments, "--goal", "x")
    assert refused.returncode == 2
