"""mteb finds in isoglot's pools what isoglot finds, and reads audits as results of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import isoglot
from isoglot import Audit, Collection, Document, IsoglotError
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.ranking.pools import SCENARIOS
from isoglot.report.mteb import audits_to_mteb
from tests import command_line

pytestmark = pytest.mark.slow

mteb = pytest.importorskip("mteb")
Scores = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def encoder(tiny_model: Path) -> Encoder:
    return load_encoder(str(tiny_model), device="cpu")


@pytest.fixture
def tied(small_collection: Collection) -> Collection:
    """With twelve texts twice in each language, so that every gold ties with a document that is none."""
    twins = [replace(document, content_id=f"{document.content_id}-twin") for document in small_collection.documents]
    return replace(small_collection, documents=[*small_collection.documents, *twins])


def scores(results: Sequence[Any]) -> Scores:
    return {(task.task_name, entry["hf_subset"]): entry for task in results for entry in task.scores["test"]}


def evaluated(model: Any, collection: Collection, **how: Any) -> Scores:
    tasks = isoglot.mteb_tasks.tasks(collection, **how)
    return scores(mteb.evaluate(model, tasks, cache=None, show_progress_bar=False).task_results)


def exported(*audits: Audit) -> Any:
    return mteb.BenchmarkResults.from_dict(json.loads(audits_to_mteb(audits)))


def assert_same(theirs: Scores, ours: Scores) -> None:
    assert theirs.keys() == ours.keys()
    for cell, found in ours.items():
        assert theirs[cell]["languages"] == found["languages"]
        for measure in ("ndcg_at_10", "ndcg_at_1", "recall_at_10", "complete_at_10", "main_score"):
            assert theirs[cell][measure] == pytest.approx(found[measure], abs=1e-5), (cell, measure)  # mteb rounds


@pytest.mark.parametrize("documents_mode", ["dedup", "per-question"])
def test_mteb_gives_the_audits_scores_ties_included(encoder: Encoder, tied: Collection, documents_mode: str) -> None:
    how: dict[str, Any] = {"scenarios": SCENARIOS, "documents_mode": documents_mode, "seed": 3, "pools": [["en", "de"]]}
    theirs = evaluated(isoglot.mteb_tasks.model(encoder), tied, **how)
    audit = isoglot.audit(encoder, tied, **how)
    assert audit.find("multi", ["en", "de"], "de").measures["tie_rate"].mean == 100
    assert_same(theirs, scores(exported(audit)[0].task_results))


@pytest.mark.slow
def test_a_plain_sentence_transformers_model_gets_the_same_scores(
    encoder: Encoder, small_collection: Collection
) -> None:
    theirs = evaluated(encoder.model, small_collection)
    audit = isoglot.audit(encoder, small_collection, scenarios=["multi", "control"])
    assert_same(theirs, scores(exported(audit)[0].task_results))


def test_a_model_that_must_know_languages_is_told_them(
    tiny_model: Path, small_collection: Collection, tmp_path: Path
) -> None:
    isoglot.align(str(tiny_model), "center", small_collection, tmp_path / "centred", dev="none")
    encoder = load_encoder(str(tmp_path / "centred"), device="cpu")
    theirs = evaluated(isoglot.mteb_tasks.model(encoder), small_collection, scenarios=["multi"])
    assert_same(theirs, scores(exported(isoglot.audit(encoder, small_collection, scenarios=["multi"]))[0].task_results))


def test_results_kept_for_one_model_are_not_given_to_its_next_version(
    tiny_model: Path, small_collection: Collection, tmp_path: Path
) -> None:
    cache = mteb.ResultCache(tmp_path)
    encoder = load_encoder(str(tiny_model), device="cpu")
    found = []
    for _ in range(2):
        results = mteb.evaluate(
            isoglot.mteb_tasks.model(encoder),
            isoglot.mteb_tasks.tasks(small_collection, scenarios=["control"]),
            cache=cache,
            show_progress_bar=False,
        )
        found.append(results.model_revision)
        with torch.no_grad():
            for weight in encoder.model.parameters():
                weight.add_(torch.randn_like(weight))
        encoder.model_changed()
    assert found[0] != found[1]
    assert len(list(tmp_path.rglob("isoglot-small-control-*.json"))) == 2


def test_other_data_is_another_task(small_collection: Collection) -> None:
    changed = replace(
        small_collection, documents=[*small_collection.documents, Document("more", "en", "one more text")]
    )
    made = [
        isoglot.mteb_tasks.tasks(small_collection, scenarios=["multi"]),
        isoglot.mteb_tasks.tasks(changed, scenarios=["multi"]),
        isoglot.mteb_tasks.tasks(small_collection, scenarios=["multi"], limit=3),
    ]
    assert len({task.metadata.name for (task,) in made}) == 3


def test_the_report_command_writes_audits_that_mteb_reads_and_needs_no_mteb(
    encoder: Encoder, small_collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isoglot.audit(encoder, small_collection, pools=[["en", "ru"]]).save(tmp_path / "a")
    isoglot.audit(encoder, small_collection, pools=[["en", "ru"]], balance="equal").save(tmp_path / "b")
    target = tmp_path / "results.mteb.json"
    arguments = ["report", tmp_path / "a", tmp_path / "b", "-o", target, "--names", "plain,balanced"]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "mteb", None)
        assert command_line.isoglot(*arguments).returncode == 0
    read = mteb.BenchmarkResults.from_disk(target)
    table = read.to_dataframe().set_index("task_name")
    (multi,) = [name for name in table.index if name.startswith("isoglot-small-multi-")]
    audit = Audit.load(tmp_path / "a")
    expected = [r.measures["ndcg@10"].mean / 100 for r in audit.scenarios if r.scenario == "multi"]
    assert table.loc[multi, "plain"] == pytest.approx(sum(expected) / 2)
    assert len(table) == 4
    read[0].task_results[0].to_disk(tmp_path / "task.json")
    assert mteb.TaskResult.from_disk(tmp_path / "task.json").task_name == read[0].task_results[0].task_name


def test_what_cannot_be_done_is_told_in_one_line(encoder: Encoder, small_collection: Collection) -> None:
    audit = isoglot.audit(encoder, small_collection, measures=["max_r"])
    with pytest.raises(IsoglotError, match="has no ndcg@10, mteb's main score"):
        audits_to_mteb([audit])
    with pytest.raises(IsoglotError, match="2 names for 1 audits"):
        audits_to_mteb([audit], ["a", "b"])
    with pytest.raises(IsoglotError, match="small has no text in 'fr'"):
        isoglot.mteb_tasks.tasks(small_collection, pools=[["en", "fr"]])
