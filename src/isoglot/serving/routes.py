"""The routes of the API, of the page and of the process."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool

from isoglot.encoders.prompts import ROLES
from isoglot.indexing.languages import TextLanguage, largest_first, text_language
from isoglot.indexing.tables import STORAGE_ERRORS, UnreadableIndexError
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import english_name
from isoglot.report.html.templates import COLOURS
from isoglot.serving import messages
from isoglot.serving.batching import Batcher, EncodedTexts
from isoglot.serving.charts import Charts
from isoglot.serving.columns import search_columns
from isoglot.serving.telemetry import Metrics

if TYPE_CHECKING:
    from isoglot.indexing.encoders import TextEncoder
    from isoglot.indexing.store import Index
    from isoglot.serving.settings import Settings

PAGE = Path(__file__).parent / "page"
EXAMPLES, EXAMPLE_LENGTH = 6, 120
_NO_MODEL: dict[int | str, dict[str, Any]] = {
    404: {"description": "The index has no such model.", "model": messages.Error}
}
_SENTENCE = re.compile(r".+?[.!?。！？।؟]")


@dataclass(frozen=True, kw_only=True)
class ServerContext:
    """What the routes work with.

    Attributes:
        index: The index that is served.
        encoders: Model -> its encoder; only `batcher` encodes with it.
        signatures: Model -> the signature of its vectors in the index when the server was started.
        batcher: Encodes for all clients.
        columns: The two columns that the page begins with.
        charts: Charts of the index and its audits.
        metrics: The server's metrics.
        settings: Limits and key.
        name: What the page calls the index.
    """

    index: Index
    encoders: Mapping[str, TextEncoder]
    signatures: Mapping[str, str]
    batcher: Batcher
    columns: Sequence[messages.Column]
    charts: Charts
    metrics: Metrics
    settings: Settings
    name: str

    def check_vectors(self, models: Iterable[str]) -> None:
        """Refuse to search for vectors that the index does not have.

        Raises:
            UnreadableIndexError: The index cannot be read, or has other vectors than those of the encoders.
        """
        stored = {model.name: model.signature for model in self.index.snapshot().models if model.ready}
        for model in models:
            if stored.get(model) != self.signatures[model]:
                raise UnreadableIndexError(f"the index has other vectors of {model} than when the server was started")

    def check_model(self, model: str, param: str) -> None:
        """Refuse a model that is not served.

        Args:
            model: What a request names.
            param: The field in which it does.

        Raises:
            FieldError: `model` is none of `encoders`.
        """
        if model not in self.encoders:
            message = f"model {model!r} is not in the index; it has {', '.join(self.encoders)}"
            raise messages.FieldError(message, param, status=404, code="model_not_found")

    def find_model(self, name: str) -> tuple[str, str | None]:
        """Return the model that a request names, and the role of its texts where ``MODEL@ROLE`` names one.

        Raises:
            FieldError: It is none of `encoders`.
        """
        model, _, role = name.rpartition("@")
        if name not in self.encoders and model in self.encoders and role in ROLES:
            return model, role
        self.check_model(name, "model")
        return name, None


@contextmanager
def _about(param: str) -> Iterator[None]:
    """Let the errors that a field's value causes name the field.

    Raises:
        FieldError: The value is wrong.
    """
    try:
        yield
    except UnreadableIndexError:
        raise
    except IsoglotError as error:
        raise messages.FieldError(str(error), param) from error


def api_routes(context: ServerContext) -> APIRouter:
    """Make the routes under ``/v1``."""
    needs_key = context.settings.api_key is not None
    bearer = [Depends(HTTPBearer(auto_error=False))] if needs_key else []  # only describes the key in the document
    router = APIRouter(prefix="/v1", dependencies=[Depends(_request_limit(context)), *bearer])
    _add_search(router, context)
    _add_embeddings(router, context)
    _add_descriptions(router, context)
    _add_charts(router, context)
    return router


def _add_search(router: APIRouter, context: ServerContext) -> None:
    index, settings, batcher = context.index, context.settings, context.batcher

    @router.post("/search", responses=_NO_MODEL)
    async def search(asked: messages.SearchRequest, request: Request) -> messages.SearchResponse:
        """Return the best passages for a question, found in one way or in two ways side by side."""
        columns = asked.columns or context.columns[:1]
        models = list(dict.fromkeys(column.model for column in columns))
        languages, language = await run_in_threadpool(_prepare, context, asked, models)
        reported = language.tag if language.recognised else None
        request.state.logged = {"k": asked.k, "columns": len(columns), "language": reported}
        if settings.log_queries:
            request.state.logged["question"] = asked.question
        encoded = await asyncio.gather(
            *(batcher.encode(model, "query", [asked.question], [language.tag]) for model in models)
        )
        vectors = {model: texts.vectors[0] for model, texts in zip(models, encoded, strict=True)}
        return await run_in_threadpool(
            search_columns,
            index,
            columns,
            vectors,
            k=asked.k,
            languages=languages,
            with_twins=asked.twins,
            language=reported,
        )


def _prepare(
    context: ServerContext, asked: messages.SearchRequest, models: Sequence[str]
) -> tuple[list[str] | None, TextLanguage]:
    """Return the languages to search in and the question's own.

    Raises:
        FieldError: A model or language is not in the index.
        UnreadableIndexError: The index holds other vectors than those of the encoders.
    """
    for model in models:
        context.check_model(model, "columns")
    context.check_vectors(models)
    with _about("languages"):
        languages = context.index.language_filter(asked.languages)
    with _about("language"):
        return languages, context.index.text_language(asked.question, asked.language)


def _add_embeddings(router: APIRouter, context: ServerContext) -> None:
    @router.post("/embeddings", response_model=messages.EmbeddingResponse, responses=_NO_MODEL)
    async def embeddings(asked: messages.EmbeddingRequest, request: Request) -> Response:
        """Return the vectors of texts, as OpenAI's API does."""
        model, role = context.find_model(asked.model)
        if asked.dimensions not in (None, dimension := context.encoders[model].dimension):
            message = f"dimensions: {model} has {dimension}, and its vectors cannot be shortened"
            raise messages.FieldError(message, "dimensions")
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        languages = await run_in_threadpool(_languages_of, context, texts, asked.language)
        request.state.logged = {"texts": len(texts)}
        encoded = await context.batcher.encode(
            model, asked.input_type or role or "document", texts, languages, gone=request.is_disconnected
        )
        # Written in a thread, since two thousand vectors take a while, and other clients would wait.
        return Response(await run_in_threadpool(_embeddings_json, asked, encoded), media_type="application/json")


