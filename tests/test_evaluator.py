"""The evaluator tells what an audit tells, of the model as it is at that moment, and sentence-transformers uses it."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

import isoglot
from isoglot import Collection, IsoglotError, LanguageBiasEvaluator
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder

pytestmark = pytest.mark.slow


@pytest.fixture
def model(tiny_model: Path) -> Any:
    return load_encoder(str(tiny_model), device="cpu").model


def test_metrics_are_the_means_of_an_audit(model: Any, small_collection: Collection) -> None:
    found = LanguageBiasEvaluator(small_collection)(model)
    results = isoglot.audit(Encoder(model, "tiny"), small_collection).scenarios

    def mean(scenario: str, measure: str, asked: str = "en de ru") -> float:
        return fmean(
            r.measures[measure].mean for r in results if r.scenario == scenario and r.query_language in asked.split()
        )

    assert found["multi_complete@10"] == pytest.approx(mean("multi", "complete@10"))
    assert found["multi_complete@10_en"] == pytest.approx(mean("multi", "complete@10", "en"))
    assert found["multi_max_r_targets"] == pytest.approx(mean("multi", "max_r", "de ru"))
    assert found["mono-same_ndcg@10"] == pytest.approx(mean("mono-same", "ndcg@10"))
    assert found["control_ndcg@10"] == pytest.approx(mean("control", "ndcg@10"))
    assert found["multi_complete@10_en+ru_ru"] == pytest.approx(mean("multi", "complete@10", "ru"))


def test_changed_weights_change_the_metrics_and_nothing_is_kept_on_disk(
    model: Any, small_collection: Collection, own_cache: Path
) -> None:
    evaluator = LanguageBiasEvaluator(small_collection)
    before = evaluator(model)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight))
    after = evaluator(model)
    assert not own_cache.exists()
    assert after != before
    audit = isoglot.audit(Encoder(model, "changed"), small_collection, scenarios=["control"])
    assert after["control_ndcg@10"] == pytest.approx(fmean(r.measures["ndcg@10"].mean for r in audit.scenarios))


def test_an_audit_told_to_keep_no_vectors_leaves_the_cache_alone_and_finds_the_same(
    tiny_model: Path, small_collection: Collection, own_cache: Path
) -> None:
    without = isoglot.audit(str(tiny_model), small_collection, device="cpu", keep_vectors=False)
    assert not own_cache.exists()
    assert isoglot.audit(str(tiny_model), small_collection, device="cpu").to_json() == without.to_json()
    assert (own_cache / "vectors").is_dir()


def test_the_trainer_keeps_the_best_checkpoint_and_its_model_card_shows_the_table(
    model: Any, small_collection: Collection, tmp_path: Path
) -> None:
    texts = {role: [entry.text for entry in getattr(small_collection, role)] for role in ("queries", "documents")}
    evaluator = LanguageBiasEvaluator(small_collection, name="small", pools=[["en", "de"]])
    trainer = SentenceTransformerTrainer(
        model,
        SentenceTransformerTrainingArguments(
            str(tmp_path),
            max_steps=6,
            per_device_train_batch_size=6,
            learning_rate=0.02,
            eval_strategy="steps",
            eval_steps=2,
            save_strategy="steps",
            save_steps=2,
            load_best_model_at_end=True,
            metric_for_best_model="eval_small_multi_complete@10",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
        ),
        train_dataset=Dataset.from_dict({"query": texts["queries"], "document": texts["documents"]}),
        loss=MultipleNegativesRankingLoss(model),
        evaluator=evaluator,
    )
    trainer.train()
    history = [log[f"eval_{evaluator.primary_metric}"] for log in trainer.state.log_history if "eval_runtime" in log]
    assert len(set(history)) > 1
    assert evaluator(model)["small_multi_complete@10"] == max(history)
    with (tmp_path / "eval" / evaluator.csv_file).open() as file:
        lines = list(csv.DictReader(file))
    assert [float(line["multi_complete@10"]) for line in lines] == history
    assert [line["steps"] for line in lines] == ["2", "4", "6"]
    model.save_pretrained(str(tmp_path / "best"))
    card = (tmp_path / "best" / "README.md").read_text()
    assert "#### Language Bias" in card
    assert '"collection": "small"' in card
    shown = dict(re.findall(r"^\| ([^ ]+) +\| ([^ ]+) +\|$", card, re.MULTILINE))
    assert shown["**multi_complete@10**"] == f"**{round(max(history), 4)}**"
    assert "multi_complete@10_en+de_de" in shown
    assert "small_multi_complete@10" in card.partition("### Training Logs")[2]


def test_without_mixed_pools_the_first_scenario_decides(model: Any, small_collection: Collection) -> None:
    evaluator = LanguageBiasEvaluator(small_collection, scenarios=["mono-same"], query_languages=["de"], limit=2)
    assert set(evaluator(model)) == {"mono-same_ndcg@10"} == {evaluator.primary_metric}
    assert LanguageBiasEvaluator(small_collection, pools=[["ru"]]).primary_metric == "mono-same_ndcg@10"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pools": [["en", "fr"]]}, "small has no text in 'fr'; it has en, de, ru"),
        ({"scenarios": ["both"]}, "unknown scenario 'both'"),
    ],
)
def test_a_mistake_is_told_before_training_begins(
    small_collection: Collection, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(IsoglotError, match=message):
        LanguageBiasEvaluator(small_collection, **wrong)
