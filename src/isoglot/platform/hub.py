"""The Hugging Face hub: whether it can be reached, and what its client raises."""

from __future__ import annotations

import os
import socket
from functools import cache
from urllib.parse import urlsplit
from urllib.request import getproxies


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
