"""The examples do what they say, on a tiny model."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from huggingface_hub import constants

import isoglot
from isoglot import Collection
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.training_data.exporting import export

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "trained"), [("evaluate_while_training", "best"), ("train_with_isoglot_losses", ".")])
def test_an_example_runs_and_leaves_a_model(
    name: str,
    trained: str,
    tiny_model: Path,
    small_collection: Collection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    data = f"folder:{export(isoglot.training_rows(small_collection), 'beir', tmp_path / 'data')}@train"
    runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](str(tiny_model), data, data, "made")
    printed = capsys.readouterr().out
    assert "before: " in printed
    assert "after: " in printed
    model = load_encoder(str(tmp_path / "made" / trained), device="cpu")
    assert model.fingerprint != load_encoder(str(tiny_model), device="cpu").fingerprint
    assert "Language Bias" in (tmp_path / "made" / trained / "README.md").read_text()
