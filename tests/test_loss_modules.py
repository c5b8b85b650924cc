"""isoglot's losses in sentence-transformers' trainer, with batches in which no translation is a negative."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from torch.nn.functional import normalize

from isoglot import Collection, IsoglotError, losses
from isoglot.alignment.training.objectives import cosine_distance, info_nce, multi_positive_nce, root_jsd
from isoglot.encoders.sentence_transformer import load_encoder

pytestmark = pytest.mark.slow

Prepared = Callable[[Any, Collection], tuple[Dataset, torch.nn.Module]]
METHODS: dict[str, Prepared] = {
    "jsd-nce": lambda model, data: (losses.triplets(data), losses.JsdNceLoss(model)),
    "nce": lambda model, data: (losses.quads(data), losses.MultiPositiveNceLoss(model)),
    "distill": lambda model, data: (losses.taught(model, data), losses.DistillLoss(model)),
    "distill and nce": lambda model, data: (
        losses.taught(model, data, mix=0.5, paired=True),
        losses.DistillLoss(model, nce_weight=1.0),
    ),
}


@pytest.fixture
def model(tiny_model: Path) -> Any:
    return load_encoder(str(tiny_model), device="cpu").model


def trainer(model: Any, dataset: Dataset, loss: torch.nn.Module, folder: Path) -> Any:
    arguments = SentenceTransformerTrainingArguments(
        str(folder),
        num_train_epochs=4,
        per_device_train_batch_size=6,
        learning_rate=0.01,
        batch_sampler=losses.ContentBatches,
        prompts=losses.prompts(model),
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
    )
    return SentenceTransformerTrainer(model, arguments, train_dataset=dataset, loss=loss)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_training_lowers_the_loss_and_the_model_card_names_it(
    method: str, model: Any, small_collection: Collection, tmp_path: Path
) -> None:
    dataset, loss = METHODS[method](model, small_collection)
    training = trainer(model, dataset, loss, tmp_path)
    training.train()
    history = [log["loss"] for log in training.state.log_history if "loss" in log]
    assert np.mean(history[-2:]) < 0.9 * np.mean(history[:2])
    model.save_pretrained(str(tmp_path / "trained"))
    card = (tmp_path / "trained" / "README.md").read_text()
    assert f"<code>isoglot.integrations.losses.{type(loss).__name__}</code> with these parameters" in card
    assert '"mini_batch_size": 0' in card
    assert ("2604.05684" in card) == (method == "jsd-nce")


def batch(model: Any, dataset: Dataset, columns: list[str]) -> list[dict[str, Any]]:
    prompts = losses.prompts(model)
    return [model.preprocess(dataset[column][:5], prompt=prompts[column]) for column in columns]


def test_each_module_is_the_methods_own_objective(model: Any, small_collection: Collection) -> None:
    quads = losses.quads(small_collection)
    names = ["query", "query_translation", "document", "translation"]
    columns = batch(model, quads, names)
    with torch.no_grad():
        query, query_translation, document, translation = (
            model.eval()(dict(column))["sentence_embedding"] for column in columns
        )
        target = torch.randn(5, 4 * query.shape[1])
        jsd_nce = losses.JsdNceLoss(model, jsd_weight=2.0, temperature=0.1)([columns[0], columns[2], columns[3]])
        nce = losses.MultiPositiveNceLoss(model)(columns)
        distill = losses.DistillLoss(model, scale=3.0, nce_weight=0.5)(columns, target)
    pull = root_jsd(normalize(document), normalize(translation), temperature=0.05)
    assert jsd_nce == pytest.approx(float(2 * pull + info_nce(translation, query, temperature=0.1)), abs=1e-5)
    contrast = float(multi_positive_nce([query, query_translation], [document, translation]))
    assert nce == pytest.approx(contrast, abs=1e-5)
    students = torch.cat([query, query_translation, document, translation], dim=0)
    distance = float(cosine_distance(students, torch.cat(target.chunk(4, dim=1))))
    assert distill == pytest.approx(3 * distance + 0.5 * contrast, abs=1e-5)


def test_the_loss_of_a_truncated_model_sees_what_is_kept(model: Any, small_collection: Collection) -> None:
    model.truncate_dim = 8
    taught = losses.taught(model, small_collection)
    columns, target = batch(model, taught, ["query", "document"]), torch.tensor(taught["label"][:5])
    assert target.shape == (5, 2 * 8)
    with torch.no_grad():
        students = torch.cat([model.eval()(dict(column))["sentence_embedding"][:, :8] for column in columns])
        distance = float(cosine_distance(students, torch.cat(target.chunk(2, dim=1))))
        assert losses.DistillLoss(model, scale=1.0)(columns, target) == pytest.approx(distance, abs=1e-5)


@pytest.mark.slow
def test_mini_batches_give_the_gradients_of_the_whole_batch(model: Any, small_collection: Collection) -> None:
    columns = batch(model, losses.triplets(small_collection), ["query", "document", "translation"])
    gradients = []
    for size in (0, 2):
        model.zero_grad()
        losses.JsdNceLoss(model, mini_batch_size=size)(columns).backward()
        gradients.append(torch.cat([w.grad.flatten() for w in model.parameters() if w.grad is not None]))
    assert torch.allclose(gradients[0], gradients[1], atol=1e-4)


def test_a_batch_holds_a_content_once_and_every_epoch_has_another_order(
    model: Any, small_collection: Collection, tmp_path: Path
) -> None:
    dataset = losses.triplets(small_collection).shuffle(seed=1)  # as a user may do
    contents = list(dataset["content_id"])
    training = trainer(model, dataset, losses.JsdNceLoss(model), tmp_path)
    loader = training.get_train_dataloader()
    epochs = []
    for epoch in (0, 1):
        loader.set_epoch(epoch)
        epochs.append(list(loader.batch_sampler))
        assert sorted(at for positions in epochs[-1] for at in positions) == list(range(len(contents)))
        for positions in epochs[-1]:
            assert len({contents[at] for at in positions}) == len(positions)
    assert epochs[0] != epochs[1]
    pickle.dumps(training.args)  # as each checkpoint does
    assert {name.removesuffix("_input_ids") for name in next(iter(loader)) if name.endswith("_input_ids")} == {
        "query",
        "document",
        "translation",
    }


def test_the_teachers_are_unit_vectors_beside_each_other(model: Any, small_collection: Collection) -> None:
    dataset = losses.taught(model, small_collection, mix=1.0, paired=True)
    parts = np.array(dataset["label"]).reshape(len(dataset), 4, 32)
    assert np.linalg.norm(parts, axis=2) == pytest.approx(1)
    assert parts[:, 0] == pytest.approx(parts[:, 1])  # fully mixed, translations learn one vector


def test_prompts_are_the_models_own(model: Any) -> None:
    found = losses.prompts(model)
    assert {found["query"], found["query_translation"]} == {"q: "}
    assert {found["document"], found["translation"], found["document_translation"]} == {"d: "}


def test_mistakes_are_told_in_one_line(model: Any, small_collection: Collection, tmp_path: Path) -> None:
    triplets = losses.triplets(small_collection)
    with pytest.raises(IsoglotError, match="need a column 'content_id' in the data set; it has query, document"):
        losses.ContentBatches(triplets.select_columns(["query", "document"]), 4)
    with pytest.raises(IsoglotError, match="at least two contents"):
        losses.ContentBatches(triplets.filter(lambda row: row["content_id"] == 0), 4)
    with pytest.raises(IsoglotError, match="JsdNceLoss takes query, document, translation; the data set has 4 columns"):
        losses.JsdNceLoss(model)(batch(model, losses.quads(small_collection), list(losses.prompts(model))[:4]))
    with pytest.raises(IsoglotError, match="needs the teachers' vectors as column 'label'"):
        losses.DistillLoss(model)(batch(model, triplets, ["query", "document"]))
    with pytest.raises(IsoglotError, match=r"temperature is 0.0; it must be above 0"):
        losses.MultiPositiveNceLoss(model, temperature=0.0)
