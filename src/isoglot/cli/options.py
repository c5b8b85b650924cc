"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from isoglot.stores.base import Fields

Data = Annotated[
    str, typer.Option("--data", help="A source: mini@test, xquad:DIR, folder:DIR ...; see `isoglot sources`.")
]
SourceLanguage = Annotated[
    str | None,
    typer.Option(
        "--src", help="Language of the first column of --data, a table of parallel sentences; its head may name it too."
    ),
]
TargetLanguage = Annotated[str | None, typer.Option("--tgt", help="Language of its second column.")]
Seed = Annotated[int, typer.Option(help="Random seed; the same seed gives the same result.")]
Device = Annotated[str, typer.Option(help="The device: auto, cpu, cuda, cuda:1, mps ...")]
Precision = Annotated[
    str,
    typer.Option(help="Number format of the model's products: auto, float32, bfloat16, or int8 (on a CPU)."),
]
Goal = Annotated[
    str,
    typer.Option(
        help="What is judged. together: all versions of the right document in the top 10; own-first: so, and the one "
        "in the question's language first."
    ),
]
Balance = Annotated[
    str,
    typer.Option(
        help="How languages share the ranks. none: by score; equal: the languages take turns; proportional: each has "
        "its share of the documents; scaled: by score, less what is usual for the language."
    ),
]
ScaledK = Annotated[
    int | None, typer.Option(help="Number of a language's best scores that --balance scaled averages (default 5).")
]
ScaledWeight = Annotated[
    float | None,
    typer.Option(help="Weight of that average against the mean of all scores, from 0 to 1 (default 0.7)."),
]
Prefer = Annotated[
    float | None,
    typer.Option(
        "--prefer-query-language",
        help="What documents in the question's language gain with --balance scaled, in units of the scores, e.g. 0.01.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what is in the output folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Trust = Annotated[bool, typer.Option("--trust-remote-code", help="Let code inside the model's repository run.")]
QueryPrompt = Annotated[
    str | None,
    typer.Option(
        "--query-prompt",
        help="Prompt before each query: its text, or the name of one of the model's prompts; '' for none. By default "
        "what the model's configuration says.",
    ),
]
DocumentPrompt = Annotated[str | None, typer.Option("--document-prompt", help="Prompt before each document, likewise.")]
Prompts = Annotated[
    str | None,
    typer.Option("--prompts", help="none: no prompt before queries and documents; by default each model's own."),
]
OutputFolder = Annotated[Path | None, typer.Option("-o", "--output", help="The folder to write to.")]
LanguageField = Annotated[
    str | None, typer.Option("--language-field", help="A store's field, payload key or column that holds the language.")
]
ContentField = Annotated[
    str | None, typer.Option("--content-field", help="A store's field of the id that translations share, if there is.")
]
VectorField = Annotated[
    str | None, typer.Option("--vector-field", help="A store's field, column or name of the vector, if it has several.")
]
RowsFile = Annotated[str, typer.Argument(help="A file of rows (.jsonl, .parquet), or a source such as mini@train.")]
RowsOutput = Annotated[Path, typer.Option("-o", "--output", help="The file of rows to write: .jsonl or .parquet.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Treat any finding of a check, and any row that is left out, as an error.")
]
StrictReading = Annotated[
    bool,
    typer.Option(
        "--strict", help="Stop at what would be counted and left out, such as a document without text or language."
    ),
]
Against = Annotated[
    list[str] | None,
    typer.Option(help="A collection that no row may overlap, besides mini@test, xquad and belebele; may be repeated."),
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
