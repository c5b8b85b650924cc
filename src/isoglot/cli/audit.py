"""``isoglot audit``."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.options import Balance, Device, Force, Json, OutputFolder, Precision, Seed, Trust, split
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import write_text
from isoglot.platform.progress import waiting

if TYPE_CHECKING:
    from isoglot.corpora.collection import Collection
    from isoglot.evaluation.results import Audit
    from isoglot.retrievers.base import Retriever
    from isoglot.retrievers.runs import RunRetriever


def audit(
    model: Annotated[
        str | None,
        typer.Argument(
            help="A model's name, folder or hub id, bm25, openai:MODEL, vectors:DIR, ray:DIR; or --run, --index."
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="A source: mini@test, xquad:DIR, folder:DIR ... see `isoglot sources`.")
    ] = None,
    pool: Annotated[list[str] | None, typer.Option(help="Languages of a pool, e.g. en,zh; may be repeated.")] = None,
    query_languages: Annotated[str | None, typer.Option(help="Languages to ask in, e.g. en,zh.")] = None,
    scenarios: Annotated[
        str | None, typer.Option(help="Which of multi,mono-same,mono-cross,control; all, or multi for one run file.")
    ] = None,
    documents_mode: Annotated[
        str, typer.Option(help="dedup: each document once; per-question: one for each question, as in the paper.")
    ] = "dedup",
    balance: Balance = "none",
    balanced: Annotated[bool, typer.Option("--balanced", help="The old name of --balance equal.")] = False,
    limit: Annotated[int | None, typer.Option(help="Ask at most this many questions.")] = None,
    measures: Annotated[str | None, typer.Option(help="Measures, e.g. max_r,complete@5.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    run: Annotated[
        Path | None, typer.Option(help="Audit a TREC run of one pool, or a folder of runs named as --runs names them.")
    ] = None,
    documents_table: Annotated[
        Path | None, typer.Option(help="What the run's documents are: .jsonl or .tsv of id, language, content id.")
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option(help="TREC qrels: the run's judgements, where there is no --data.")
    ] = None,
    index: Annotated[
        str | None, typer.Option(help="Audit the stored vectors of an index; the argument is one of its models.")
    ] = None,
    output: OutputFolder = None,
    runs: Annotated[bool, typer.Option("--runs", help="Write TREC runs and qrels too.")] = False,
    force: Force = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print the verdict without the tables.")] = False,
    json: Json = False,
    trust_remote_code: Trust = False,
) -> None:
    """Audit a retriever in pools of one and of several languages."""
    import isoglot
    from isoglot.evaluation.measures import DEFAULT_MEASURES
    from isoglot.evaluation.results import AUDIT, Audit
    from isoglot.ranking.pools import SCENARIOS
    from isoglot.report.markdown import audit_to_markdown
    from isoglot.report.tables import audit_notes, audit_tables, verdicts
    from isoglot.report.terminal import print_lines, print_tables
    from isoglot.report.trec import DEPTH, write_runs
    from isoglot.retrievers.base import model_record
    from isoglot.retrievers.registry import as_retriever

    balance = "equal" if balanced else balance
    if runs and output is None:
        raise IsoglotError("--runs needs -o DIR to write to")
    started = time.monotonic()
    pools = None if pool is None else [split(languages) or [] for languages in pool]
    retriever: Retriever
    if index is not None:
        from isoglot.indexing.probes import audited
        from isoglot.indexing.store import Index

        if (run, documents_table, qrels) != (None, None, None):
            raise IsoglotError("--run, --documents-table and --qrels do not go with --index")
        opened = Index.open(index)
        collection, retriever = audited(
            opened, model, data, seed=seed, device=device, trust_remote_code=trust_remote_code
        )
    elif run is None:
        collection = _collection(model, data, documents_table, qrels)
        with waiting(f"loading {model}"):
            retriever = as_retriever(
                model or "", device=device, precision=precision, trust_remote_code=trust_remote_code
            )
    else:
        if model is not None:
            raise IsoglotError(f"name a retriever ({model}) or --run, not both")
        collection, retriever = _of_run(run, data, documents_table, qrels, split(query_languages) or [])
        if run.is_file():
            scenarios = scenarios or "multi"
            pools = pools or [list(dict.fromkeys(document.language for document in collection.documents))]
    there = None if output is None or force or not (output / AUDIT).exists() else Audit.load(output)
    if there is not None:
        expected = (model_record(retriever.describe()), collection.fingerprint, seed, limit, balance, documents_mode)
        mode = there.scenarios[0].documents_mode
        if (there.model, there.collection["fingerprint"], there.seed, there.limit, there.balance, mode) != expected:
            raise IsoglotError(
                f"{output}: holds another audit, of {_described(there)}; choose another folder or pass --force"
            )
    result = isoglot.audit(
        retriever,
        collection,
        pools=pools,
        query_languages=split(query_languages),
        scenarios=SCENARIOS if scenarios is None else split(scenarios) or [],
        documents_mode=documents_mode,
        balance=balance,
        limit=limit,
        measures=split(measures) or DEFAULT_MEASURES,
        seed=seed,
        run_depth=DEPTH if runs else 0,
        show_progress=True,
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
    notes = [f"Note: {note}" for note in collection.notes]
    print_lines([*verdicts(result), *audit_notes(result), *notes])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    print(f"{time.monotonic() - started:.1f} s, peak memory {peak:.0f} MiB", file=sys.stderr)
    if output is not None:
        print(f"wrote {output}/audit.md and audit.json", file=sys.stderr)


def _collection(model: str | None, data: str | None, documents_table: Path | None, qrels: Path | None) -> Collection:
    from isoglot.corpora.sources import load_collection

    if documents_table is not None or qrels is not None:
        raise IsoglotError("--documents-table and --qrels go with --run")
    if model is None or data is None:
        raise IsoglotError("name a retriever and its --data, or a --run, or an --index")
    return load_collection(data)


def _of_run(
    run: Path, data: str | None, documents_table: Path | None, qrels: Path | None, query_languages: list[str]
) -> tuple[Collection, RunRetriever]:
    """What a run is audited on: the collection of --data, or the documents of a table and qrels."""
    from isoglot.corpora.sources import load_collection
    from isoglot.corpora.trec import check_qrels, judged_collection, known_documents, read_documents_table
    from isoglot.retrievers.runs import RunRetriever

    if data is not None:
        collection = load_collection(data)
        documents = known_documents(collection) if documents_table is None else read_documents_table(documents_table)
        if qrels is not None:
            check_qrels(qrels, collection, documents)
    elif documents_table is None or qrels is None or len(query_languages) != 1:
        raise IsoglotError(
            "--run needs the languages of documents and queries: --data, or --documents-table, --qrels and the one "
            "language that was asked in, --query-languages"
        )
    else:
        collection = judged_collection(documents_table, qrels, query_languages[0])
        documents = read_documents_table(documents_table)
    return collection, RunRetriever(run, documents)


def _described(audit: Audit) -> str:
    limit = "" if audit.limit is None else f", limit {audit.limit}"
    mode = audit.scenarios[0].documents_mode
    return f"{audit.retriever} on {audit.collection['name']} with seed {audit.seed}, {mode} documents{limit}"
