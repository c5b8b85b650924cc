"""``isoglot audit``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.options import (
    Balance,
    Device,
    DocumentPrompt,
    Force,
    Goal,
    Json,
    LanguageField,
    OutputFolder,
    Precision,
    Prefer,
    Prompts,
    QueryPrompt,
    ScaledK,
    ScaledWeight,
    Seed,
    SourceLanguage,
    StrictReading,
    TargetLanguage,
    Trust,
    VectorField,
    chosen_fields,
    chosen_prompts,
    split,
    whole_numbers,
    with_columns,
    with_scaled_options,
)
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import write_text
from isoglot.platform.process import peak_memory_mib
from isoglot.platform.progress import waiting
from isoglot.retrievers.kinds import FORMS

if TYPE_CHECKING:
    from isoglot.corpora.collection import Collection
    from isoglot.evaluation.results import Audit
    from isoglot.retrievers.base import Retriever
    from isoglot.retrievers.registry import Loading
    from isoglot.retrievers.runs import RunRetriever


def audit(
    model: Annotated[
        str | None,
        typer.Argument(
            help=f"Retriever to audit: a model's name, folder or hub id; {FORMS}; any of these with +TRANSFORM; or a "
            "pipeline such as 'bm25 + MODEL' or 'MODEL %100 >> cross-encoder:MODEL'. Not needed with --run and --index."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Collection to audit on, e.g. mini@test, xquad:DIR, folder:DIR; `isoglot sources` lists all."
        ),
    ] = None,
    src: SourceLanguage = None,
    tgt: TargetLanguage = None,
    pool: Annotated[list[str] | None, typer.Option(help="Languages of a pool, e.g. en,zh; may be repeated.")] = None,
    query_languages: Annotated[
        str | None, typer.Option(help="Query languages, e.g. en,zh; default: all of the pool.")
    ] = None,
    scenarios: Annotated[
        str | None,
        typer.Option(
            help="Scenarios, out of multi,mono-same,mono-cross,control; default: all, or multi for one run file."
        ),
    ] = None,
    documents_mode: Annotated[
        str, typer.Option(help="dedup: each document once; per-question: one copy for each question, as in the paper.")
    ] = "dedup",
    goal: Goal = "together",
    balance: Balance = "none",
    scaled_k: ScaledK = None,
    scaled_weight: ScaledWeight = None,
    prefer_query_language: Prefer = None,
    limit: Annotated[int | None, typer.Option(help="Largest number of questions to ask; default: all.")] = None,
    relevant_from: Annotated[
        float | None,
        typer.Option(help="Lowest grade that counts as relevant; ndcg@K uses all grades. Default: any grade above 0."),
    ] = None,
    measures: Annotated[str | None, typer.Option(help="Measures to compute, e.g. max_r,complete@5,classes.")] = None,
    stress: Annotated[
        str | None,
        typer.Option(help="Also ask changed queries: code-switched,romanised,no-diacritics,typos, or all."),
    ] = None,
    stored: Annotated[
        str | None,
        typer.Option(help="Also rank by vectors in a storage format: float32,float16,int8,int8-codes,binary."),
    ] = None,
    dimensions: Annotated[
        str | None, typer.Option(help="Numbers of components to keep in the vectors of --stored, e.g. 384,256,128.")
    ] = None,
    prompts: Prompts = None,
    query_prompt: QueryPrompt = None,
    document_prompt: DocumentPrompt = None,
    seed: Seed = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    run: Annotated[
        Path | None, typer.Option(help="TREC run of one pool to audit, or a folder of runs named as --runs names them.")
    ] = None,
    documents_table: Annotated[
        Path | None,
        typer.Option(
            help="Languages and content ids of the run's documents: a corpus, or a .tsv of id, language, content id."
        ),
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option(help="Qrels of the run, in TREC's or BEIR's format; required without --data.")
    ] = None,
    index: Annotated[
        str | None, typer.Option(help="Index whose stored vectors are audited; the argument is then one of its models.")
    ] = None,
    language_field: LanguageField = None,
    vector_field: VectorField = None,
    output: OutputFolder = None,
    runs: Annotated[bool, typer.Option("--runs", help="Also write TREC runs and qrels.")] = False,
    force: Force = False,
    strict: StrictReading = False,
    find_identical: Annotated[
        bool,
        typer.Option(
            "--find-identical",
            help="Let a query find the document that has its own id; by default it does not, as in BEIR.",
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print the verdict without the tables.")] = False,
    json: Json = False,
    trust_remote_code: Trust = False,
) -> None:
    """Audit a retriever in pools of one language and of several.

    Without --data, vectors:DIR or a vector store is audited by its vectors alone: language lift and self-retrieval.
    """
    import isoglot
    from isoglot.evaluation.measures import DEFAULT_MEASURES
    from isoglot.ranking.pools import SCENARIOS
    from isoglot.report.markdown import audit_to_markdown
    from isoglot.report.trec import DEPTH, write_runs
    from isoglot.retrievers.registry import Loading

    if runs and output is None:
        raise IsoglotError("--runs needs -o DIR to write to")
    started = time.monotonic()
    data = with_columns(data, src, tgt)
    sources = _Sources(
        model=model,
        data=data,
        run=run,
        documents_table=documents_table,
        qrels=qrels,
        index=index,
        strict=strict,
        find_identical=find_identical,
    )
    loading = Loading(
        device,
        precision,
        trust_remote_code,
        chosen_prompts(prompts, query_prompt, document_prompt),
        chosen_fields(language_field, vector=vector_field),
    )
    if model is not None and {data, run, index, documents_table, qrels} == {None}:
        _audit_unlabelled(model, loading, seed, output, as_json=json)
        return
    collection, retriever = sources.load(split(query_languages) or [], seed, loading)
    pools = None if pool is None else [split(languages) or [] for languages in pool]
    if run is not None and run.is_file():
        scenarios = scenarios or "multi"
        pools = pools or [list(dict.fromkeys(document.language for document in collection.documents))]
    result = isoglot.audit(
        retriever,
        collection,
        pools=pools,
        query_languages=split(query_languages),
        scenarios=SCENARIOS if scenarios is None else split(scenarios) or [],
        documents_mode=documents_mode,
        goal=goal,
        balance=with_scaled_options(balance, scaled_k, scaled_weight, prefer_query_language),
        limit=limit,
        relevant_from=relevant_from,
        measures=split(measures) or DEFAULT_MEASURES,
        stress=split(stress) or (),
        stored=split(stored) or (),
        dimensions=whole_numbers(dimensions, "--dimensions"),
        seed=seed,
        run_depth=DEPTH if runs else 0,
        output=output,
        force=force,
        show_progress=True,
    )
    if output is not None:
        write_text(output / "audit.md", audit_to_markdown(result))
        if runs:
            write_runs(result, collection, output / "runs")
    if json:
        print(result.to_json(), end="")
        return
    _print(result, tables=not quiet)
    peak = peak_memory_mib()
    memory = "" if peak is None else f", peak memory {peak:.0f} MiB"
    print(f"{time.monotonic() - started:.1f} s{memory}", file=sys.stderr)
    if output is not None:
        print(f"wrote {output}/audit.md and audit.json", file=sys.stderr)


def _audit_unlabelled(model: str, loading: Loading, seed: int, output: Path | None, *, as_json: bool) -> None:
    """Audit what holds vectors, without --data."""
    from isoglot.evaluation.unlabelled import FILE, audit_unlabelled
    from isoglot.report.lift import lift_table
    from isoglot.report.markdown import tables_to_markdown
    from isoglot.report.terminal import print_lines, print_tables
    from isoglot.report.unlabelled import unlabelled_lines
    from isoglot.retrievers.registry import as_retriever, is_kind

    if not is_kind(model):
        raise IsoglotError("name a retriever and its --data, or a --run, or an --index")
    with waiting(f"reading {model}"):
        result = audit_unlabelled(as_retriever(model, **vars(loading)), seed)
    lines, table = unlabelled_lines(result), lift_table(result.lift)
    if output is not None:
        write_text(output / FILE, result.to_json())
        write_text(output / "unlabelled.md", tables_to_markdown([table], lines))
    if as_json:
        print(result.to_json(), end="")
    else:
        print_tables([table])
        print_lines(lines)
    if output is not None:
        print(f"wrote {output}/unlabelled.md and {FILE}", file=sys.stderr)


@dataclass(frozen=True, kw_only=True)
class _Sources:
    """The options that say what is audited and on what: a retriever with --data, a --run, or an --index."""

    model: str | None
    data: str | None
    run: Path | None
    documents_table: Path | None
    qrels: Path | None
    index: str | None
    strict: bool
    find_identical: bool

    def load(self, query_languages: Sequence[str], seed: int, loading: Loading) -> tuple[Collection, Retriever]:
        """The collection and the retriever.

        Raises:
            IsoglotError: The options do not go together, or something cannot be loaded.
        """
        if self.index is not None:
            if (self.run, self.documents_table, self.qrels) != (None, None, None):
                raise IsoglotError("--run, --documents-table and --qrels do not go with --index")
            if "document" in (loading.prompts or {}):
                raise IsoglotError("--index holds the documents' vectors, prompts included; choose only --query-prompt")
            return self._of_index(self.index, seed, loading)
        if self.run is not None:
            if self.model is not None:
                raise IsoglotError(f"name a retriever ({self.model}) or --run, not both")
            if loading.prompts:
                raise IsoglotError("--prompts, --query-prompt and --document-prompt do not go with --run")
            return self._of_run(self.run, query_languages)
        return self._of_retriever(loading)

    def _of_index(self, index: str, seed: int, loading: Loading) -> tuple[Collection, Retriever]:
        from isoglot.indexing.probes import audit_inputs
        from isoglot.indexing.store import Index

        return audit_inputs(
            Index(index),
            self.model,
            self.data,
            seed=seed,
            device=loading.device,
            trust_remote_code=loading.trust_remote_code,
            query_prompt=(loading.prompts or {}).get("query"),
            strict=self.strict,
        )

    def _of_retriever(self, loading: Loading) -> tuple[Collection, Retriever]:
        from isoglot.corpora.sources import load_collection
        from isoglot.retrievers.registry import as_retriever

        if self.documents_table is not None or self.qrels is not None:
            raise IsoglotError("--documents-table and --qrels go with --run")
        if self.model is None or self.data is None:
            raise IsoglotError("name a retriever and its --data, or a --run, or an --index")
        collection = load_collection(self.data, strict=self.strict, find_identical=self.find_identical)
        with waiting(f"loading {self.model}"):
            return collection, as_retriever(self.model, **vars(loading))

    def _of_run(self, run: Path, query_languages: Sequence[str]) -> tuple[Collection, RunRetriever]:
        """A run, on the collection of --data or on the documents of a table and qrels."""
        from isoglot.corpora.sources import load_collection
        from isoglot.corpora.trec import check_qrels, judged_collection, known_documents, read_documents_table
        from isoglot.retrievers.runs import RunRetriever

        table, qrels = self.documents_table, self.qrels
        if self.data is not None:
            collection = load_collection(self.data, strict=self.strict, find_identical=self.find_identical)
            documents = (
                known_documents(collection) if table is None else read_documents_table(table, strict=self.strict)
            )
            if qrels is not None:
                check_qrels(qrels, collection, documents, strict=self.strict)
        elif table is None or qrels is None or len(query_languages) != 1:
            raise IsoglotError(
                "--run needs the languages of documents and queries: --data, or --documents-table, --qrels and the one "
                "language that was asked in, --query-languages"
            )
        else:
            collection = judged_collection(table, qrels, query_languages[0], strict=self.strict)
            documents = {document.text: (document.content_id, document.language) for document in collection.documents}
        return collection, RunRetriever(run, documents, strict=self.strict)


def _print(result: Audit, *, tables: bool) -> None:
    from isoglot.report.further import further_tables
    from isoglot.report.tables import audit_notes, audit_tables
    from isoglot.report.terminal import print_lines, print_tables
    from isoglot.report.verdicts import goal_notes, verdicts

    if tables:
        print_tables([*audit_tables(result), *further_tables(result)])
    notes = [f"Note: {note}" for note in result.collection.notes]
    print_lines([*verdicts(result), *goal_notes(result), *audit_notes(result), *notes])
