"""The middleware before every route: security headers, log, metrics, key and limits of a request's body."""

from __future__ import annotations

import asyncio
import hmac
import time
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from isoglot.serving.messages import Error, ErrorBody
from isoglot.serving.telemetry import cut, log

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from isoglot.serving.settings import Settings
    from isoglot.serving.telemetry import Metrics

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PROTECTED_PATHS = ("/v1/", "/metrics", "/openapi.json")
"""Beginnings of the paths that need the key, because they hold data. The page's own files hold none."""
MAX_MESSAGE = 1_000
"""How many characters an error's message may have."""
FREE_BYTES = 2**16
"""Bodies of so many bytes are always taken; questions are shorter."""
MAX_HELD = 2**26
"""How many bytes of longer bodies are held at the same time; the next client is asked to come back later."""


def error_response(
    status: int,
    message: str,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    code: str | None = None,
) -> JSONResponse:
    """Make an error response; all errors of the API have this form."""
    message, param = cut(message, MAX_MESSAGE), param and cut(param, MAX_MESSAGE)  # clients may have written them
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = Error(error=ErrorBody(message=message, type=kind, param=param, code=code))
    return JSONResponse(body.model_dump(), status, headers)


class ObservingMiddleware:
    """Gives every response its headers and an id, and counts and logs every request.

    Args:
        app: The ASGI application.
        metrics: The metrics that count requests.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 -- ASGI's
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, began, status, size = time.perf_counter(), False, 500, 0
        request_id = scope.setdefault("state", {})["request_id"] = uuid4().hex
        # FastAPI's routes know no HEAD; the server itself sends no body for one.
        routed = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope

        async def observed_send(message: Message) -> None:
            nonlocal began, status, size
            if message["type"] == "http.response.start":
                began = True
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in {**HEADERS, "X-Request-Id": request_id}.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(routed, receive, observed_send)
        except Exception as error:  # a bug, or a failure of the machine: logged, and answered with 500
            self._log_failure(request_id, error)
            if began:
                raise
            await error_response(500, "the server failed; its log says why")(scope, receive, observed_send)
        finally:
            self._record(
                {**routed, "method": scope["method"]}, status=status, size=size, seconds=time.perf_counter() - started
            )

    def _log_failure(self, request_id: str, error: Exception) -> None:
        """Log an error without its message, which may hold a question."""
        frames = traceback.format_tb(error.__traceback__)
        fields = {"request_id": request_id, "error": type(error).__name__, "traceback": "".join(frames)}
        log.error("failed", extra={"fields": fields})

    def _record(self, scope: Scope, *, status: int, size: int, seconds: float) -> None:
        """Count and log a request that was answered."""
        route = getattr(scope.get("route"), "path", "other")  # not the path as sent, which may be anything
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.requests.labels(method, route, status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        client = scope.get("client")
        fields = {
            "request_id": scope["state"]["request_id"],
            "method": method,
            "route": route,
            "status": status,
            "milliseconds": round(1000 * seconds, 1),
            "bytes": size,
            "client": client[0] if client else None,
            **scope["state"].get("logged", {}),
        }
        log.info("request", extra={"fields": fields})


class GuardingMiddleware:
    """Refuses requests without the key, and bodies of two lengths, or too large, or too late.

    Args:
        app: The ASGI application.
        settings: The key and the limits.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 -- ASGI's
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(PROTECTED_PATHS) and not self._has_key(Headers(scope=scope)):
            response = error_response(
                401, "send the server's key: Authorization: Bearer KEY", headers={"WWW-Authenticate": "Bearer"}
            )
            await response(scope, receive, send)
            return
        if {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}:
            message = "a body has a Content-Length or a Transfer-Encoding, not both"  # a proxy may have read the other
            await error_response(400, message, headers={"Connection": "close"})(scope, receive, send)
            return
        held = _HeldBody(self)
        try:
            await self._app(scope, self._limited(scope, receive, held), send)
        finally:
            held.release()

    def _limited(self, scope: Scope, receive: Receive, held: _HeldBody) -> Receive:
        """Wrap `receive` so that it raises if the body is too large or too late, or if too much is held already."""
        max_size, seconds = self._settings.max_body, self._settings.body_seconds
        deadline = time.monotonic() + seconds
        announced = Headers(scope=scope).get("content-length", "")
        size, complete = int(announced) if announced.isdecimal() else 0, False

        async def limited_receive() -> Message:
            nonlocal complete
            if complete:  # only the client's disconnect follows, at any time
                return await receive()
            if size <= max_size:
                try:
                    message = await asyncio.wait_for(receive(), max(0.001, deadline - time.monotonic()))
                except TimeoutError:
                    late = f"the body did not arrive within {seconds:g} seconds"
                    raise HTTPException(408, late, {"Connection": "close"}) from None
                held.add(len(message.get("body", b"")))
                complete = not message.get("more_body", False)
            if max(size, held.received) > max_size:
                large = f"a body may have at most {max_size:,} bytes (serve --max-body); send fewer texts at a time"
                raise HTTPException(413, large, {"Connection": "close"})
            if held.counted and self.held > max(MAX_HELD, max_size):
                raise HTTPException(
                    429,
                    "many long bodies are in memory; try again in a moment",
                    {"Connection": "close", "Retry-After": "1"},
                )
            return message

        return limited_receive

    def _has_key(self, headers: Headers) -> bool:
        if self._settings.api_key is None:
            return True
        scheme, _, key = headers.get("authorization", "").partition(" ")
        key_as_sent = key.strip().encode("latin-1")  # the encoding in which Starlette decodes headers
        return hmac.compare_digest(key_as_sent, self._settings.api_key.encode()) and scheme.lower() == "bearer"


class _HeldBody:
    """The bytes of one request's body, which count in `GuardingMiddleware.held` once there are many."""

    def __init__(self, guard: GuardingMiddleware) -> None:
        self._guard, self.received, self.counted = guard, 0, 0

    def add(self, size: int) -> None:
        self.received += size
        if self.received > FREE_BYTES:
            self._guard.held += self.received - self.counted
            self.counted = self.received

    def release(self) -> None:
        self._guard.held -= self.counted
