"""The examples do what they say, on a tiny model."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
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


@pytest.mark.process
def test_the_example_of_an_index_that_you_have_mends_and_undoes_it(tmp_path: Path) -> None:
    """The vectors of mini's texts are made up: a content, and a language that weighs more."""
    source = isoglot.load_collection("mini@demo")
    generator = np.random.default_rng(0)
    meanings: dict[str, np.ndarray] = defaultdict(lambda: generator.normal(size=32))
    offsets: dict[str, np.ndarray] = defaultdict(lambda: 2 * generator.normal(size=32))
    documents = [meanings[document.content_id] + offsets[document.language] for document in source.documents]
    queries = [meanings[source.golds[query.query_id][0]] + offsets[query.language] for query in source.queries]
    np.savez(tmp_path / "vectors.npz", documents=np.float32(documents), queries=np.float32(queries))
    command = [sys.executable, EXAMPLES / "your_index.py", "mini@demo", "--vectors", tmp_path / "vectors.npz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    medians = re.search(r"^median (\d+), then (\d+)$", done.stdout, re.MULTILINE)
    assert medians is not None
    assert int(medians[1]) > 40
    assert int(medians[2]) <= 8
    assert "as before: True" in done.stdout