def _languages_of(context: ServerContext, texts: Sequence[str], given: str | None) -> list[str]:
    counts = context.index.last_snapshot().language_counts
    with _about("language"):
        return [text_language(text, counts, given).tag for text in texts]


def _embeddings_json(asked: messages.EmbeddingRequest, encoded: EncodedTexts) -> str:
    response = messages.EmbeddingResponse(
        data=[
            messages.Embedding(index=position, embedding=_in_format(vector, asked.encoding_format))
            for position, vector in enumerate(encoded.vectors)
        ],
        model=asked.model,
        usage=messages.Usage(prompt_tokens=encoded.tokens, total_tokens=encoded.tokens),
    )
    return response.model_dump_json()


def _add_descriptions(router: APIRouter, context: ServerContext) -> None:
    index = context.index

    @router.get("/languages")
    def languages() -> messages.Languages:
        """Return the languages of the index, the largest first."""
        counts = index.languages
        return messages.Languages(
            languages=[
                messages.Language(language=tag, name=english_name(tag), passages=counts[tag])
                for tag in largest_first(counts)
            ]
        )

    @router.get("/models")
    def models() -> messages.Models:
        """Return the models of the index."""
        return messages.Models(data=[messages.Model(id=model) for model in context.encoders])

    @router.get("/models/{model:path}", responses=_NO_MODEL)
    def model(model: str) -> messages.Model:
        """Return one model of the index, as OpenAI's API does."""
        context.find_model(model)
        return messages.Model(id=model)

    @router.get("/index")
    def description() -> messages.Description:
        """Return what the page shows before a question is asked."""
        return messages.Description(
            name=context.name,
            passages=len(index),
            version=index.version,
            models=list(context.encoders),
            columns=list(context.columns),
            examples=_examples(index),
        )


