"""``isoglot data check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import Against, Json, RowsFile, Strict


def check(
    file: RowsFile,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write what passes to this file.")] = None,
    against: Against = None,
    strict: Strict = False,
    findings: Annotated[int, typer.Option(min=0, help="How many findings to print.")] = 20,
    json: Json = False,
) -> None:
    """Validate a file of rows, and look for all that makes rows untrustworthy: contamination, wrong languages, ..."""
    from dataclasses import asdict
    from json import dumps

    from isoglot.report.rows import check_tables
    from isoglot.report.terminal import print_lines, print_tables
    from isoglot.training_data.building import evaluation_grams
    from isoglot.training_data.checks import check_rows, count, none_found
    from isoglot.training_data.row import check_row_file, read_rows, write_rows

    if output is not None:
        check_row_file(output)
    rows = read_rows(file)
    grams, unchecked = evaluation_grams(against or [])
    passed, found = check_rows(rows, grams)
    if output is not None:
        write_rows(output, passed)
    if json:
        told = {"rows": len(rows), "passed": len(passed), "checks": count(found), "against": sorted(grams)}
        print(dumps({**told, "unchecked": unchecked, "findings": [asdict(one) for one in found]}, ensure_ascii=False))
    else:
        print_tables(check_tables(found, findings))
        print_lines([f"{file}: {len(passed)} of {len(rows)} rows pass, {len(found)} findings"])
    if strict:
        none_found(str(file), found)
