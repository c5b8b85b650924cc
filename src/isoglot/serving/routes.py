"""The routes: what is asked of the API, of the process, and the page itself."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool

from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import canonical, detect, english_name
from isoglot.report.html.templates import COLOURS
from isoglot.serving import messages
from isoglot.serving.batching import Batcher, BusyError
from isoglot.serving.finding import find, known_languages
from isoglot.serving.pictures import Pictures
from isoglot.serving.telemetry import Metrics, log

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder
    from isoglot.indexing.store import Index
    from isoglot.serving.settings import Settings

PAGE = Path(__file__).parent / "page"
EXAMPLES, EXAMPLE_LENGTH = 6, 120
_SENTENCE = re.compile(r".+?[.!?。！？।؟]")


@dataclass(frozen=True)
class Served:
    """What the routes work with.

    Attributes:
        index: Opened for reading.
        encoders: Model -> its encoder; only `batcher` encodes with it.
        batcher: Encodes for all clients.
        columns: The two ways to search that are shown first.
        pictures: Of the index and its audits.
        metrics: Where numbers go.
        settings: Limits and key.
        name: What the page calls the index.
    """

    index: Index
    encoders: Mapping[str, Encoder]
    batcher: Batcher
    columns: Sequence[messages.Column]
    pictures: Pictures
    metrics: Metrics
    settings: Settings
    name: str


def api_routes(served: Served) -> APIRouter:
    """The routes under ``/v1``."""
    index, settings, batcher = served.index, served.settings, served.batcher
    bearer = [] if settings.api_key is None else [Depends(HTTPBearer(auto_error=False))]  # for the OpenAPI document
    router = APIRouter(prefix="/v1", dependencies=[Depends(_places(served)), *bearer])

    def check_model(model: str) -> None:
        if model not in served.encoders:
            raise IsoglotError(f"model {model!r} is not in the index; it has {', '.join(served.encoders)}")

    def language_of(text: str, given: str | None) -> str | None:
        return canonical(given) if given else detect([text], among=frozenset(index.languages))[0]

    @router.post("/search")
    async def search(asked: messages.SearchRequest, request: Request) -> messages.SearchResponse:
        """The best passages for a question, found in one way or in two ways side by side."""
        columns = asked.columns or served.columns[:1]
        for column in columns:
            check_model(column.model)
        languages = known_languages(index, asked.languages)
        language = language_of(asked.question, asked.language)
        request.state.logged = {"k": asked.k, "columns": len(columns), "language": language}
        if settings.log_queries:
            request.state.logged["question"] = asked.question
        models = list(dict.fromkeys(column.model for column in columns))
        encoded = await asyncio.gather(
            *(batcher.encode(model, "query", [asked.question], [language or "en"]) for model in models)
        )
        vectors = {model: found.vectors[0] for model, found in zip(models, encoded, strict=True)}
        return await run_in_threadpool(
            find, index, columns, vectors, k=asked.k, languages=languages, with_twins=asked.twins, language=language
        )

    @router.post("/embeddings")
    async def embeddings(asked: messages.EmbeddingRequest, request: Request) -> messages.EmbeddingResponse:
        """Vectors of texts, as OpenAI's API gives them."""
        check_model(asked.model)
        if asked.dimensions not in (None, dimension := served.encoders[asked.model].dimension):
            raise IsoglotError(f"dimensions: {asked.model} gives {dimension}, and its vectors are not shortened")
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        languages = [language_of(text, asked.language) or "en" for text in texts]
        request.state.logged = {"texts": len(texts)}
        found = await batcher.encode(asked.model, asked.input_type, texts, languages)
        return messages.EmbeddingResponse(
            data=[
                messages.Embedding(index=at, embedding=_in_format(vector, asked.encoding_format))
                for at, vector in enumerate(found.vectors)
            ],
            model=asked.model,
            usage=messages.Usage(prompt_tokens=found.tokens, total_tokens=found.tokens),
        )

    @router.get("/languages")
    def languages() -> messages.Languages:
        """The languages of the index, the largest first."""
        return messages.Languages(
            languages=[
                messages.Language(language=tag, name=english_name(tag), passages=index.languages[tag])
                for tag in _largest(index)
            ]
        )

    @router.get("/models")
    def models() -> messages.Models:
        """The models of the index."""
        return messages.Models(data=[messages.Model(id=model) for model in served.encoders])

    @router.get("/index")
    def description() -> messages.Description:
        """What the page must know before a question is asked."""
        return messages.Description(
            name=served.name,
            passages=len(index),
            version=index.version,
            models=list(served.encoders),
            columns=list(served.columns),
            examples=_examples(index),
        )

    @router.get("/corpus", include_in_schema=False)
    def corpus() -> JSONResponse:
        return JSONResponse(served.pictures.corpus())

    @router.get("/bias", include_in_schema=False)
    def bias() -> JSONResponse:
        return JSONResponse(served.pictures.bias())

    @router.get("/report", include_in_schema=False)
    def report() -> HTMLResponse:
        if not settings.audits:
            raise HTTPException(404, "the server was started without --audit")
        return HTMLResponse(served.pictures.report(), headers={"Content-Disposition": "attachment"})

    return router


def process_routes(served: Served) -> APIRouter:
    """The page, and what those who run the server look at."""
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    @router.get("/page/colours.css", include_in_schema=False)
    def colours() -> FileResponse:
        return FileResponse(COLOURS)

    @router.get("/healthz")
    def health() -> messages.State:
        """Whether the process answers."""
        return messages.State(status="ok")

    @router.get("/readyz")
    def readiness() -> messages.State:
        """Whether the index can be read; models are loaded before the server listens."""
        try:
            list(served.index.passages(limit=1))
        except Exception as error:  # many kinds, from storage
            log.exception("the index cannot be read")
            raise HTTPException(503, "the index cannot be read; the log says why") from error
        return messages.State(status="ready")

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def prometheus() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(generate_latest(served.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _places(served: Served) -> Callable[[], AsyncIterator[None]]:
    in_flight = 0

    async def place() -> AsyncIterator[None]:
        """A place among the requests that are worked on; taken when the body is there, so that slow clients take none.

        Raises:
            BusyError: There is none left.
        """
        nonlocal in_flight
        if in_flight >= served.settings.max_requests:
            raise BusyError(f"{in_flight} requests are being worked on; try again in a moment")
        in_flight += 1
        served.metrics.in_flight.set(in_flight)
        try:
            yield
        finally:
            in_flight -= 1
            served.metrics.in_flight.set(in_flight)

    return place


def _in_format(vector: Any, encoding_format: str) -> str | list[float]:
    if encoding_format == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    floats: list[float] = vector.tolist()
    return floats


def _largest(index: Index) -> list[str]:
    return sorted(index.languages, key=lambda tag: (-index.languages[tag], tag))


def _cut(text: str) -> str:
    """The beginning of a text, up to a space where there is one."""
    return text if len(text) <= EXAMPLE_LENGTH else text[:EXAMPLE_LENGTH].rpartition(" ")[0] or text[:EXAMPLE_LENGTH]


def _examples(index: Index) -> list[messages.Example]:
    """A title or a first sentence in each of the largest languages, as questions to begin with."""
    found = []
    for at, tag in enumerate(_largest(index)[:EXAMPLES]):
        for passage in index.passages(language=tag, limit=1, offset=at % index.languages[tag]):
            sentence = _SENTENCE.match(passage.text)
            text = passage.title or (sentence[0] if sentence else passage.text)
            found.append(messages.Example(language=tag, text=_cut(text)))
    return found
