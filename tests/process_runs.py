"""Small trainings that tests run in other processes: ``python -m tests.process_runs MODEL OUT CASE...``."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import torch
from safetensors.torch import save_file
from torch import Tensor

from isoglot.alignment.options import TrainingOptions
from isoglot.alignment.training import checkpoints
from isoglot.alignment.training.embedding_loss import TokenTerm
from isoglot.alignment.training.objectives import info_nce
from isoglot.alignment.training.trainer import train
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder

WORDS = "bread train snow piano garden letter river window candle forest".split()
BATCH = {"batch_size": 10, "learning_rate": 1e-3, "epochs": 4.0}
CASES = {
    "whole": TrainingOptions(**BATCH),
    "micro": TrainingOptions(**BATCH, micro_batch=2),
    "tokens": TrainingOptions(**BATCH),
    "lora": TrainingOptions(**BATCH, lora=2),
    "killed": TrainingOptions(batch_size=4, learning_rate=1e-3, epochs=2.5, dropout=True),
}


def nce(query: Tensor, document: Tensor, target: Tensor) -> Tensor:
    """A loss of all rows and of their targets."""
    return info_nce(query, document) + ((document[:, :1] - target) ** 2).mean()


def first_states(first: Tensor, first_mask: Tensor, second: Tensor, second_mask: Tensor) -> Tensor:
    """A token-level term over all rows, not only over pairs."""
    means = [
        (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        for states, mask in ((first, first_mask), (second, second_mask))
    ]
    return 0.1 * info_nce(*means)


def run(
    case: str, model: str, working: Path | None = None, *, seconds: float = 0.0
) -> tuple[Encoder, list[dict[str, float]]]:
    """A case's model and losses; each step takes so many seconds more."""
    encoder = load_encoder(model, device="cpu")
    encoder.model.double()  # so that AdamW does not blow up the rounding of gradients that are zero
    columns = {
        "query": [f"where is the {word}" * (1 + at % 3) for at, word in enumerate(WORDS)] * 2,
        "document": [f"the {word} is here" for word in WORDS] * 2,
    }

    def loss(*parts: Tensor) -> Tensor:
        time.sleep(seconds)
        return nce(*parts)

    losses = train(
        encoder,
        columns,
        {"query": "query", "document": "document"},
        WORDS * 2,
        loss,
        CASES[case],
        seed=3,
        show_progress=False,
        targets=[[at / 10] for at in range(20)],
        token_term=TokenTerm(first_states, ("query", "document")) if case == "tokens" else None,
        working=working,
    )
    return encoder, msgspec.to_builtins(losses)


def main(arguments: Sequence[str]) -> None:
    """Train the cases and write their weights and losses into a folder; the case `killed` takes its time."""
    gc.freeze()  # see tests/conftest.py
    model, out, *cases = arguments
    checkpoints.SECONDS_BETWEEN = 0.0
    for case in cases:
        encoder, losses = run(case, model, Path(out) / f"{case}-working", seconds=0.2 if case == "killed" else 0.0)
        rank = os.environ.get("RANK", "0")
        state = {name: tensor.contiguous() for name, tensor in encoder.model.state_dict().items()}
        save_file(state, Path(out) / f"{case}-{rank}.safetensors")
        (Path(out) / f"{case}-{rank}.json").write_text(json.dumps(losses))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1:])
