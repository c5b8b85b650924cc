"""``isoglot align``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import Data, Device, Force, Seed, Trust, split


def align(
    model: Annotated[str, typer.Argument(help="An embedded model, a folder, or a hub id.")],
    method: Annotated[str, typer.Option(help="center, shift, lir, leace, jsd-nce, nce or distill.")],
    data: Data,
    output: Annotated[Path, typer.Option("-o", "--output", help="The model folder to write.")],
    languages: Annotated[str | None, typer.Option(help="Languages to use, e.g. en,ar,zh; all if not named.")] = None,
    per_row: Annotated[
        int | None, typer.Option(help="Most languages in a row beside English; all if not named")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the data.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Contents in a batch.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens at which training texts are cut.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of InfoNCE.")] = None,
    softmax_temperature: Annotated[float | None, typer.Option(help="Of the softmax in L_JSD.")] = None,
    alpha: Annotated[float | None, typer.Option(help="How far shift moves.")] = None,
    r: Annotated[int | None, typer.Option("--r", help="How many directions lir removes.")] = None,
    teacher: Annotated[str | None, typer.Option(help="What distill learns: center or lir.")] = None,
    mix: Annotated[float | None, typer.Option(help="How much distill's teachers mix translations, 0 to 1.")] = None,
    dropout: Annotated[bool | None, typer.Option("--dropout", help="Train with dropout.")] = None,
    train_embeddings: Annotated[bool | None, typer.Option("--train-embeddings", help="Train the word vectors.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    force: Force = False,
    trust_remote_code: Trust = False,
) -> None:
    """Align a retriever, so that it ranks by meaning, and save it as an ordinary model folder."""
    import isoglot

    options = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "max_length": max_length,
        "temperature": temperature,
        "softmax_temperature": softmax_temperature,
        "alpha": alpha,
        "r": r,
        "teacher": teacher,
        "mix": mix,
        "dropout": dropout,
        "train_embeddings": train_embeddings,
    }
    folder = isoglot.align(
        model,
        method,
        data,
        output,
        languages=split(languages),
        per_row=per_row,
        seed=seed,
        device=device,
        force=force,
        trust_remote_code=trust_remote_code,
        progress=True,
        **{name: value for name, value in options.items() if value is not None},
    )
    print(f"{folder}: the aligned model; next: isoglot audit {folder} --data ...", file=sys.stderr)
