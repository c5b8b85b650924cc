"""``isoglot index``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.options import Device, DocumentPrompt, Json, Prompts, QueryPrompt, StrictReading, Trust, chosen_prompts
from isoglot.platform.errors import IsoglotError

if TYPE_CHECKING:
    from isoglot.indexing.describing import IndexDescription, ModelDescription
    from isoglot.indexing.writer import Changes


def index(
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            help="Index to make, update or describe: a folder, or an address such as s3://bucket/index.",
        ),
    ],
    corpus: Annotated[
        str | None,
        typer.Argument(
            help="Corpus: a file (.jsonl, .csv, .tsv, .parquet, .txt, .md, .html, .pdf), a folder of such files, or a "
            "source such as mini@test. Without it, the index is described."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            help="Model to add to the index, e.g. e5-small-q4, openai:MODEL, or either with a transform "
            "(MODEL+DIR); may be repeated.",
        ),
    ] = None,
    add: Annotated[bool, typer.Option("--add", help="Add this corpus to those in the index; delete nothing.")] = False,
    delete: Annotated[list[str] | None, typer.Option(help="Id of a document to delete; may be repeated.")] = None,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Add calibrated vectors beside those of each model, or of those named with -m, or fit them again.",
        ),
    ] = False,
    queries: Annotated[
        Path | None,
        typer.Option(help="With --calibrate: questions that people asked (.txt, .jsonl); default: spans of passages."),
    ] = None,
    drop: Annotated[str | None, typer.Option(help="Model whose vectors are deleted.")] = None,
    language: Annotated[
        str | None, typer.Option(help="Language of documents that name none; default: detected.")
    ] = None,
    passage_tokens: Annotated[
        int | None,
        typer.Option(help="Largest number of tokens of a passage; default: what all models read, at most 512."),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(
            help="Number of tokens that a passage repeats from the one before; default: an eighth of a passage."
        ),
    ] = None,
    prompts: Prompts = None,
    query_prompt: QueryPrompt = None,
    document_prompt: DocumentPrompt = None,
    device: Device = "auto",
    strict: StrictReading = False,
    json: Json = False,
    trust_remote_code: Trust = False,
) -> None:
    """Index a corpus for search.

    Run it again after the corpus has changed: only changed documents are processed. With --calibrate, the exit code is
    3 if the calibrated vectors lost too much; they are then not stored.
    """
    from isoglot.indexing.describing import describe_index
    from isoglot.indexing.update import delete_documents, drop_model, update_index
    from isoglot.platform.languages import canonical

    chosen = chosen_prompts(prompts, query_prompt, document_prompt)
    if corpus is None and (add or chosen or (model and not calibrate)):
        raise IsoglotError("name the corpus to index, before the options")
    if queries is not None and not calibrate:
        raise IsoglotError("--queries goes with --calibrate")
    if delete:
        print(f"deleted {delete_documents(output, delete)} passages of {len(set(delete))} documents")
    if drop:
        drop_model(output, drop)
        print(f"dropped {drop}")
    if corpus is not None:
        changes = update_index(
            corpus,
            output,
            model or [],
            add=add,
            language=None if language is None else canonical(language),
            passage_tokens=passage_tokens,
            overlap=overlap,
            device=device,
            trust_remote_code=trust_remote_code,
            prompts=chosen,
            strict=strict,
            show_progress=True,
        )
        if not json:
            print(_changes_line(changes))
    elif (delete or drop) and not calibrate:
        return
    if calibrate:
        from isoglot.alignment.index_calibration import calibrate_index
        from isoglot.alignment.tables import guard_tables
        from isoglot.report.terminal import print_tables

        folders = calibrate_index(
            output, model, queries=queries, device=device, trust_remote_code=trust_remote_code, show_progress=True
        )
        if not json:
            print_tables([table for folder in folders.values() for table in guard_tables(folder)])
    _print_description(output, describe_index(output), as_json=json)


def _changes_line(changes: Changes) -> str:
    counts = {
        "added": changes.added,
        "changed": changes.changed,
        "deleted": changes.deleted,
        "unchanged": changes.unchanged,
    }
    documents = ", ".join(f"{count} {change}" for change, count in counts.items() if count)
    passages = f"; {changes.encoded} passages encoded for added models" if changes.encoded else ""
    return f"documents: {documents}{passages}"


def _print_description(folder: str, description: IndexDescription, *, as_json: bool) -> None:
    from json import dumps

    from msgspec import to_builtins

    from isoglot.indexing.languages import largest_first

    if as_json:
        print(dumps(to_builtins(description), ensure_ascii=False))
        return
    counts = description.languages
    languages = ", ".join(f"{tag} {counts[tag]}" for tag in largest_first(counts)) or "none"
    print(f"{folder}: {description.passages} passages ({languages}), version {description.version}")
    for model in description.models:
        print(f"  {model.name}: {model.dimension} dimensions, {_search_kind(model)}")


def _search_kind(model: ModelDescription) -> str:
    if not model.ready:
        return "not complete; run the same command again"
    return "exact search" if model.recall is None else f"approximate search, recall@10 {model.recall:.3f}"
