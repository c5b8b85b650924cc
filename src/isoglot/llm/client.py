"""What every use of an OpenAI-compatible service shares: the options of its client, and its errors in one line."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from isoglot.llm.service import Llm
from isoglot.platform.errors import IsoglotError

if TYPE_CHECKING:
    import openai

RETRIES = 8
"""How often the openai package asks again; waits sum up to 40 seconds where the server names none."""


def client_options(llm: Llm) -> dict[str, Any]:
    """What a client of the package openai is made with.

    Raises:
        IsoglotError: The package is missing, or the key is missing or broken.
    """
    if find_spec("openai") is None:
        raise IsoglotError("asking a model needs the package openai: pip install 'isoglot[llm]'")
    key = _key()
    if not key and llm.address == "OpenAI's API":
        raise IsoglotError(
            "put the API's key into the environment variable OPENAI_API_KEY, or name a server: --base-url (also in "
            "OPENAI_BASE_URL)"
        )
    if not (key.isascii() and key.isprintable()):
        raise IsoglotError("the environment variable OPENAI_API_KEY has characters in it that no key has")
    return {"api_key": key or "none", "base_url": llm.base_url, "timeout": llm.timeout}


def unreachable(llm: Llm) -> IsoglotError:
    """That there is no API at its address."""
    return IsoglotError(f"{llm.address} cannot be reached; is the base URL right?")


def refused(error: openai.APIStatusError, llm: Llm) -> IsoglotError:
    """What an answer says that asking again does not mend."""
    if error.status_code == 401:
        return IsoglotError(f"{llm.address} does not accept the key in OPENAI_API_KEY (HTTP 401)")
    if error.status_code == 403:
        return IsoglotError(f"{llm.address}: the key in OPENAI_API_KEY may not use {llm.model} (HTTP 403)")
    if error.status_code == 404:
        return IsoglotError(f"{llm.address} has no model {llm.model!r}, or the base URL is wrong ({told(error)})")
    return IsoglotError(f"{llm.address}: {told(error)}")


def told(error: openai.APIError) -> str:
    """What an error says, in one line; a server that repeats the key is not repeated."""
    message = error.body.get("message") if isinstance(error.body, dict) else error.body
    status = f"HTTP {error.status_code}" if hasattr(error, "status_code") else error.message
    text = " ".join(f"{status}: {message}".split()) if message else status
    return (text.replace(_key(), "***") if _key() else text)[:200]


def _key() -> str:
    return os.environ.get("OPENAI_API_KEY", "").strip()
