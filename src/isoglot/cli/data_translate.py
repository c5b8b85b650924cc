"""``isoglot data translate``, and the options that it shares with ``isoglot data generate``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.options import Against, Json, RowsFile, RowsOutput, split

if TYPE_CHECKING:
    from isoglot.training_data.generation.report import GenerationReport

Model = Annotated[str, typer.Option(help="Name of the model at the API, e.g. gpt-4o.")]
BaseUrl = Annotated[
    str | None, typer.Option(help="Base URL of another API than OpenAI's, e.g. http://localhost:8000/v1.")
]
Concurrency = Annotated[int, typer.Option(help="Largest number of concurrent requests.")]
Attempts = Annotated[int, typer.Option(help="Largest number of requests for an answer that passes the checks.")]
Timeout = Annotated[float, typer.Option(help="Time limit of an answer, in seconds.")]
PriceIn = Annotated[float | None, typer.Option(help="Price of a million tokens of prompts, in USD.")]
PriceOut = Annotated[float | None, typer.Option(help="Price of a million tokens of answers, in USD.")]
MaxCost = Annotated[
    float | None, typer.Option(help="Largest cost of this run, in USD; it stops before it would cost more.")
]


def translate(
    rows: RowsFile,
    to: Annotated[str, typer.Option(help="Languages to translate into, e.g. zh,ar,de.")],
    model: Model,
    output: RowsOutput,
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
    """Have a language model translate rows.

    The key is read from OPENAI_API_KEY. Run it again after an interruption to continue.
    """
    from isoglot.llm.service import Service
    from isoglot.training_data.generation.translate import translate_rows

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
    report = translate_rows(rows, split(to) or [], output, service, against=against or [], show_progress=True)
    print_report(report, json)


def print_report(report: GenerationReport, as_json: bool) -> None:
    """Print the report as JSON on standard output, or else for people on standard error."""
    if as_json:
        print(report.to_json(), end="")
    else:
        print(report, file=sys.stderr)
