"""``isoglot compare``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from isoglot.cli.options import (
    Device,
    DocumentPrompt,
    Json,
    OutputFolder,
    Prompts,
    QueryPrompt,
    Seed,
    SourceLanguage,
    StrictReading,
    TargetLanguage,
    Trust,
    chosen_prompts,
    split,
    with_columns,
)
from isoglot.platform.files import write_text

FAILED = 4
"""The exit code where a condition of ``--fail-if`` holds."""


def compare(
    audits: Annotated[
        list[str],
        typer.Argument(
            help="Folders of audits, or models; the first is the baseline. NAME=A,B counts seeds A and B as one."
        ),
    ],
    data: Annotated[
        str | None, typer.Option("--data", help="Collection to audit on; required where a model is named.")
    ] = None,
    src: SourceLanguage = None,
    tgt: TargetLanguage = None,
    names: Annotated[str | None, typer.Option(help="Names to show for them, e.g. before,after.")] = None,
    margin: Annotated[
        float, typer.Option(help="Largest loss of mono-same and control ndcg@10 that counts as kept, in points.")
    ] = 1.0,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            help='Condition for exit code 4, e.g. "complete@10<80" or "mono-same ndcg@10 drop>1"; may be repeated.'
        ),
    ] = None,
    prompts: Prompts = None,
    query_prompt: QueryPrompt = None,
    document_prompt: DocumentPrompt = None,
    seed: Seed = 0,
    device: Device = "auto",
    output: OutputFolder = None,
    strict: StrictReading = False,
    details: Annotated[bool, typer.Option("--details", help="Show every scenario with paired differences.")] = False,
    json: Json = False,
    trust_remote_code: Trust = False,
) -> None:
    """Compare audits of the same collection, with paired statistics."""
    import isoglot
    from isoglot.evaluation.comparison.conditions import Condition
    from isoglot.report.changes import comparison_change_tables
    from isoglot.report.similarities import comparison_similarity_tables
    from isoglot.report.tables import comparison_notes, comparison_tables, kept_table, summary_table
    from isoglot.report.terminal import print_lines, print_tables

    data = with_columns(data, src, tgt)
    conditions = [Condition.parse(text) for text in fail_if or []]
    comparison = isoglot.compare(
        *audits,
        data=None if data is None else isoglot.load_collection(data, strict=strict),
        names=split(names),
        margin=margin,
        seed=seed,
        device=device,
        trust_remote_code=trust_remote_code,
        prompts=chosen_prompts(prompts, query_prompt, document_prompt),
        show_progress=True,
    )
    failures = [line for condition in conditions if (line := condition.held(comparison)) is not None]
    if output is not None:
        write_text(output / "comparison.json", comparison.to_json())
        write_text(output / "comparison.md", isoglot.to_markdown(comparison))
    if json:
        print(comparison.to_json(), end="")
    else:
        tables = [table for table in (summary_table(comparison), kept_table(comparison)) if table.rows]
        scenarios = comparison_tables(comparison) if details or not tables else []
        more = [*comparison_change_tables(comparison), *comparison_similarity_tables(comparison)]
        print_tables([*tables, *more, *scenarios])
        print_lines(comparison_notes(comparison))
    for failure in failures:
        print(f"isoglot: fails: {failure}", file=sys.stderr)
    if failures:
        raise typer.Exit(FAILED)
