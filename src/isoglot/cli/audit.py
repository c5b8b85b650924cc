"""``isoglot audit``."""

from __future__ import annotations

import resource
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.options import Data, Device, Force, Json, OutputFolder, Seed, Trust, split
from isoglot.errors import IsoglotError
from isoglot.files import write_text

if TYPE_CHECKING:
    from isoglot.results import Audit


def audit(
    model: Annotated[str, typer.Argument(help="An embedded model, a folder, or a hub id.")],
    data: Data,
    pool: Annotated[list[str] | None, typer.Option(help="Languages of a pool, e.g. en,zh; may be repeated.")] = None,
    query_languages: Annotated[str | None, typer.Option(help="Languages to ask in, e.g. en,zh.")] = None,
    scenarios: Annotated[str, typer.Option(help="Which scenarios.")] = "multi,mono-same,mono-cross,control",
    documents: Annotated[str, typer.Option(help="dedup, or rows as in the paper.")] = "dedup",
    balanced: Annotated[bool, typer.Option("--balanced", help="Give each language an equal share of results.")] = False,
    limit: Annotated[int | None, typer.Option(help="Ask at most this many questions.")] = None,
    measures: Annotated[str | None, typer.Option(help="Measures, e.g. max_r,complete@5.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    output: OutputFolder = None,
    runs: Annotated[bool, typer.Option("--runs", help="Write TREC runs and qrels too.")] = False,
    force: Force = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print the verdict without the tables.")] = False,
    json: Json = False,
    trust_remote_code: Trust = False,
) -> None:
    """Audit a retriever in pools of one and of several languages."""
    import isoglot
    from isoglot.auditing import describe_model
    from isoglot.encoders.sentence_transformer import load_encoder
    from isoglot.measures import DEFAULT_MEASURES
    from isoglot.report.markdown import audit_to_markdown
    from isoglot.report.tables import audit_tables, verdicts
    from isoglot.report.terminal import print_lines, print_tables
    from isoglot.report.trec import DEPTH, write_runs
    from isoglot.results import AUDIT, Audit

    if runs and output is None:
        raise IsoglotError("--runs needs -o DIR to write to")
    started = time.monotonic()
    collection = isoglot.load_collection(data)
    encoder = load_encoder(model, device=device, trust_remote_code=trust_remote_code)
    there = None if output is None or force or not (output / AUDIT).exists() else Audit.load(output)
    if there is not None:
        expected = (describe_model(encoder), collection.fingerprint, seed, limit, balanced, documents)
        mode = there.scenarios[0].documents_mode
        if (there.model, there.collection["fingerprint"], there.seed, there.limit, there.balanced, mode) != expected:
            raise IsoglotError(
                f"{output}: holds another audit, of {_described(there)}; choose another folder or pass --force"
            )
    result = isoglot.audit(
        encoder,
        collection,
        pools=None if pool is None else [split(languages) or [] for languages in pool],
        query_languages=split(query_languages),
        scenarios=split(scenarios) or [],
        documents=documents,
        balanced=balanced,
        limit=limit,
        measures=split(measures) or DEFAULT_MEASURES,
        seed=seed,
        run_depth=DEPTH if runs else 0,
        progress=True,
    )
    if output is not None:
        if there is not None and [found.cell for found in there.scenarios] != [
            found.cell for found in result.scenarios
        ]:
            raise IsoglotError(f"{output}: holds an audit of other pools; choose another folder or pass --force")
        result.save(output)
        write_text(output / "audit.md", audit_to_markdown(result))
        if runs:
            write_runs(result, collection, output / "runs")
    if json:
        print(result.to_json(), end="")
        return
    if not quiet:
        print_tables(audit_tables(result))
    print_lines(verdicts(result))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    print(f"{time.monotonic() - started:.1f} s, peak memory {peak:.0f} MiB", file=sys.stderr)
    if output is not None:
        print(f"wrote {output}/audit.md and audit.json", file=sys.stderr)


def _described(audit: Audit) -> str:
    limit = "" if audit.limit is None else f", limit {audit.limit}"
    mode = audit.scenarios[0].documents_mode
    return f"{audit.retriever} on {audit.collection['name']} with seed {audit.seed}, {mode} documents{limit}"
