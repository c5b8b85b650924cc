"""The examples run, and each shows what it says that it shows."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import yaml
from huggingface_hub import constants

import isoglot
from isoglot import Collection
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.training_data.exporting import export
from tests.notebooks import NOTEBOOK, executed

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str) -> dict[str, Any]:
    """The names that an example defines as a script."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["langchain_retrieval", "llama_index_retrieval"])
def test_chinese_questions_find_english_articles_only_after_calibration(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    right = run(name)["right"]
    assert right["plain"] <= 2
    assert right["calibrated"] >= 16
    plain, calibrated = capsys.readouterr().out.split("calibrated: ")
    assert " en  elements-helium" not in plain
    assert calibrated.splitlines()[1] == "  en  elements-helium"


def test_the_retriever_of_your_own_finds_shared_words_but_no_other_script(capsys: pytest.CaptureFixture[str]) -> None:
    audit = run("own_retriever")["audit"]
    assert audit.find("mono-same", ["en"], "en").measures["ndcg@10"].mean > 50
    assert audit.find("multi", ["en", "ru"], "en").measures["complete@10"].mean < 20
    assert "# shared words on mini@demo" in capsys.readouterr().out


@pytest.mark.slow
def test_fine_tuning_lowers_the_bias_and_leaves_a_model_with_its_metrics(
    tiny_model: Path,
    small_collection: Collection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    data = f"folder:{export(isoglot.training_rows(small_collection), 'beir', tmp_path / 'data')}@train"
    main = runpy.run_path(str(EXAMPLES / "fine_tune_with_losses.py"))["main"]
    main(str(tiny_model), data, data, ("en", "de"), "made")
    before, after = re.findall(r"^multi_complete@10 (?:before|after): ([\d.]+)$", capsys.readouterr().out, re.MULTILINE)
    assert float(after) >= float(before)
    model = load_encoder(str(tmp_path / "made"), device="cpu")
    assert model.fingerprint != load_encoder(str(tiny_model), device="cpu").fingerprint
    assert "Language Bias" in (tmp_path / "made" / "README.md").read_text()


def small_folder(folder: Path, contents: int) -> Path:
    """The first contents of mini@demo in English and Chinese, as files of a user."""
    source = isoglot.load_collection("mini@demo")
    kept = sorted({document.content_id for document in source.documents})[:contents]
    documents = [d for d in source.documents if d.content_id in kept and d.language in ("en", "zh")]
    queries = [q for q in source.queries if source.golds[q.query_id][0] in kept and q.language in ("en", "zh")]
    lines = {
        "corpus.jsonl": [
            {"_id": f"{d.content_id}-{d.language}", "text": d.text, "lang": d.language, "content_id": d.content_id}
            for d in documents
        ],
        "queries.jsonl": [{"_id": f"{q.query_id}-{q.language}", "text": q.text, "lang": q.language} for q in queries],
    }
    (folder / "qrels").mkdir(parents=True)
    for name, rows in lines.items():
        (folder / name).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    judged = [f"{q.query_id}-{q.language}\t{source.golds[q.query_id][0]}-{q.language}\t1" for q in queries]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]) + "\n")
    return folder


@pytest.mark.slow
@pytest.mark.process
def test_the_gate_lets_a_better_model_through_and_fails_a_worse_one(tmp_path: Path) -> None:
    """With the workflow's own commands."""
    workflow = yaml.safe_load((EXAMPLES / "ci_gate" / "gate.yml").read_text(encoding="utf-8"))
    commands = {step.get("name"): step.get("run") for step in workflow["jobs"]["gate"]["steps"]}
    settings = workflow["env"] | {"DATA": f"folder:{small_folder(tmp_path / 'data', 12)}"}

    def step(name: str, checkout: Path) -> subprocess.CompletedProcess[str]:
        function = f'isoglot() {{ {shlex.quote(sys.executable)} -m isoglot "$@"; }}\n'
        command = ["bash", "-e", "-c", function + commands[name]]
        return subprocess.run(
            command, cwd=checkout, env=os.environ | settings, capture_output=True, text=True, check=False
        )

    base, aligned = tmp_path / "base", tmp_path / "aligned"
    for checkout in (base, aligned):
        (checkout / "retrieval").mkdir(parents=True)
    scenarios = settings["SCENARIOS"].split(",")
    isoglot.audit("e5-small-q4", settings["DATA"], scenarios=scenarios, output=base / "candidate")
    (aligned / "retrieval" / "model.txt").write_text("e5-small-q4+aligned\n")
    audited = step("Audit the model of this branch", aligned)
    assert audited.returncode == 0, audited.stderr
    (aligned / "retrieval" / "accepted").symlink_to(base / "candidate")
    (base / "retrieval" / "accepted").symlink_to(aligned / "candidate")

    better, worse = (step("Compare it with the accepted audit", checkout) for checkout in (aligned, base))
    assert better.returncode == 0, better.stderr
    assert worse.returncode == 4
    assert "isoglot: fails: candidate: multi max_r rise > 0.5: the rise of its mean is " in worse.stderr
    assert (base / "comparison" / "comparison.md").read_text().startswith("# accepted vs candidate on ")


@pytest.mark.slow
@pytest.mark.process
def test_the_notebook_runs_and_shows_what_is_stored(tmp_path: Path) -> None:
    """Tables with the stored numbers, within a point, and the stored pictures; ``python -m tests.notebooks`` stores."""
    stored, made = nbformat.read(NOTEBOOK, as_version=4), executed(NOTEBOOK, tmp_path)
    for before, after in zip(outputs(stored), outputs(made), strict=True):
        assert list(before) == list(after)
        if "text/markdown" in before:
            numbers, now = (re.findall(r"-?\d+\.\d+", data["text/markdown"]) for data in (before, after))
            np.testing.assert_allclose(np.float64(now), np.float64(numbers), atol=1)
        elif "image/svg+xml" not in before:
            assert before == after
    summary = next(table for data in outputs(made) if "before and after" in (table := data.get("text/markdown", "")))
    first, last = re.findall(r"^\| en\+zh \| zh \| ([\d.]+) \| ([\d.]+)", summary, re.MULTILINE)[0]
    assert float(first) < 10
    assert float(last) > 85


def outputs(notebook: nbformat.NotebookNode) -> list[dict[str, str]]:
    """What the cells show, by media type; printed text as ``stdout``."""
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [output.get("data") or {output.name: output.text} for output in shown]


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


def test_the_gallery_lists_every_example() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    examples = [path.name for path in EXAMPLES.iterdir() if path.name not in ("README.md", "__pycache__")]
    assert [name for name in examples if f"({name}" not in page] == []
