"""What one alignment needs before it starts: the request, its rows, its development split, its model."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isoglot.alignment.corpus_texts import (
    CorpusTexts,
    index_of,
    is_corpus,
    keep_vectors_of_index,
    read_corpus_texts,
)
from isoglot.alignment.guard import FEWEST_HELD_OUT, hold_out, named_development
from isoglot.alignment.options import BY_THE_DATA
from isoglot.alignment.record import SCHEMA, BaseRecord, DataRecord, DevelopmentRecord, Recipe, digest
from isoglot.alignment.registry import METHODS, Method
from isoglot.corpora.collection import Collection
from isoglot.corpora.sources import load_collection
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.evaluation.goals import TOGETHER, GoalName
from isoglot.platform.errors import IsoglotError
from isoglot.platform.version import __version__
from isoglot.training_data.loading import data_name, training_rows
from isoglot.training_data.row import Row, fingerprint
from isoglot.transforms.shares import SHARES

log = logging.getLogger(__name__)

FEW = 30
"""The number of documents of a language below which a user is warned that little is known of it."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What all runs of one `align` share; its arguments are described there.

    Raises:
        IsoglotError: `max_loss` is negative or not finite.
    """

    model: str
    data: str | Path | Collection | Sequence[Row]
    queries: str | Path | None = None
    languages: Sequence[str] | None = None
    per_row: int | None = None
    dev: str | Collection | None = None
    goal: GoalName = TOGETHER.name
    max_loss: float = 1.0
    keep_scale: bool = False
    device: str = "auto"
    force: bool = False
    strict: bool = False
    trust_remote_code: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    show_progress: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.max_loss < math.inf:
            raise IsoglotError(f"max loss is {self.max_loss} points; it must be 0 or more and finite")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One method on one model with one seed, ready to start.

    Attributes:
        request: What the run shares with others.
        method: The method.
        options: The method's options.
        seed: Random seed of the training.
        target: The folder to write.
        rows: The rows to train on or fit to, or the texts of a corpus.
        development: The collection to judge by; None: no guard.
        encoder: The base; the method changes its model.
        recipe: Everything that decides the result, as isoglot.json holds it.
    """

    request: Request
    method: Method
    options: Any
    seed: int
    target: Path
    rows: Sequence[Row] | CorpusTexts
    development: Collection | None
    encoder: Encoder
    recipe: Recipe

    @property
    def training_rows(self) -> Sequence[Row]:
        """The rows; of a corpus, what trained methods see of it."""
        return self.rows.rows if isinstance(self.rows, CorpusTexts) else self.rows

    @property
    def lossy(self) -> Path:
        """The folder of the model if the guard fails it."""
        return self.target.with_name(f"{self.target.name}.lossy")

    @property
    def working(self) -> Path:
        """The folder from which an interrupted training continues; another recipe has another one."""
        return self.target.with_name(f".{self.target.name}.training-{digest(self.recipe)}")


def prepare(request: Request, method: Method, options: Mapping[str, Any], output: str | Path, *, seed: int) -> Run:
    """Load what a run needs.

    Args:
        request: What the run shares with others.
        method: The method.
        options: The method's options that the user gave.
        output: The folder to write.
        seed: Random seed of the training.

    Raises:
        IsoglotError: Something named does not exist, or an option is wrong.
    """
    settings = method.options(options)
    rows, development = texts_and_development(request, method, seed)
    settings = with_query_share(settings, rows)
    if request.keep_scale and development is None:
        raise IsoglotError("--keep-scale needs a development split, on which cosines are compared; name one with --dev")
    encoder = load_encoder(
        request.model,
        device=request.device,
        precision="float32",
        trust_remote_code=request.trust_remote_code,
        prompts=request.prompts,
    )
    if index := index_of(request.data):
        keep_vectors_of_index(index, encoder)
    recipe = Recipe(
        schema=SCHEMA,
        isoglot=__version__,
        method=method.name,
        needs_language=method.needs_language,
        options=dataclasses.asdict(settings),
        seed=seed,
        base=BaseRecord(request.model, encoder.fingerprint, encoder.chosen_prompts),
        data=_data_record(rows, data_name(request.data)),
        development=None if development is None else _development_record(development),
        keep_scale=request.keep_scale,
        goal=request.goal,
    )
    return Run(
        request=request,
        method=method,
        options=settings,
        seed=seed,
        target=Path(output),
        rows=rows,
        development=development,
        encoder=encoder,
        recipe=recipe,
    )


