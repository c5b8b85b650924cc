"""Speed of training with the paper's objective: sentence-transformers' trainer, and the gain of isoglot's levers.

    python -m benchmarks training
    python -m benchmarks.training quality -o FOLDER       # quality of the trained models, over three seeds

All take the same triplets in the same batches, cut at 128 tokens. `quality` trains on `mini@demo-train` and audits on
`mini@demo`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from torch import Tensor
from transformers import TrainerCallback

import isoglot
from benchmarks import measuring
from benchmarks.encoding import operations
from benchmarks.measuring import times_as_fast
from isoglot.alignment.methods.jsd_nce import objective
from isoglot.alignment.options import JsdNceOptions
from isoglot.alignment.training.embedding_loss import EmbeddingLoss
from isoglot.alignment.training.examples import ContentBatchSampler, triplets
from isoglot.alignment.training.trainer import train
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder

MODEL, BATCH, LENGTH = "e5-small-q4", 32, 128
COLUMNS = {"query": "query", "document": "document", "translation": "document"}
PEER = "sentence-transformers' trainer"
BASE = "no training"


class Plain(torch.nn.Module):
    """The objective written as sentence-transformers' own losses are, with a forward pass for each column."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, columns: Sequence[dict[str, Any]], labels: Tensor | None = None) -> Tensor:
        return objective(*(self.model(column)["sentence_embedding"] for column in columns), JsdNceOptions())


