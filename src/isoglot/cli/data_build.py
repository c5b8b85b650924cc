"""``isoglot data build``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.data_translate import BaseUrl, MaxCost, PriceIn, PriceOut, print_report
from isoglot.cli.options import Against, Force, Json, RowsOutput, Seed, Strict, split

if TYPE_CHECKING:
    from isoglot.llm.service import Service
    from isoglot.training_data.generation.report import GenerationReport


def build(
    name: Annotated[
        str,
        typer.Argument(help="mix, or an origin that `isoglot data origins` lists, also as miracl:DIR or mmarco:DIR."),
    ],
    output: RowsOutput = Path("rows.jsonl"),
    languages: Annotated[str | None, typer.Option(help="Languages besides English, e.g. de,zh; default: all.")] = None,
    size: Annotated[int, typer.Option(min=1, help="Largest number of rows.")] = 2800,
    per_row: Annotated[int, typer.Option(min=1, help="Largest number of languages in a row besides English.")] = 8,
    without: Annotated[str | None, typer.Option(help="Origins to leave out of mix, e.g. mini.")] = None,
    against: Against = None,
    strict: Strict = False,
    ask: Annotated[
        str | None,
        typer.Option(help="Model at an API, e.g. gpt-4o, that turns the rows' headings into questions afterwards."),
    ] = None,
    base_url: BaseUrl = None,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    max_cost: MaxCost = None,
    seed: Seed = 0,
    force: Force = False,
    json: Json = False,
) -> None:
    """Build training rows, most of them from packages that people translated, and check every text."""
    from json import dumps, loads

    from isoglot.llm.client import client_options
    from isoglot.llm.service import Service
    from isoglot.platform.errors import IsoglotError
    from isoglot.report.rows import build_tables
    from isoglot.report.terminal import print_tables
    from isoglot.training_data.building import build as build_rows

    if output.exists() and not force:
        raise IsoglotError(f"{output}: exists already; choose another name or pass --force")
    service = None
    if ask is not None:
        service = Service(ask, base_url=base_url, price_in=price_in, price_out=price_out, max_cost=max_cost)
        client_options(service)  # a missing key is told before minutes of building
    report = build_rows(
        name,
        output,
        languages=split(languages),
        size=size,
        per_row=per_row,
        seed=seed,
        against=against or [],
        without=split(without) or [],
        strict=strict,
    )
    if not json:
        print_tables(build_tables(report))
        print(f"{output}: {report.rows} rows; next: isoglot align MODEL --method distill --data {output} -o aligned")
    asked = None if service is None else _ask(output, service, against or [])
    if json:
        summary = loads(report.to_json()) | ({} if asked is None else {"asked": loads(asked.to_json())})
        print(dumps(summary, ensure_ascii=False, indent=1))
    elif asked is not None:
        print_report(asked, as_json=False)


def _ask(rows: Path, service: Service, against: list[str]) -> GenerationReport:
    """Ask about built rows, into ``NAME.asked.jsonl`` beside them.

    Raises:
        IsoglotError: As of `ask_rows`; the message says how to go on.
    """
    from isoglot.platform.errors import IsoglotError
    from isoglot.training_data.generation.questions import ask_rows

    output = rows.with_name(f"{rows.stem}.asked{rows.suffix}")
    try:
        return ask_rows(rows, output, service, against=against, show_progress=True)
    except IsoglotError as error:
        again = f"isoglot data generate --ask {rows} --model {service.model} -o {output}"
        if service.base_url:
            again += f" --base-url {service.base_url}"
        raise IsoglotError(f"{error}; the rows as built are in {rows}; to go on: {again}") from error
