"""``isoglot encode``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import (
    Device,
    DocumentPrompt,
    Force,
    Json,
    Precision,
    Prompts,
    QueryPrompt,
    StrictReading,
    Trust,
    chosen_prompts,
    split,
)


def encode(
    corpus: Annotated[
        str,
        typer.Argument(
            help="Corpus: a file (.jsonl, .csv, .tsv, .parquet), a folder of such files, a source such as mini@test, "
            "or hub:DATASET[:SPLIT]."
        ),
    ],
    model: Annotated[str, typer.Option("-m", "--model", help="Model: a bundled one, a folder or a hub id.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write the vectors to.")],
    role: Annotated[
        str | None,
        typer.Option(
            help="Roles to encode: document, query, or document,query; default: documents, and the queries of a source."
        ),
    ] = None,
    language: Annotated[str | None, typer.Option(help="Language of texts that name none; default: detected.")] = None,
    prompts: Prompts = None,
    query_prompt: QueryPrompt = None,
    document_prompt: DocumentPrompt = None,
    engine: Annotated[
        str, typer.Option(help="local: this process; ray: Ray workers on this machine or a cluster.")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster, e.g. auto or ray://HOST:10001.")
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Number of Ray workers, each with the model; 0: one for each GPU or CPU.")
    ] = 0,
    gpus_per_worker: Annotated[float, typer.Option(help="Number of GPUs of each Ray worker, e.g. 1 or 0.5.")] = 0.0,
    threads: Annotated[int, typer.Option(help="Number of threads of a matrix product; 0: one for each core.")] = 0,
    shard_size: Annotated[int, typer.Option(help="Number of texts in a shard.")] = 8192,
    dtype: Annotated[str, typer.Option(help="Number format of the stored vectors: float32 or float16.")] = "float32",
    precision: Precision = "auto",
    device: Device = "auto",
    force: Force = False,
    strict: StrictReading = False,
    json: Json = False,
    trust_remote_code: Trust = False,
) -> None:
    """Encode a corpus of any size, shard by shard.

    Run it again after an interruption: only missing shards are encoded.
    """
    from dataclasses import asdict
    from json import dumps

    from isoglot.platform.languages import canonical
    from isoglot.scale.encoding import encode_corpus
    from isoglot.scale.shard_encoding import EncodingSettings

    encoded = encode_corpus(
        corpus,
        output,
        EncodingSettings(
            model=model,
            precision=precision,
            dtype=dtype,
            shard_size=shard_size,
            threads=threads,
            prompts=chosen_prompts(prompts, query_prompt, document_prompt),
        ),
        roles=None if role is None else tuple(split(role) or ()),
        language=None if language is None else canonical(language),
        engine=engine,
        address=address,
        workers=workers,
        gpus_per_worker=gpus_per_worker,
        device=device,
        trust_remote_code=trust_remote_code,
        force=force,
        strict=strict,
        show_progress=True,
    )
    if json:
        print(dumps(asdict(encoded)))
    else:
        texts = " and ".join(f"{count} {role} texts" for role, count in encoded.texts.items())
        shards = f"{encoded.shards} {'shard' if encoded.shards == 1 else 'shards'}"
        again = f", {encoded.kept} of them from an earlier run" if encoded.kept else ""
        print(f"{texts} in {shards}{again}")
        print(f"wrote {output}; next: isoglot audit vectors:{output} --data SOURCE")
