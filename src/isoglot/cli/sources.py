"""``isoglot sources``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.options import Force, Json
from isoglot.platform.errors import IsoglotError


def sources(
    source: Annotated[str | None, typer.Argument(help="Collection to save as files, e.g. mini@demo; needs -o.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for its corpus.jsonl, queries.jsonl and qrels/test.tsv."),
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """List the sources of collections, or save a collection as files that folder:DIR reads."""
    import sys
    from dataclasses import asdict
    from json import dumps

    from isoglot.corpora.sources import SOURCES, load_collection
    from isoglot.report.tables import Table
    from isoglot.report.terminal import print_tables

    if (source is None) != (output is None):
        raise IsoglotError("to save a collection name both: isoglot sources mini@demo -o my-corpus")
    if source is not None and output is not None:
        from isoglot.corpora.saving import save_collection

        collection = load_collection(source)
        folder = save_collection(collection, output, force=force)
        counts = {"documents": len(collection.documents), "queries": len(collection.queries)}
        if json:
            print(dumps({"output": str(folder), **counts}, ensure_ascii=False))
        else:
            print(f"{folder}: {counts['documents']} documents, {counts['queries']} queries", file=sys.stderr)
        return
    if json:
        print(dumps([asdict(source) for source in SOURCES.values()], indent=1))
        return
    rows = tuple((source.form, source.licence, source.summary) for source in SOURCES.values())
    print_tables([Table("Sources", ("--data", "licence", "what it is"), rows, labels=3)])
