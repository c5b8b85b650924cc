"""The application over an index: routes, middleware, errors and the OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from math import nan
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from isoglot.encoders.prompts import ROLES
from isoglot.indexing.encoders import UnencodedError
from isoglot.indexing.tables import STORAGE_ERRORS, UnreadableIndexError
from isoglot.platform.errors import IsoglotError, first_line
from isoglot.platform.languages import detectable
from isoglot.platform.version import __version__
from isoglot.serving import messages
from isoglot.serving.batching import Batcher
from isoglot.serving.charts import Charts
from isoglot.serving.columns import default_columns
from isoglot.serving.middleware import GuardingMiddleware, ObservingMiddleware, error_response
from isoglot.serving.routes import PAGE, ServerContext, api_routes, page_routes, process_routes
from isoglot.serving.telemetry import Metrics, log

if TYPE_CHECKING:
    from isoglot.indexing.encoders import TextEncoder
    from isoglot.indexing.snapshot import Snapshot
    from isoglot.indexing.store import Index
    from isoglot.serving.settings import Settings

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body or the host is not what HTTP and JSON allow."},
    401: {"description": "The key is missing or wrong."},
    408: {"description": "The body took too long to arrive."},
    413: {"description": "The body is too large."},
    422: {"description": "A field is wrong; `param` names it."},
    429: {"description": "There are too many requests; `Retry-After` says when to come back."},
    500: {"description": "The server failed; its log says why."},
    503: {"description": "The index cannot be read, or the model's API gives no vectors."},
}


def create_app(
    index: Index, encoders: Mapping[str, TextEncoder], settings: Settings, *, name: str = "index"
) -> FastAPI:
    """Create the ASGI application over an index; log what scaled columns cannot know of it.

    Args:
        index: The index to serve.
        encoders: Model -> its encoder, for the models to serve, in their order.
        settings: Limits, key and columns.
        name: What the page calls the index.

    Raises:
        IsoglotError: The index has no such model as `settings.compare` names, or a folder holds no audit.
    """
    metrics = Metrics()
    batcher = Batcher(encoders, metrics.batch.observe)
    metrics.waiting.set_function(lambda: batcher.waiting)
    metrics.passages.set_function(lambda: _passages(index))
    columns = default_columns(list(encoders), settings.compare, settings.balance)
    for note in dict.fromkeys(note for column in columns for note in index.scaling_notes(column.balance)):
        log.warning(note)
    context = ServerContext(
        index=index,
        encoders=encoders,
        signatures={model.name: model.signature for model in index.snapshot().models},
        batcher=batcher,
        columns=columns,
        charts=Charts(index, [column.model for column in columns], settings.audits),
        metrics=metrics,
        settings=settings,
        name=name,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        batcher.close()

    app = FastAPI(
        title="isoglot",
        version=__version__,
        summary="Search a multilingual corpus by meaning, and see where language decides instead.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load scripts from another host; isoglot's page shows the API itself
        redoc_url=None,
        responses={status: {**response, "model": messages.Error} for status, response in ERRORS.items()},
    )
    app.openapi = _kept(index, lambda languages: _openapi(app, context, languages))  # type: ignore[method-assign]
    _handle_errors(app)
    for router in (api_routes(context), page_routes(), process_routes(context)):
        app.include_router(router)
    app.mount("/page", StaticFiles(directory=PAGE))
    _add_middleware(app, settings, metrics)
    return app


def _passages(index: Index) -> float:
    """Return the number of passages; not a number while the index cannot be read, so that other metrics are shown."""
    try:
        return len(index)
    except (UnreadableIndexError, *STORAGE_ERRORS):
        return nan


def _add_middleware(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """Wrap the application; the middleware that is added last sees a request first."""
    app.add_middleware(GuardingMiddleware, settings=settings)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=settings.hosts, www_redirect=False)
    app.add_middleware(ObservingMiddleware, metrics=metrics)


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def wrong_field(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if isinstance(error.body, bytes):  # as it came: FastAPI has parsed nothing
            return error_response(422, "the body is not marked as JSON; send Content-Type: application/json")
        if first["type"] == "json_invalid":
            return error_response(400, f"the body is no JSON: {first['ctx']['error']} at character {first['loc'][-1]}")
        place = [part for part in first["loc"][1:] if part not in messages.TAGS]
        field = next((part for part in place if isinstance(part, str)), None)
        message = str(first["msg"]).removeprefix("Value error, ")
        if first["type"] == "string_pattern_mismatch":
            message = "the text is blank"
        named = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
        return error_response(422, f"{named}: {message}" if field else message, field)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        # FastAPI's own message about a body that cannot be parsed has no reason.
        message = f"the body cannot be read: {first_line(error.__cause__)}" if error.__cause__ else error.detail
        return error_response(error.status_code, message, headers=error.headers)

    @app.exception_handler(UnreadableIndexError)
    async def unreadable(request: Request, error: UnreadableIndexError) -> JSONResponse:
        log.error("the index cannot be read", exc_info=error)
        return error_response(503, "the index cannot be read; the log says why", headers={"Retry-After": "1"})

    @app.exception_handler(UnencodedError)
    async def unencoded(request: Request, error: UnencodedError) -> JSONResponse:
        log.error("a model's API gave no vectors", exc_info=error)
        return error_response(503, "the model's API gave no vectors; the log says why", headers={"Retry-After": "1"})

    async def failed_read(request: Request, error: Exception) -> JSONResponse:
        modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
        if not any(module.startswith("lancedb") for module in modules):
            raise error  # a bug
        return await unreadable(request, UnreadableIndexError(str(error)))

    for kind in STORAGE_ERRORS:
        app.exception_handler(kind)(failed_read)

    @app.exception_handler(messages.FieldError)
    async def wrong_value(request: Request, error: messages.FieldError) -> JSONResponse:
        return error_response(error.status, str(error), error.param, code=error.code)

    @app.exception_handler(IsoglotError)
    async def wrong_request(request: Request, error: IsoglotError) -> JSONResponse:
        return error_response(422, str(error))


def _kept(index: Index, describe: Callable[[Iterable[str]], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Return a function that describes the API anew only when the index has changed, since that takes a while."""
    kept: tuple[Snapshot, dict[str, Any]] | None = None

    def document() -> dict[str, Any]:
        nonlocal kept
        snapshot = index.last_snapshot()
        if kept is None or kept[0] is not snapshot:
            kept = snapshot, describe(snapshot.language_counts)
        return kept[1]

    return document


def _openapi(app: FastAPI, context: ServerContext, languages: Iterable[str]) -> dict[str, Any]:
    """Make the OpenAPI document, with the index's models, dimensions and languages where a request names one."""
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    search, embed, column = (
        document["components"]["schemas"][name]["properties"]
        for name in ("SearchRequest", "EmbeddingRequest", "Column")
    )
    column["model"]["enum"] = list(context.encoders)
    embed["model"]["enum"] = [
        f"{model}{role}" for model in context.encoders for role in ("", *map("@{}".format, ROLES))
    ]
    for fields in (embed, search):
        fields["language"]["anyOf"][0]["enum"] = sorted({*detectable(), *languages})
    search["languages"]["anyOf"][0]["items"]["enum"] = sorted(languages)
    embed["dimensions"]["anyOf"][0]["enum"] = sorted({encoder.dimension for encoder in context.encoders.values()})
    return document
