"""``isoglot data check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.options import Against, Device, Json, RowsFile, Strict

if TYPE_CHECKING:
    from isoglot.alignment.query_distance import QueryDistance


def check(
    file: RowsFile,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write the rows that pass to.")] = None,
    against: Against = None,
    query_language: Annotated[
        str | None, typer.Option(help="Language of the questions in rows of other tools; default: detected.")
    ] = None,
    document_language: Annotated[
        str | None, typer.Option(help="Language of the documents in rows of other tools; default: detected.")
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(
            help="Your own questions (.txt, .jsonl); their mean vectors are compared with those of the rows' queries."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("-m", "--model", help="Model that encodes them; goes with --queries.")
    ] = None,
    device: Device = "auto",
    strict: Strict = False,
    findings: Annotated[int, typer.Option(min=0, help="Number of findings to print.")] = 20,
    json: Json = False,
) -> None:
    """Validate a file of rows, and check it for contamination, wrong languages, duplicates and other faults.

    It reports how many queries are questions, and with --queries how far they lie from yours.
    """
    from dataclasses import asdict
    from json import dumps

    from isoglot.platform.errors import IsoglotError
    from isoglot.report.rows import check_tables
    from isoglot.report.terminal import print_lines, print_tables
    from isoglot.training_data.checks import check_rows, count_findings, require_no_findings
    from isoglot.training_data.held_out import evaluation_grams
    from isoglot.training_data.loading import training_rows
    from isoglot.training_data.row import check_row_file, is_row_file, read_rows, write_rows
    from isoglot.training_data.statistics import count_questions

    if (queries is None) != (model is None):
        raise IsoglotError("--queries and --model go together: a model's vectors tell how far questions lie apart")
    if output is not None:
        check_row_file(output)
    if is_row_file(file):
        rows = read_rows(file, query_language=query_language, document_language=document_language, strict=strict)
    else:
        rows = training_rows(file, strict=strict)
    grams, unchecked = evaluation_grams(against or [])
    passed, all_findings = check_rows(rows, grams)
    if output is not None:
        write_rows(output, passed)
    questions = count_questions(rows)
    distances: dict[str, QueryDistance] = {}
    if queries is not None and model is not None:
        from isoglot.alignment.query_distance import query_distances
        from isoglot.retrievers.registry import as_retriever

        distances = query_distances(rows, queries, as_retriever(model, device=device), strict=strict)
    if json:
        summary = {
            "rows": len(rows),
            "passed": len(passed),
            "checks": count_findings(all_findings),
            "against": sorted(grams),
            "unchecked": unchecked,
            "findings": [asdict(finding) for finding in all_findings],
            "questions": {source: asdict(count) | {"share": count.share} for source, count in questions.items()},
            "distances": {tag: asdict(distance) for tag, distance in distances.items()},
        }
        print(dumps(summary, ensure_ascii=False))
    else:
        print_tables(check_tables(all_findings, findings, questions))
        if distances:
            from isoglot.alignment.tables import DISTANCE_MEANING, distance_table

            print_tables([distance_table(distances)])
            print_lines([DISTANCE_MEANING])
        print_lines([f"{file}: {len(passed)} of {len(rows)} rows pass, {len(all_findings)} findings"])
    if strict:
        require_no_findings(str(file), all_findings)
