"""Whether the Hugging Face hub can be reached, asked once: its own client retries for more than a minute."""

from __future__ import annotations

import os
import socket
from functools import cache
from urllib.parse import urlsplit
from urllib.request import getproxies


@cache
def reachable() -> bool:
    """Whether a connection to the hub opens within 5 seconds; taken for granted behind a proxy.

    False too where ``HF_HUB_OFFLINE`` says so. Without the hub only what is in its cache can be loaded.
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
