"""``isoglot align``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from isoglot.cli.options import Data, Device, Force, Json, Seed, Trust, split


def _of(panel: str, help: str, *names: str) -> Any:
    """An option, shown under a heading of its own in the help."""
    return typer.Option(*names, help=help, rich_help_panel=panel)


_GUARD = "Guard"
_SEARCH = "Several runs"
_TRAINING = "Training (jsd-nce, nce, distill)"
_LOSS = "Loss of jsd-nce, nce and distill"
_ADD = "Added to a trained method"
_OTHERS = "shift, lir and distill"


def align(
    model: Annotated[str, typer.Argument(help="An bundled model, a folder, or a hub id.")],
    method: Annotated[
        str, typer.Option(help="center, soft-center, shift, lir, leace, jsd-nce, nce, distill, or auto.")
    ],
    data: Data,
    output: Annotated[Path, typer.Option("-o", "--output", help="The model folder to write.")],
    languages: Annotated[str | None, typer.Option(help="Languages to use, e.g. en,ar,zh; all if not named.")] = None,
    per_row: Annotated[
        int | None, typer.Option(help="Most languages in a row beside English; all if not named")
    ] = None,
    dev: Annotated[
        str | None, _of(_GUARD, "A source to audit on, or none; if not named, a tenth of the data is held out.")
    ] = None,
    max_loss: Annotated[float, _of(_GUARD, "Points that mono-same ndcg@10 may fall.")] = 1.0,
    seeds: Annotated[int, _of(_SEARCH, "How many seeds to train, each into a folder in the output.")] = 1,
    budget: Annotated[float, _of(_SEARCH, "Minutes that --method auto may take.")] = 15.0,
    no_tag: Annotated[bool, _of(_SEARCH, "auto: only methods that need no language tag.", "--no-tag")] = False,
    epochs: Annotated[float | None, _of(_TRAINING, "Passes over the data.")] = None,
    batch_size: Annotated[int | None, _of(_TRAINING, "Contents in a batch.")] = None,
    micro_batch: Annotated[int | None, _of(_TRAINING, "Texts in memory at once; 0: the batch.")] = None,
    learning_rate: Annotated[float | None, _of(_TRAINING, "Peak learning rate.")] = None,
    max_length: Annotated[int | None, _of(_TRAINING, "Tokens at which training texts are cut.")] = None,
    lora: Annotated[int | None, _of(_TRAINING, "Rank of LoRA adapters; 0: train the weights themselves.")] = None,
    layers: Annotated[int | None, _of(_TRAINING, "How many of the top layers to train; 0: all.")] = None,
    dropout: Annotated[bool | None, _of(_TRAINING, "Train with dropout.", "--dropout")] = None,
    train_embeddings: Annotated[bool | None, _of(_TRAINING, "Train the word vectors.", "--train-embeddings")] = None,
    report_to: Annotated[str | None, _of(_TRAINING, "A tracker that transformers knows, e.g. tensorboard.")] = None,
    temperature: Annotated[float | None, _of(_LOSS, "Of InfoNCE.")] = None,
    softmax_temperature: Annotated[float | None, _of(_LOSS, "Of the softmax in L_JSD.")] = None,
    eps: Annotated[float | None, _of(_LOSS, "Inside the root of L_JSD.")] = None,
    raw: Annotated[bool | None, _of(_LOSS, "L_JSD of raw instead of unit vectors.", "--raw")] = None,
    jsd_weight: Annotated[float | None, _of(_LOSS, "Of L_JSD.")] = None,
    nce_weight: Annotated[float | None, _of(_LOSS, "Of L_NCE.")] = None,
    no_jsd: Annotated[bool, _of(_LOSS, "Ablation: --jsd-weight 0.", "--no-jsd")] = False,
    no_nce: Annotated[bool, _of(_LOSS, "Ablation: --nce-weight 0.", "--no-nce")] = False,
    nce_psg: Annotated[bool | None, _of(_LOSS, "Ablation: L_NCE between documents.", "--nce-psg")] = None,
    code_switch: Annotated[float | None, _of(_ADD, "Share of queries mixed with their translations, 0 to 1.")] = None,
    code_switch_level: Annotated[str | None, _of(_ADD, "What is mixed: clause or word.")] = None,
    token_weight: Annotated[float | None, _of(_ADD, "Of the alignment of tokens.")] = None,
    token_kind: Annotated[str | None, _of(_ADD, "How tokens are aligned: maxsim or transport.")] = None,
    hard_negatives: Annotated[int | None, _of(_ADD, "Mined negatives of a row, equal over languages.")] = None,
    alpha: Annotated[float | None, _of(_OTHERS, "How far shift moves.")] = None,
    r: Annotated[int | None, _of(_OTHERS, "How many directions lir removes.", "--r")] = None,
    teacher: Annotated[str | None, _of(_OTHERS, "What distill learns: center or lir.")] = None,
    scale: Annotated[float | None, _of(_OTHERS, "Of distill's loss.")] = None,
    mix: Annotated[float | None, _of(_OTHERS, "How much distill's teachers mix translations, 0 to 1.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    force: Force = False,
    json: Json = False,
    trust_remote_code: Trust = False,
) -> None:
    """Align a retriever, so that it ranks by meaning, and save it as an ordinary model folder.

    Base and result are audited on a development split. One that lost too much is kept as OUTPUT.lossy; exit code 3.
    """
    given = {name: value for name, value in locals().items() if value is not None}
    import isoglot
    from isoglot.alignment.guard import LossyError

    del given["json"]
    given |= {"languages": split(languages), "show_progress": True}
    given |= {f"{name}_weight": 0.0 for name in ("jsd", "nce") if given.pop(f"no_{name}")}
    try:
        isoglot.align(**given)
    except LossyError as error:
        _print_results(output if (output / "seeds.json").exists() else error.folder, json)
        print(f"isoglot: {error}", file=sys.stderr)
        raise typer.Exit(3) from error
    _print_results(output, json)
    print(f"{output}: the aligned model; next: isoglot audit {output} --data ...", file=sys.stderr)


def _print_results(folder: Path, as_json: bool) -> None:
    """Print what a folder says of seeds, of what auto tried, of before and after: its tables or its JSON."""
    from json import dumps, loads

    from isoglot.alignment.record import read_record
    from isoglot.report.alignment import before_after_table, seeds_table, tried_table
    from isoglot.report.terminal import print_lines, print_tables

    summary = folder / "seeds.json"
    seeds = loads(summary.read_text(encoding="utf-8")) if summary.exists() else None
    record = read_record(folder) or {}
    if as_json:
        print(dumps(record if seeds is None else seeds, indent=1, ensure_ascii=False))
        return
    if seeds is not None:
        print_tables([seeds_table(seeds)])
        return
    if "auto" in record:
        print_tables([tried_table(record["auto"])])
        print_lines([f"{record['method']}: {record['auto']['why']}"])
    if record.get("measures"):
        print_tables([before_after_table(record)])
