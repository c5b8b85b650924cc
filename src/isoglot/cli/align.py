"""``isoglot align``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from isoglot.alignment.registry import METHODS
from isoglot.cli.method_options import with_method_options
from isoglot.cli.options import (
    ContentField,
    Device,
    DocumentPrompt,
    Force,
    Json,
    LanguageField,
    Prompts,
    QueryPrompt,
    Seed,
    SourceLanguage,
    StrictReading,
    TargetLanguage,
    Trust,
    VectorField,
    chosen_fields,
    chosen_prompts,
    split,
    with_columns,
)
from isoglot.retrievers.kinds import VECTOR_FORMS

_GUARD, _SEVERAL_RUNS = "Guard", "Several runs"


@with_method_options
def align(
    model: Annotated[
        str,
        typer.Argument(
            help=f"Model to align: a bundled model, a folder or a hub id. For a transform: index:DIR, {VECTOR_FORMS}."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write: a model, or a transform.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="Corpus (.jsonl, .csv, .parquet, or a folder), training rows, or a source such as mini@train; "
            "not needed with vectors:DIR."
        ),
    ] = None,
    src: SourceLanguage = None,
    tgt: TargetLanguage = None,
    method: Annotated[
        str | None, typer.Option(help=f"Method: {', '.join(METHODS)}, or auto; default for a corpus: center.")
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(help="Questions that people asked of the corpus (.txt, .jsonl); default: spans of its documents."),
    ] = None,
    languages: Annotated[str | None, typer.Option(help="Languages to use, e.g. en,ar,zh; default: all.")] = None,
    per_row: Annotated[
        int | None, typer.Option(help="Largest number of languages of a row to use besides English; default: all.")
    ] = None,
    dev: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_GUARD,
            help="Collection to audit base and result on, or none for no guard; default: a tenth of the data.",
        ),
    ] = None,
    goal: Annotated[
        str,
        typer.Option(
            rich_help_panel=_GUARD,
            help="What the verdict judges. together: all relevant documents are in the top 10; own-first: they are, "
            "and the first of them is in the query's language.",
        ),
    ] = "together",
    max_loss: Annotated[
        float, typer.Option(rich_help_panel=_GUARD, help="Largest accepted fall of mono-same ndcg@10, in points.")
    ] = 1.0,
    keep_scale: Annotated[
        bool,
        typer.Option(
            "--keep-scale", help="Keep the mean cosine of unrelated pairs, by one more component in each vector."
        ),
    ] = False,
    seeds: Annotated[
        int,
        typer.Option(
            rich_help_panel=_SEVERAL_RUNS, help="Number of seeds to train with, each into a folder inside the output."
        ),
    ] = 1,
    budget: Annotated[
        float, typer.Option(rich_help_panel=_SEVERAL_RUNS, help="Largest time of --method auto, in minutes.")
    ] = 15.0,
    no_tag: Annotated[
        bool,
        typer.Option(
            "--no-tag",
            rich_help_panel=_SEVERAL_RUNS,
            help="With --method auto: try only methods that need no language tag at inference.",
        ),
    ] = False,
    prompts: Prompts = None,
    query_prompt: QueryPrompt = None,
    document_prompt: DocumentPrompt = None,
    language_field: LanguageField = None,
    content_field: ContentField = None,
    vector_field: VectorField = None,
    seed: Seed = 0,
    device: Device = "auto",
    force: Force = False,
    strict: StrictReading = False,
    json: Json = False,
    trust_remote_code: Trust = False,
    **options: Any,
) -> None:
    """Align a retriever so that it ranks by meaning, and save it as a model folder or as a transform.

    Base and result are audited on a development split. If the result lost too much, it is kept as OUTPUT.lossy and the
    exit code is 3.
    """
    import isoglot
    from isoglot.alignment.guard import LossyError
    from isoglot.transforms.files import is_transform

    try:
        isoglot.align(
            model,
            method,
            with_columns(data, src, tgt),
            output,
            queries=queries,
            languages=split(languages),
            per_row=per_row,
            dev=dev,
            goal=goal,
            max_loss=max_loss,
            keep_scale=keep_scale,
            seeds=seeds,
            budget=budget,
            no_tag=no_tag,
            seed=seed,
            device=device,
            force=force,
            strict=strict,
            trust_remote_code=trust_remote_code,
            prompts=chosen_prompts(prompts, query_prompt, document_prompt),
            fields=chosen_fields(language_field, content_field, vector_field),
            show_progress=True,
            **options,
        )
    except LossyError as error:
        _print_results(output if (output / "seeds.json").exists() else error.folder, json)
        raise
    if is_transform(output):
        _print_transform(output, json)
        next_step = f"the transform; next: isoglot apply {output} vectors:DIR -o CHANGED, or audit {model}+{output}"
    else:
        _print_results(output, json)
        next_step = f"the aligned model; next: {_next_command(model, output)}"
    print(f"{output}: {next_step}", file=sys.stderr)


def _next_command(model: str, output: Path) -> str:
    """The command that shows what the aligned model is worth; one without labels can only compare it by spans."""
    from isoglot.alignment.record import read_record

    record = read_record(output)
    if record is not None and record.data.documents:
        return shlex.join(["isoglot", "choose", model, str(output), "--data", record.data.name])
    return f"isoglot audit {output} --data ..."


def _print_transform(folder: Path, as_json: bool) -> None:
    """Print what a transform did to the neighbours of the documents that it was fitted on."""
    from isoglot.report.lift import before_after_lift_table
    from isoglot.report.terminal import print_tables
    from isoglot.transforms.files import RECORD, load_transform

    if as_json:
        print((folder / RECORD).read_text(encoding="utf-8"), end="")
    elif lift := load_transform(folder).record.lift:
        print_tables([before_after_lift_table(lift)])


def _print_results(folder: Path, as_json: bool) -> None:
    """Print what a folder's records hold, as tables or as JSON: seeds, what auto tried, before and after."""
    from isoglot.alignment.record import read_record, read_seeds, to_json
    from isoglot.alignment.tables import (
        before_after_table,
        cutoff_tables,
        notes,
        seeds_table,
        tried_table,
        verdict_text,
    )
    from isoglot.report.terminal import print_lines, print_tables

    seeds, record = read_seeds(folder), read_record(folder)
    if as_json and (result := seeds or record) is not None:
        print(to_json(result), end="")
    elif seeds is not None:
        print_tables([seeds_table(seeds)])
        print_lines(notes(seed.verdict for seed in seeds.seeds))
    elif record is not None:
        if record.auto is not None:
            print_tables([tried_table(record.auto)])
            print_lines([f"{record.method}: {record.auto.why}"])
        if record.measures is not None and record.development is not None:
            print_tables([before_after_table(record.measures, record.development.name), *cutoff_tables(record)])
        tried = [] if record.auto is None else [trial.verdict for trial in record.auto.tried]
        if record.auto is None and record.verdict is not None and record.verdict.verdict().note:
            print_lines([f"Guard: {verdict_text(record.verdict)}."])  # no table says it, and the note explains it
        print_lines(notes([*tried, record.verdict]))
