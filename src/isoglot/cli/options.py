"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from isoglot.stores.base import Fields

SourceLanguage = Annotated[
    str | None,
    typer.Option(
        "--src",
        help="Language of the first column, where --data is a table of parallel sentences; goes with --tgt.",
    ),
]
TargetLanguage = Annotated[str | None, typer.Option("--tgt", help="Language of the second column of that table.")]
Seed = Annotated[int, typer.Option(help="Random seed; the same seed gives the same result.")]
Device = Annotated[str, typer.Option(help="Device of the model, e.g. auto, cpu, cuda, cuda:1, mps.")]
Precision = Annotated[
    str,
    typer.Option(help="Number format of the model's computation: auto, float32, bfloat16, or int8 (on a CPU)."),
]
Goal = Annotated[
    str,
    typer.Option(
        help="What the verdict judges. together: all relevant documents are in the top 10; own-first: they are, and "
        "the first of them is in the query's language."
    ),
]
Balance = Annotated[
    str,
    typer.Option(
        help="How documents of several languages become one list. none: by score; equal: languages take turns; "
        "proportional: each language gets its share of the pool; scaled: by score minus the usual score of the "
        "document's language for this query."
    ),
]
ScaledK = Annotated[
    int | None,
    typer.Option(help="With --balance scaled: number of a language's best scores that are averaged (default 5)."),
]
ScaledWeight = Annotated[
    float | None,
    typer.Option(
        help="With --balance scaled: weight of that average against the mean of all scores, 0 to 1 (default 0.7)."
    ),
]
Prefer = Annotated[
    float | None,
    typer.Option(
        "--prefer-query-language",
        help="With --balance scaled: what is added to the scores of documents in the query's language, e.g. 0.01.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier result of isoglot in the output folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Trust = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code that the model's folder or repository contains.")
]
QueryPrompt = Annotated[
    str | None,
    typer.Option(
        "--query-prompt",
        help="Prompt put before each query: its text, or the name of one of the model's prompts; '' for none. Default: "
        "the model's configuration.",
    ),
]
DocumentPrompt = Annotated[
    str | None, typer.Option("--document-prompt", help="Prompt put before each document, named like --query-prompt.")
]
Prompts = Annotated[
    str | None,
    typer.Option(
        "--prompts", help="none: put no prompt before queries and documents. Default: each model's own prompts."
    ),
]
OutputFolder = Annotated[Path | None, typer.Option("-o", "--output", help="Folder to write to.")]
LanguageField = Annotated[
    str | None,
    typer.Option(
        "--language-field", help="Field, payload key or column of a store that holds the language of a document."
    ),
]
ContentField = Annotated[
    str | None,
    typer.Option("--content-field", help="Field of a store that holds the id shared by translations, if it has one."),
]
VectorField = Annotated[
    str | None, typer.Option("--vector-field", help="Field, column or name of the vector in a store that has several.")
]
RowsFile = Annotated[str, typer.Argument(help="File of rows (.jsonl, .parquet), or a source such as mini@train.")]
RowsOutput = Annotated[Path, typer.Option("-o", "--output", help="File of rows to write: .jsonl or .parquet.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Fail on any finding of a check and on any row that would be left out.")
]
StrictReading = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Fail on what would otherwise be left out and counted, such as a document without text or language.",
    ),
]
Against = Annotated[
    list[str] | None,
    typer.Option(help="Collection that no row may overlap, besides mini@test, xquad and belebele; may be repeated."),
]


def with_scaled_options(balance: str, k: int | None, weight: float | None, prefer: float | None = None) -> str:
    """The balance with the options of ``scaled`` that a user gave.

    Raises:
        IsoglotError: An option is out of range, or goes with another balance.
    """
    if (k, weight, prefer) == (None, None, None):
        return balance
    from isoglot.platform.errors import IsoglotError
    from isoglot.ranking.balance import SCALED_K, SCALED_WEIGHT, Balance

    if balance != "scaled":
        raise IsoglotError("--scaled-k, --scaled-weight and --prefer-query-language go with --balance scaled")
    chosen_k, chosen_weight = SCALED_K if k is None else k, SCALED_WEIGHT if weight is None else weight
    return str(Balance("scaled", chosen_k, chosen_weight, prefer or 0.0))


def chosen_prompts(prompts: str | None, query: str | None, document: str | None = None) -> dict[str, str]:
    """The prompts that a user chose, by role; ``--prompts none`` chooses the empty one for both.

    Raises:
        IsoglotError: `prompts` is something else than ``none``, or goes with another option.
    """
    chosen = {role: prompt for role, prompt in (("query", query), ("document", document)) if prompt is not None}
    if prompts is None:
        return chosen
    from isoglot.platform.errors import IsoglotError

    if prompts != "none":
        raise IsoglotError(f"--prompts {prompts}: it knows only none; name one with --query-prompt, --document-prompt")
    if chosen:
        raise IsoglotError("--prompts none goes without --query-prompt and --document-prompt")
    return {"query": "", "document": ""}


def chosen_fields(language: str | None, content: str | None = None, vector: str | None = None) -> Fields:
    """The fields of a store's documents that a user named."""
    from isoglot.stores.base import Fields

    return Fields(language=language, content=content, vector=vector)


def with_columns(data: str | None, src: str | None, tgt: str | None) -> str | None:
    """Return the source that ``--data``, ``--src`` and ``--tgt`` name: ``parallel:FILE@SRC,TGT`` where they are given.

    Raises:
        IsoglotError: One of them is missing.
    """
    from isoglot.platform.errors import IsoglotError

    if src is None and tgt is None:
        return data
    if data is None or src is None or tgt is None:
        raise IsoglotError("--src and --tgt go together, with --data FILE, a table of parallel sentences")
    return f"parallel:{data.removeprefix('parallel:')}@{src},{tgt}"


def split(text: str | None) -> list[str] | None:
    """Split ``"en,zh"`` at its commas; None stays None."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def whole_numbers(text: str | None, option: str) -> list[int]:
    """Split ``"384,256"`` at its commas; None is none.

    Raises:
        IsoglotError: A part is no whole number.
    """
    from isoglot.platform.errors import IsoglotError

    parts = split(text) or []
    wrong = next((part for part in parts if not part.isdecimal()), None)
    if wrong is not None:
        raise IsoglotError(f"{option} takes whole numbers, such as 384,256; {wrong!r} is none")
    return list(map(int, parts))