def texts_and_development(
    request: Request, method: Method, seed: int
) -> tuple[Sequence[Row] | CorpusTexts, Collection | None]:
    """Read what a method is fitted to or trained on, and the development split; None: nothing guards the result.

    Raises:
        IsoglotError: Something named does not exist, or the method needs labels that a corpus has not.
    """
    if not is_corpus(request.data):
        if request.queries is not None:
            raise IsoglotError("queries go with a corpus without labels; training rows have their own")
        return _rows_and_development(request, seed)
    if method.labels:
        without = ", ".join(other.name for other in METHODS.values() if not other.labels)
        raise IsoglotError(
            f"{request.data}: is a corpus without labels, and {method.name} needs queries with their documents; "
            f"choose {without}, or name training rows"
        )
    return _corpus_and_probes(request)


def with_query_share(settings: Any, rows: Sequence[Row] | CorpusTexts) -> Any:
    """The options with the share of the queries' mean that the data asks for, where the user named none."""
    if getattr(settings, "query_share", None) != BY_THE_DATA:
        return settings
    kind = "rows" if not isinstance(rows, CorpusTexts) else "questions" if rows.asked else "spans"
    return dataclasses.replace(settings, query_share=SHARES[kind])


def _data_record(data: Sequence[Row] | CorpusTexts, name: str) -> DataRecord:
    if isinstance(data, CorpusTexts):
        return DataRecord(
            name=name,
            fingerprint=data.fingerprint,
            languages=data.languages,
            rows=0,
            documents=len(data.documents),
            queries=len(data.queries),
            spans=not data.asked,
        )
    return DataRecord(
        name=name,
        fingerprint=fingerprint(data),
        languages=sorted({language for row in data for language in row.document}),
        rows=len(data),
        licences=sorted({row.licence for row in data if row.licence}),
    )


def _corpus_and_probes(request: Request) -> tuple[CorpusTexts, Collection | None]:
    """The texts of a corpus, and what the result is judged by: its own probes, unless the user names a collection."""
    corpus = read_corpus_texts(str(request.data), request.queries, request.languages, strict=request.strict)
    log.info(
        "%s: %d documents in %s; %d %s",
        request.data,
        len(corpus.documents),
        ", ".join(corpus.languages),
        len(corpus.queries),
        "questions" if corpus.asked else "spans of them stand in for questions (--queries)",
    )
    _warn_of_few(corpus)
    if request.dev == "none":
        return corpus, None
    if request.dev is not None:
        return corpus, _loaded(request.dev, request.strict)
    if len(corpus.languages) == 1:
        log.warning("%s: is in one language, so calibration mends nothing across languages", corpus.name)
    probes = corpus.probes()
    if probes is None:
        log.warning(
            "%s: no document is longer than a question, so nothing guards the result; name a --dev", corpus.name
        )
    return corpus, probes


def _warn_of_few(corpus: CorpusTexts) -> None:
    """Warn of languages with fewer than `FEW` documents."""
    counts = Counter(document.language for document in corpus.documents)
    few = [f"{tag} ({count})" for tag, count in counts.most_common() if count < FEW]
    if few:
        log.warning(
            "%s: fewer than %d documents in %s: means of so few texts are shrunk, and the check before and after says "
            "little",
            corpus.name,
            FEW,
            ", ".join(few),
        )


def _loaded(source: str | Collection, strict: bool) -> Collection:
    return load_collection(source, strict=strict) if isinstance(source, str) else source


def _development_record(development: Collection) -> DevelopmentRecord:
    return DevelopmentRecord(
        name=development.name,
        fingerprint=development.fingerprint,
        languages=development.languages,
        documents=len(development.documents),
        queries=len(development.queries),
    )


def _rows_and_development(request: Request, seed: int) -> tuple[list[Row], Collection | None]:
    """The rows to train on and the development split.

    Held-out contents keep all their languages; only the training rows are cut to `per_row`.
    """
    rows = training_rows(request.data, request.languages, strict=request.strict)
    development = None
    if request.dev is None:
        rows, development = hold_out(rows, data_name(request.data))
        if development is None:
            log.warning(
                "%s: too few contents to hold %d out, so nothing guards the result; name a collection with --dev",
                data_name(request.data),
                FEWEST_HELD_OUT,
            )
    elif request.dev != "none":
        development = named_development(_loaded(request.dev, request.strict), rows)
    return training_rows(rows, per_row=request.per_row, seed=seed), development
