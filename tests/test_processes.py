"""Several processes train one model, and a killed process's training goes on: with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from isoglot.alignment.training.examples import ContentBatchSampler, content_batches
from isoglot.encoders.sentence_transformer import load_encoder
from tests.forked import Forked
from tests.process_runs import main, run

ROOT = Path(__file__).parents[1]
TOGETHER = ("whole", "micro", "tokens", "lora")


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}


@pytest.fixture(scope="module")
def together(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes made of each case."""
    out = tmp_path_factory.mktemp("together")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "tests.process_runs", str(tiny_model), str(out), *TOGETHER]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("case", TOGETHER)
def test_two_processes_end_as_one_with_the_joint_batch(case: str, together: Path, tiny_model: Path) -> None:
    encoder, losses = run(case, str(tiny_model))
    for rank in (0, 1):
        found = json.loads((together / f"{case}-{rank}.json").read_text())
        assert [entry["step"] for entry in found] == [1, 2, 3, 4, 5, 6, 7, 8]
        assert [entry["loss"] for entry in found] == pytest.approx([entry["loss"] for entry in losses], abs=1e-6)
        weights = load_file(together / f"{case}-{rank}.safetensors")
        for name, tensor in encoder.model.state_dict().items():
            assert torch.allclose(weights[name], tensor, rtol=0, atol=1e-9), name
    start = load_encoder(str(tiny_model), device="cpu").model.double().state_dict()
    assert any(not torch.allclose(start[name], found, atol=1e-4) for name, found in weights.items())


@pytest.mark.process
@pytest.mark.slow
def test_only_the_first_process_writes_a_checkpoint(together: Path) -> None:
    assert len(list(together.glob("whole-working/*"))) == 1


def test_processes_part_each_batch_and_leave_the_remainder_out() -> None:
    contents = [str(n % 7) for n in range(21)]
    batches = content_batches(contents, 5, 0, processes=2)
    assert [len(batch) for batch in batches] == [4, 2] * 3
    parts = [list(ContentBatchSampler(contents, 5, 0, processes=2, process=rank)) for rank in (0, 1)]
    assert [first + second for first, second in zip(*parts, strict=True)] == batches
    assert ContentBatchSampler(contents, 5, 0, processes=2).left_out == 3
    assert len({contents[position] for position in batches[0]}) == 4


@pytest.mark.process
@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_weights_of_one_that_was_not(tiny_model: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "killed-working" / "checkpoint.safetensors"
    seen: set[int] = set()
    with Forked(main, [str(tiny_model), str(tmp_path), "killed"]) as child:
        while len(seen) < 4:
            assert child.returncode is None, f"the training ended before it could be killed: {child.communicate()}"
            if checkpoint.exists():
                seen.add(checkpoint.stat().st_ino)
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        child.wait()
    resumed, losses = run("killed", str(tiny_model), tmp_path / "killed-working")
    whole, expected = run("killed", str(tiny_model))
    assert losses == expected
    assert len(losses) == 15
    other = whole.model.state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in resumed.model.state_dict().items())