def _add_charts(router: APIRouter, context: ServerContext) -> None:
    charts = context.charts

    @router.get("/corpus", include_in_schema=False)
    def corpus() -> messages.CorpusCharts:
        return charts.corpus()

    @router.get("/bias", include_in_schema=False)
    def bias() -> messages.BiasCharts:
        return charts.bias()

    @router.get("/report", include_in_schema=False)
    def report() -> HTMLResponse:
        if not context.settings.audits:
            raise HTTPException(404, "the server was started without --audit")
        return HTMLResponse(charts.report(), headers={"Content-Disposition": "attachment"})


def page_routes() -> APIRouter:
    """Make the routes of the page that are not files of its folder."""
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    @router.get("/page/colours.css", include_in_schema=False)
    def colours() -> FileResponse:
        return FileResponse(COLOURS)

    return router


def process_routes(context: ServerContext) -> APIRouter:
    """Make the routes by which a server is monitored."""
    router = APIRouter()

    @router.get("/healthz")
    async def health() -> messages.State:
        """Say that the process answers."""
        return messages.State(status="ok")

    @router.get("/readyz")
    def readiness() -> messages.State:
        """Say whether the page's searches can be answered; models are loaded before the server listens."""
        context.check_vectors(column.model for column in context.columns)
        try:
            context.index.passages(limit=1)
        except STORAGE_ERRORS as error:
            raise UnreadableIndexError(str(error)) from error
        return messages.State(status="ready")

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def prometheus() -> Response:
        """Return metrics in Prometheus' text format."""
        return Response(generate_latest(context.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _request_limit(context: ServerContext) -> Callable[[], AsyncIterator[None]]:
    in_flight = 0

    async def limit() -> AsyncIterator[None]:
        """Count a request as in progress. Its body has arrived by now, so that slow clients do not count.

        Raises:
            HTTPException: As many requests are in progress as the settings allow.
        """
        nonlocal in_flight
        if in_flight >= context.settings.max_requests:
            busy = f"{in_flight} requests are in progress (serve --max-requests); try again in a moment"
            raise HTTPException(429, busy, {"Retry-After": "1"})
        in_flight += 1
        context.metrics.in_flight.set(in_flight)
        try:
            yield
        finally:
            in_flight -= 1
            context.metrics.in_flight.set(in_flight)

    return limit


def _in_format(vector: Vectors, encoding_format: str) -> str | list[float]:
    if encoding_format == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    floats: list[float] = vector.tolist()
    return floats


def _cut(text: str) -> str:
    """Return the beginning of a text, up to a space if there is one."""
    return text if len(text) <= EXAMPLE_LENGTH else text[:EXAMPLE_LENGTH].rpartition(" ")[0] or text[:EXAMPLE_LENGTH]


def _examples(index: Index) -> list[messages.Example]:
    """Take a title or a first sentence in each of the largest languages, as questions to begin with."""
    counts = index.languages
    examples = []
    for number, tag in enumerate(largest_first(counts)[:EXAMPLES]):
        for passage in index.passages(language=tag, limit=1, offset=number % counts[tag]):
            sentence = _SENTENCE.match(passage.text)
            text = passage.title or (sentence[0] if sentence else passage.text)
            examples.append(messages.Example(language=tag, text=_cut(text)))
    return examples
