"""What every use of an OpenAI-compatible service shares: the options of its client, and its errors in one line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypedDict

from isoglot.llm.service import Service
from isoglot.platform.errors import IsoglotError
from isoglot.platform.extras import needs

if TYPE_CHECKING:
    import openai

RETRIES = 8
"""How often a request is sent again; the openai package's waits add up to 40 seconds where the server names none."""


class ClientOptions(TypedDict):
    """Keyword arguments of the openai package's clients."""

    api_key: str
    base_url: str | None
    timeout: float


def client_options(service: Service) -> ClientOptions:
    """Return the arguments with which a client of the openai package is made.

    Raises:
        IsoglotError: The package is not installed, or the key is missing or malformed.
    """
    with needs("asking a model", "llm"):
        import openai  # noqa: F401
    key = _api_key()
    if not key and service.address == "OpenAI's API":
        raise IsoglotError(
            "put the API's key into the environment variable OPENAI_API_KEY, or name a server with --base-url or "
            "OPENAI_BASE_URL"
        )
    if not (key.isascii() and key.isprintable()):
        raise IsoglotError("the environment variable OPENAI_API_KEY contains characters that no key has")
    return {"api_key": key or "none", "base_url": service.base_url, "timeout": service.timeout}


def unreachable_error(service: Service) -> IsoglotError:
    """Return the error for a service where nothing listens."""
    return IsoglotError(f"{service.address} cannot be reached; is the base URL right?")


def status_error(error: openai.APIStatusError, service: Service) -> IsoglotError:
    """Return the error for a status that a retry does not change: a wrong key, model or address."""
    return refusal(error.status_code, error_message(error), service.address, service.model, "OPENAI_API_KEY")


def refusal(status: int, text: str, address: str, model: str, key_variable: str) -> IsoglotError:
    """Return the error for a status that a retry does not change.

    Args:
        status: The status.
        text: What `error_message` says of it.
        address: What messages call the API.
        model: The model that was asked.
        key_variable: The environment variable of the key.
    """
    what = {
        401: f"{address} does not accept the key in {key_variable}",
        403: f"{address}: the key in {key_variable} may not use {model}",
        404: f"{address} has no model {model!r}, or the base URL is wrong",
    }.get(status)
    return IsoglotError(f"{what} ({text})" if what else f"{address}: {text}")


def error_message(error: openai.APIError) -> str:
    """Return status and message of an error in one line of at most 200 characters, with the key masked."""
    message = message_in(error.body)
    status = f"HTTP {error.status_code}" if hasattr(error, "status_code") else error.message
    return masked(f"{status}: {message}" if message else status, _api_key())


def message_in(body: object) -> str:
    """Return what the body of an error says, in OpenAI's words or FastAPI's (``detail``); empty: nothing."""
    if isinstance(body, dict):
        found = (message_in(body.get(name)) for name in ("message", "msg", "error", "detail"))
        return next(filter(None, found), "")
    if isinstance(body, list):
        return "; ".join(filter(None, map(message_in, body)))
    return "" if body is None else str(body)


def masked(text: str, key: str) -> str:
    """Return a service's text in one line of at most 200 characters, with the key masked."""
    line = " ".join(text.split())
    return (line.replace(key, "***") if key else line)[:200]


def _api_key() -> str:
    return os.environ.get("OPENAI_API_KEY", "").strip()