class Clock(TrainerCallback):
    """Measures the seconds of each step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self._started = time.perf_counter()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.seconds.append(time.perf_counter() - self._started)


def by_trainer(encoder: Encoder, texts: dict[str, list[str]], contents: list[str], seed: int) -> list[float]:
    """Train with sentence-transformers' trainer at its defaults and isoglot's batches; returns seconds of each step."""
    clock = Clock()
    encoder.model.max_seq_length = LENGTH
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            folder,
            num_train_epochs=1,
            per_device_train_batch_size=BATCH,
            seed=seed,
            batch_sampler=lambda *unused, **ignored: ContentBatchSampler(contents, BATCH, seed),
            prompts={name: encoder.prompts[role].text for name, role in COLUMNS.items()},
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        data = Dataset.from_dict(texts)
        loss = Plain(encoder.model)
        SentenceTransformerTrainer(encoder.model, arguments, train_dataset=data, loss=loss, callbacks=[clock]).train()
    encoder.model.eval()
    encoder.model_changed()
    return clock.seconds


@contextmanager
def _columns_apart() -> Iterator[None]:
    with mock.patch.object(EmbeddingLoss, "_may_mix_columns", return_value=False):
        yield


def by_isoglot(
    encoder: Encoder,
    texts: dict[str, list[str]],
    contents: list[str],
    seed: int,
    *,
    apart: bool = False,
    **options: Any,
) -> list[float]:
    """Train as `isoglot align` does; seconds of each step."""
    chosen = JsdNceOptions(batch_size=BATCH, max_length=LENGTH, **options)
    clock = Clock()
    with (
        _columns_apart() if apart else mock.MagicMock(),
        mock.patch("isoglot.alignment.training.trainer._trackers", return_value=[clock]),
    ):
        train(
            encoder,
            texts,
            COLUMNS,
            contents,
            lambda *embeddings: objective(*embeddings, chosen),
            chosen,
            seed=seed,
            show_progress=False,
        )
    return clock.seconds


Trainer = Callable[..., list[float]]
LEVERS: dict[str, tuple[Trainer, dict[str, Any]]] = {
    PEER: (by_trainer, {}),
    "isoglot's trainer, no lever": (by_isoglot, {"dropout": True, "train_embeddings": True, "apart": True}),
    "+ dropout off": (by_isoglot, {"train_embeddings": True, "apart": True}),
    "+ vocabulary frozen": (by_isoglot, {"apart": True}),
    "+ all columns in one pass, by length (the default)": (by_isoglot, {}),
    "+ top 6 of 12 layers": (by_isoglot, {"layers": 6}),
    "+ top 6 layers, low rank 16": (by_isoglot, {"layers": 6, "lora": 16, "learning_rate": 1e-3}),
}


def examples(count: int | None = None) -> tuple[dict[str, list[str]], list[str]]:
    """Return texts by column and content ids of the triplets of `mini@demo-train`, or of `count` spread over it."""
    chosen = triplets(isoglot.training_rows("mini@demo-train"))
    chosen = chosen[:: max(1, len(chosen) // count)][:count] if count else chosen
    return {name: [getattr(triplet, name) for triplet in chosen] for name in COLUMNS}, [t.content_id for t in chosen]


def run(quick: bool) -> dict[str, Any]:
    """Measure seconds a step, interleaved: each round trains each way for a few steps, and the first is left out."""
    texts, contents = examples(3 * BATCH)
    rounds = 1 if quick else 3
    seconds: dict[str, list[list[float]]] = {name: [] for name in LEVERS}
    products = []
    for number in range(rounds):
        names = list(LEVERS)
        for name in names[number:] + names[:number]:
            trainer, options = LEVERS[name]
            seconds[name].append(trainer(load_encoder(MODEL), texts, contents, number, **options)[1:])
            products += measuring.interleaved({"product": measuring.product()}, rounds=5)["product"]
            median = statistics.median(seconds[name][-1])
            print(f"round {number + 1} of {rounds}: {name}: {median:.2f} s a step", flush=True)
    medians = {name: [statistics.median(steps) for steps in per_round] for name, per_round in seconds.items()}
    rate = measuring.product_rate(products)
    encoder = load_encoder(MODEL)
    work = [(role, text) for name, role in COLUMNS.items() for text in texts[name]]
    with encoder.cut_at(LENGTH):
        tokens, one_pass = (count * BATCH / len(contents) for count in operations(encoder, work))
    rows = {}
    for name, round_medians in medians.items():
        least, median, most = times_as_fast(medians[PEER], round_medians)
        took = statistics.median(round_medians)
        share = passes(LEVERS[name][1], encoder) * one_pass / took / rate
        mib = measuring.peak_memory(partial(alone, name, texts, contents))
        rows[name] = {
            "seconds_a_step": took,
            "times_as_fast": [least, median, most],
            "share_of_matmul": share,
            "peak_mib": mib,
        }
        print(
            f"{name:52} {median:5.2f} times as fast ({least:.2f}-{most:.2f}), {share:.0%} of the product's rate, "
            f"{mib:.0f} MiB"
        )
    return {
        "model": MODEL,
        "batch": BATCH,
        "triplets": len(contents),
        "tokens_a_step": tokens,
        "matmul_gflops": rate / 1e9,
        "rounds": rounds,
        "ways": rows,
    }


def passes(options: dict[str, Any], encoder: Encoder) -> float:
    """Return passes of a step through all layers: one forward, two back, or one back where weights have no gradient."""
    layers = encoder.model.transformers_model.config.num_hidden_layers
    return 1 + (1 if options.get("lora") else 2) * options.get("layers", layers) / layers


def alone(name: str, texts: dict[str, list[str]], contents: list[str]) -> None:
    """Load the model and train a few steps in one of the ways, in a process whose memory is measured."""
    trainer, options = LEVERS[name]
    trainer(load_encoder(MODEL), texts, contents, 0, **options)


def quality(output: Path, ways: Sequence[str], seeds: int = 3) -> None:
    """Train each way on all of `mini@demo-train`, seeds 0, 1 ..., and audit on `mini@demo`."""
    texts, contents = examples()
    print(f"{'':52} complete@10 multi, mono-same ndcg@10: mean (sd)")
    for way in ways:
        scores = []
        for seed in range(seeds if way != BASE else 1):
            encoder = load_encoder(MODEL)
            if way != BASE:
                LEVERS[way][0](encoder, texts, contents, seed, **LEVERS[way][1])
            encoder.model.max_seq_length = encoder.max_length
            audit = isoglot.audit(encoder, "mini@demo", scenarios=["multi", "mono-same"])
            audit.save(output / f"{way}-{seed}")
            scores.append([_mean(audit, "multi", "complete@10"), _mean(audit, "mono-same", "ndcg@10")])
        values = np.array(scores)
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(2)
        summary = ", ".join(f"{mean:.2f} ({sd:.2f})" for mean, sd in zip(values.mean(axis=0), spread, strict=True))
        print(f"{way:52} {summary}", flush=True)


def _mean(audit: isoglot.Audit, scenario: str, measure: str) -> float:
    return float(np.mean([s.measures[measure].mean for s in audit.scenarios if s.scenario == scenario]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["quality"])
    parser.add_argument("ways", nargs="*", help=f"{BASE!r} or names of ways, as `benchmarks training` prints them")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    quality(arguments.output, arguments.ways or [BASE, PEER, *list(LEVERS)[-3:]])
