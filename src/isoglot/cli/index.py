"""``isoglot index``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.options import Device, Json, Trust
from isoglot.platform.errors import IsoglotError

if TYPE_CHECKING:
    from isoglot.indexing.writer import Changes


def index(
    output: Annotated[str, typer.Option("-o", "--output", help="The index: a folder, or s3://... and the like.")],
    corpus: Annotated[
        str | None,
        typer.Argument(
            help="A file (.jsonl, .csv, .tsv, .parquet, .txt, .md, .html, .pdf), a folder of such files, or a source "
            "such as mini@test. Without it, the index is described."
        ),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("-m", "--model", help="A model to add to the index; may be repeated.")
    ] = None,
    add: Annotated[
        bool, typer.Option("--add", help="Add to an index of other corpora, and delete nothing from it.")
    ] = False,
    delete: Annotated[list[str] | None, typer.Option(help="Delete the document with this id; may be repeated.")] = None,
    drop: Annotated[str | None, typer.Option(help="Delete the vectors of this model.")] = None,
    language: Annotated[str | None, typer.Option(help="Of documents that name none; else it is detected.")] = None,
    passage_tokens: Annotated[
        int | None, typer.Option(help="The most tokens of a passage; else as many as the models read, at most 512.")
    ] = None,
    overlap: Annotated[
        int | None, typer.Option(help="Tokens that a passage repeats of the last; else an eighth of a passage.")
    ] = None,
    device: Device = "auto",
    json: Json = False,
    trust_remote_code: Trust = False,
) -> None:
    """Index a corpus for search; run again, only what has changed is touched."""
    from isoglot.indexing.update import delete_documents, drop_model, update_index
    from isoglot.platform.languages import canonical

    if corpus is None and (model or add):
        raise IsoglotError("name the corpus to index, before the options")
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
            show_progress=True,
        )
        if not json:
            print(_told(changes))
    elif delete or drop:
        return
    _describe(output, as_json=json)


def _told(changes: Changes) -> str:
    counts = {
        "added": changes.added,
        "changed": changes.changed,
        "deleted": changes.deleted,
        "unchanged": changes.unchanged,
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    passages = f"; {changes.encoded} passages encoded for added models" if changes.encoded else ""
    return f"documents: {told}{passages}"


def _describe(folder: str, *, as_json: bool) -> None:
    from json import dumps

    from isoglot.indexing.describing import describe

    found = describe(folder)
    if as_json:
        print(dumps(found, ensure_ascii=False))
        return
    counts = found["languages"]
    shares = ", ".join(f"{tag} {count}" for tag, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    print(f"{folder}: {found['passages']} passages ({shares or 'none'}), version {found['version']}")
    for model in found["models"]:
        how = "exact search" if model["recall"] is None else f"approximate search, recall@10 {model['recall']:.3f}"
        state = how if model["ready"] else "not complete; run the same command again"
        print(f"  {model['name']}: {model['dimension']} dimensions, {state}")
