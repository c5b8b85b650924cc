"""``isoglot report``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.options import Device, Json, Trust, split
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import write_text

if TYPE_CHECKING:
    from isoglot.corpora.collection import Collection
    from isoglot.encoders.encoder import Encoder
    from isoglot.evaluation.results import Audit


class Map(StrEnum):
    """How the 2-D map lays out documents."""

    PCA = "pca"
    UMAP = "umap"


def report(
    audits: Annotated[list[Path], typer.Argument(help="Folders of audits; the first is before, the last is after.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write: .html, .md, .tex or .mteb.json.")],
    data: Annotated[str | None, typer.Option("--data", help="Audited collection, to show its texts.")] = None,
    names: Annotated[str | None, typer.Option(help="Names to show for the audits, e.g. before,after.")] = None,
    models: Annotated[
        str | None, typer.Option(help="Audited models in the order of the audits, to show similarities and a map.")
    ] = None,
    map_kind: Annotated[
        Map,
        typer.Option("--map", help="Layout of the map: principal components, or UMAP (extra umap)."),
    ] = Map.PCA,
    device: Device = "auto",
    json: Json = False,
    trust_remote_code: Trust = False,
) -> None:
    """Write audits as one offline page, as Markdown or LaTeX tables, or as mteb results."""
    from json import dumps

    import isoglot

    if not output.name.endswith((".html", ".md", ".tex", ".mteb.json")):
        raise IsoglotError(f"{output}: a report is written to .html, .md, .tex or .mteb.json; choose such a name")
    loaded = [isoglot.Audit.load(folder) for folder in audits]
    labels = split(names)
    if output.suffix == ".html":
        from isoglot.report.html.page import Material, audits_to_html

        material = Material(
            audits=loaded,
            folders=audits,
            names=labels,
            collection=None if data is None else _audited(data, loaded[0].collection.fingerprint),
            encoders=_encoders(split(models) or [], loaded, device, trust_remote_code),
            map_kind=map_kind,
            command=shlex.join(["isoglot", *sys.argv[1:]]),
        )
        text = audits_to_html(material, show_progress=True)
    elif output.suffix == ".json":
        from isoglot.report.mteb import audits_to_mteb

        text = audits_to_mteb(loaded, labels)
    else:
        text = _tables(loaded, labels, output.suffix)
    write_text(output, text)
    size = len(text.encode())
    if json:
        print(dumps({"report": str(output), "bytes": size}, ensure_ascii=False))
    print(f"wrote {output}, {size / 1024:.0f} KiB", file=sys.stderr)


def _audited(data: str, fingerprint: str) -> Collection:
    """Load the collection as it was audited: with --find-identical or --relevant-from, as its fingerprint says."""
    from isoglot.corpora.sources import load_collection

    collection = load_collection(data)
    if collection.identical and collection.fingerprint != fingerprint:
        collection = load_collection(data, find_identical=True)
    grades = sorted({grade for judged in collection.grades.values() for grade in judged.values()})
    by_grade = (collection.relevant_from(grade) for grade in grades)
    return next((chosen for chosen in by_grade if chosen.fingerprint == fingerprint), collection)


def _encoders(
    models: Sequence[str], audits: Sequence[Audit], device: str, trust_remote_code: bool
) -> list[Callable[[], Encoder]]:
    """What loads each model, with the prompts that were chosen for its audit: one at a time is held."""
    from isoglot.encoders.sentence_transformer import load_encoder

    prompts = [
        {role: prompt.text for role, prompt in audit.model.prompts.items() if prompt.source == "chosen"}
        for audit in audits
    ]
    return [
        partial(load_encoder, model, device=device, trust_remote_code=trust_remote_code, prompts=chosen)
        for model, chosen in zip_longest(models, prompts[: len(models)])
    ]


def _tables(audits: Sequence[Audit], names: Sequence[str] | None, suffix: str) -> str:
    """The tables of one audit, or of a comparison of several, as Markdown (``.md``) or LaTeX."""
    import isoglot
    from isoglot.report.changes import change_tables, comparison_change_tables
    from isoglot.report.latex import to_latex
    from isoglot.report.similarities import comparison_similarity_tables
    from isoglot.report.tables import audit_tables, comparison_tables, kept_table, summary_table

    if len(audits) == 1:
        tables = [*audit_tables(audits[0]), *change_tables(audits[0])]
        return isoglot.to_markdown(audits[0]) if suffix == ".md" else to_latex(tables)
    comparison = isoglot.compare(*audits, names=names)
    if suffix == ".md":
        return isoglot.to_markdown(comparison)
    overview = [table for table in (summary_table(comparison), kept_table(comparison)) if table.rows]
    more = [*comparison_change_tables(comparison), *comparison_similarity_tables(comparison)]
    return to_latex([*overview, *more, *comparison_tables(comparison)])
