"""``isoglot search``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.options import (
    Balance,
    Device,
    Json,
    Prefer,
    QueryPrompt,
    ScaledK,
    ScaledWeight,
    Trust,
    split,
    with_scaled_options,
)
from isoglot.platform.progress import waiting

if TYPE_CHECKING:
    from isoglot.indexing.passages import Hit

log = logging.getLogger("isoglot")

_SHOWN_CHARACTERS = 200


def search(
    index: Annotated[str, typer.Argument(help="Index that `isoglot index` made.")],
    question: Annotated[str, typer.Argument(help="Question, in any language.")],
    k: Annotated[int, typer.Option("-k", help="Largest number of passages to return.")] = 10,
    model: Annotated[str | None, typer.Option("-m", "--model", help="Model of the index; default: its first.")] = None,
    language: Annotated[
        str | None,
        typer.Option(
            help="Language of the question; default: detected, or the largest of the index where none can be detected."
        ),
    ] = None,
    languages: Annotated[
        str | None, typer.Option(help="Languages of the passages to search, e.g. en,zh; default: all.")
    ] = None,
    balance: Balance = "none",
    scaled_k: ScaledK = None,
    scaled_weight: ScaledWeight = None,
    prefer_query_language: Prefer = None,
    query_prompt: QueryPrompt = None,
    explain: Annotated[bool, typer.Option("--explain", help="Explain the rank of each passage.")] = False,
    device: Device = "auto",
    json: Json = False,
    trust_remote_code: Trust = False,
) -> None:
    """Search an index."""
    from dataclasses import asdict
    from json import dumps

    from isoglot.indexing.store import Index
    from isoglot.report.terminal import print_lines

    opened = Index(index)
    balance = with_scaled_options(balance, scaled_k, scaled_weight, prefer_query_language)
    for note in opened.scaling_notes(balance, split(languages)):
        log.warning(note)
    with waiting(f"loading {model or 'the model'}"):
        opened.load_encoder(model, device=device, trust_remote_code=trust_remote_code, query_prompt=query_prompt)
    hits = opened.search(
        question,
        k=k,
        model=model,
        language=language,
        languages=split(languages),
        balance=balance,
        explain=explain,
    )
    if json:
        print(dumps([asdict(hit) for hit in hits], ensure_ascii=False))
    else:
        print_lines([line for hit in hits for line in _lines(hit)] or ["nothing found"])


def _lines(hit: Hit) -> list[str]:
    text = " ".join(hit.passage.full_text.split())
    scaled = "" if hit.scaled is None else f" ({hit.scaled:+.3f} scaled)"
    lines = [
        f"{hit.rank:>3}  {hit.score:.3f}{scaled}  {hit.passage.language}  {hit.passage.id}",
        f"     {text[:_SHOWN_CHARACTERS]}{'…' if len(text) > _SHOWN_CHARACTERS else ''}",
    ]
    if hit.explanation is not None:
        explanation = hit.explanation
        by_words = "" if explanation.word_rank is None else f", {explanation.word_rank} by words"
        lines.append(
            f"     rank {explanation.plain_rank} without balancing, {explanation.language_rank} in its language, "
            f"{explanation.deviations:+.2f} deviations from its language's mean score{by_words}"
        )
    return lines
