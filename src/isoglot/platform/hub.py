"""The Hugging Face hub: whether it can be reached, and what its client raises."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from isoglot.platform.errors import IsoglotError, first_line

_AGAIN = "run the same command again, which sends only what has not arrived"


@cache
def reachable() -> bool:
    """Return whether a connection to the hub opens within 5 seconds; assumed behind a proxy.

    The answer is kept, since the hub's own client retries for more than a minute. Where ``HF_HUB_OFFLINE`` is set it
    is False. Without the hub only what is in its cache can be loaded.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return False
    from huggingface_hub import constants

    address = urlsplit(constants.ENDPOINT)
    if address.scheme in getproxies():
        return True
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), timeout=5).close()
    except OSError:
        return False
    return True


@cache
def hub_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that huggingface_hub raises for what cannot be fetched or found.

    They have no common base: the network, the disk and what the hub answers are OSErrors, a malformed address or answer
    is a ValueError, hf_xet, which fetches large files, raises RuntimeErrors, and the others, that of the HTTP client
    among them, are in ``huggingface_hub.errors``.
    """
    from huggingface_hub import errors

    named = (value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception))
    return (OSError, ValueError, RuntimeError, *named)


@contextmanager
def hub_errors_explained(name: str, address: str, token: str) -> Iterator[None]:
    """Turn what huggingface_hub raises while it sends something into an IsoglotError that says what to do.

    Args:
        name: Name of what is sent.
        address: Address of the hub.
        token: The user's token, which no message shows.
    """
    try:
        yield
    except hub_errors() as error:
        raise IsoglotError(_explanation(name, address, error).replace(token, "***")) from error


def _explanation(name: str, address: str, error: Exception) -> str:
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so nothing is sent; unset it and run the same command again"
    answered: BaseException = error
    while getattr(answered, "response", None) is None and answered.__cause__ is not None:
        answered = answered.__cause__  # of a failed upload or a refused card the answer is the cause
    response: Any = getattr(answered, "response", None)
    if response is None:
        return f"{address}: {first_line(answered)}; check HF_ENDPOINT and the network, and {_AGAIN}"
    said = getattr(answered, "server_message", None) if answered is error else str(error)
    quoted = f" ({' '.join(said.split())[:200]})" if said else ""
    advice = _advice(response.status_code, response.headers.get("Retry-After"), address)
    return f"{name}: {address} answers {response.status_code}{quoted}; {advice}"


def _advice(status: int, wait: str | None, address: str) -> str:
    """What to do about an HTTP status; `wait` is the number of seconds that the hub asks for."""
    if status == 401:
        return f"the token is not valid; make one that may write at {address}/settings/tokens and set HF_TOKEN"
    if status == 403:
        return "the token may not write there; use one that may, or push to a name of your own"
    if status == 404:
        return "there is no such model or branch, or the token does not see it; check the name and the token"
    if status == 409:
        return f"it has changed meanwhile; {_AGAIN}"
    if status == 429:
        return f"it asks for fewer requests; {f'wait {wait} s' if wait else 'wait'}, then {_AGAIN}"
    if status >= 500:
        return f"that is the hub's fault; later {_AGAIN}"
    return "nothing was changed there"
