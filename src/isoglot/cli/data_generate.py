"""``isoglot data generate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.data_translate import (
    Attempts,
    BaseUrl,
    Concurrency,
    MaxCost,
    Model,
    PriceIn,
    PriceOut,
    Timeout,
    print_report,
)
from isoglot.cli.options import Against, Json, RowsOutput


def generate(
    model: Model,
    output: RowsOutput,
    topics: Annotated[
        Path | None,
        typer.Option(help="Text file with a topic on each line; the model writes a passage and a question for each."),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            help="File of rows, or a .jsonl file with _id and text; the model writes a question for each passage."
        ),
    ] = None,
    ask: Annotated[
        str | None,
        typer.Option(
            help="File of rows, or a source, whose headings the model turns into questions in all their languages."
        ),
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence of the rows, as an SPDX expression.")] = "",
    base_url: BaseUrl = None,
    concurrency: Concurrency = 8,
    attempts: Attempts = 3,
    timeout: Timeout = 120,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    max_cost: MaxCost = None,
    against: Against = None,
    json: Json = False,
) -> None:
    """Have a language model write English rows, or questions for existing rows in all their languages.

    The key is read from OPENAI_API_KEY. Run it again after an interruption to continue.
    """
    from isoglot.llm.service import Service
    from isoglot.platform.errors import IsoglotError
    from isoglot.training_data.generation.generate import generate_rows
    from isoglot.training_data.generation.questions import ask_rows

    if ask is not None and (topics is not None or corpus is not None or licence):
        raise IsoglotError("--ask goes without --topics, --corpus and --licence: its rows have documents and licences")
    service = Service(
        model,
        base_url=base_url,
        concurrency=concurrency,
        attempts=attempts,
        timeout=timeout,
        price_in=price_in,
        price_out=price_out,
        max_cost=max_cost,
    )
    if ask is not None:
        report = ask_rows(ask, output, service, against=against or [], show_progress=True)
    else:
        report = generate_rows(
            output, service, topics=topics, corpus=corpus, licence=licence, against=against or [], show_progress=True
        )
    print_report(report, json)
