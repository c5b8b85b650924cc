"""Training that is interrupted ends as if it had not been; what is wrong with a checkpoint is told."""

from __future__ import annotations

import dataclasses
import functools
import logging
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from isoglot import Collection
from isoglot.alignment.options import TrainingOptions
from isoglot.alignment.record import StepLoss
from isoglot.alignment.training import checkpoints
from isoglot.alignment.training.examples import triplets
from isoglot.alignment.training.objectives import info_nce
from isoglot.alignment.training.trainer import train
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.training_data.loading import training_rows

pytestmark = pytest.mark.slow

OPTIONS = TrainingOptions(epochs=2.5, batch_size=3, learning_rate=3e-3)  # 10 steps, 4 an epoch
Result = tuple[dict[str, torch.Tensor], list[StepLoss], list[int]]


@pytest.fixture(autouse=True)
def _every_step(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 0.0)
    caplog.set_level(logging.INFO, "isoglot")


def trained(
    model: Path,
    collection: Collection,
    working: Path | None,
    options: TrainingOptions = OPTIONS,
    at: dict[int, Callable[[], None]] | None = None,
) -> Result:
    """Weights, losses and epochs of a training, in which `at` is called in certain steps."""
    encoder = load_encoder(str(model), device="cpu")
    found = triplets(training_rows(collection))
    step, epochs = 0, []

    def loss(query: torch.Tensor, translation: torch.Tensor) -> torch.Tensor:
        nonlocal step
        step += 1
        if at and step in at:
            at[step]()
        return info_nce(query, translation)

    losses = train(
        encoder,
        {"query": [t.query for t in found], "translation": [t.translation for t in found]},
        {"query": "query", "translation": "document"},
        [t.group for t in found],
        loss,
        options,
        seed=0,
        show_progress=False,
        working=working,
        on_epoch=epochs.append,
    )
    return encoder.model.state_dict(), losses, epochs


@pytest.fixture
def run(tiny_model: Path, small_collection: Collection) -> Callable[..., Result]:
    return functools.partial(trained, tiny_model, small_collection)


@pytest.fixture(scope="module")
def whole(tiny_model: Path, small_collection: Collection) -> Result:
    """What comes of a training that nothing interrupts."""
    return trained(tiny_model, small_collection, None)


def same(a: Result, b: Result) -> bool:
    return a[1] == b[1] and all(torch.equal(tensor, b[0][name]) for name, tensor in a[0].items())


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{}, {"dropout": True, "lora": 2}, {"layers": 1, "micro_batch": 2, "dropout": True}],
    ids=["plain", "lora and dropout", "layers, micro-batches and dropout"],
)
def test_after_ctrl_c_training_goes_on_to_the_same_weights(
    changes: dict[str, int], run: Callable[..., Result], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = dataclasses.replace(OPTIONS, **changes)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, options, {7: interrupt})
    resumed, undisturbed = run(tmp_path, options), run(None, options)
    assert "training continues after step 6 of 10" in caplog.text
    assert [entry.step for entry in resumed[1]] == list(range(1, 11))
    assert same(resumed, undisturbed)
    assert (resumed[2], undisturbed[2]) == ([2, 3], [1, 2, 3])


def test_interrupted_at_an_epoch_s_end_the_epoch_is_not_lost(
    run: Callable[..., Result], whole: Result, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, OPTIONS, {5: interrupt})  # before the first step of epoch 2: the checkpoint is of epoch 1's end
    resumed = run(tmp_path)
    assert resumed[2] == [2, 3]
    assert same(resumed, whole)


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "empty"])
def test_a_damaged_checkpoint_is_ignored_with_a_warning(
    damage: str, run: Callable[..., Result], whole: Result, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, OPTIONS, {4: interrupt})
    (file,) = tmp_path.iterdir()
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes({"cut": data[:-100], "flip": data, "text": b"not a checkpoint at all", "empty": b""}[damage])
    found = checkpoints.Checkpoints(tmp_path, "any")
    assert found.state is None
    assert "the checkpoint is damaged" in caplog.text
    if damage == "flip":
        assert same(run(tmp_path), whole)


def test_the_checkpoint_of_another_run_is_not_used(
    run: Callable[..., Result], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, OPTIONS, {4: interrupt})
    other = dataclasses.replace(OPTIONS, learning_rate=1e-3)
    assert same(run(tmp_path, other), run(None, other))
    assert "the checkpoint is of another run" in caplog.text


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before_and_the_training(
    run: Callable[..., Result], whole: Result, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:  # a real write that fails midway
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))

    try:
        found = run(tmp_path, OPTIONS, {4: fill})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "no checkpoint was written, training goes on" in caplog.text
    (file,) = tmp_path.iterdir()
    with safe_open(file, "pt") as tensors:
        assert '"global_step": 3' in tensors.metadata()["record"]
    assert same(found, whole)
    assert same(run(tmp_path), whole)


def test_no_checkpoint_is_due_within_the_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 60.0)
    assert not checkpoints.Checkpoints(tmp_path, "run").due
