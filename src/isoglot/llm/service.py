"""An OpenAI-compatible service: which model is asked there, how, and at what price."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass
from urllib.parse import urlsplit

from isoglot.platform.errors import IsoglotError

PRICES = {
    "gpt-4o": (2.50, 10.00),
    "gpt-4o-mini": (0.15, 0.60),
    "gpt-4.1": (2.00, 8.00),
    "gpt-4.1-mini": (0.40, 1.60),
    "gpt-4.1-nano": (0.10, 0.40),
}
"""OpenAI's models -> USD for a million tokens in and out, as published in May 2026."""


@dataclass(frozen=True)
class Service:
    """A model behind an OpenAI-compatible API, and how it is asked; the key is read from ``OPENAI_API_KEY``.

    Attributes:
        model: Name of the model at the API.
        base_url: Base URL of the API, e.g. ``http://localhost:8000/v1``; None: ``OPENAI_BASE_URL``, else OpenAI's.
        concurrency: Largest number of requests under way at once.
        attempts: How often a question is asked until its answer passes the checks.
        timeout: Seconds that an answer may take.
        price_in: USD for a million tokens of prompts; None: as in `PRICES`, if the API is OpenAI's.
        price_out: USD for a million tokens of answers; None: as in `PRICES`, if the API is OpenAI's.
        max_cost: USD that one run may cost; None: no limit.

    Raises:
        IsoglotError: A value is out of its range, the base URL is not a URL, or `max_cost` is set without prices.
    """

    model: str
    _: KW_ONLY
    base_url: str | None = None
    concurrency: int = 8
    attempts: int = 3
    timeout: float = 120
    price_in: float | None = None
    price_out: float | None = None
    max_cost: float | None = None

    def __post_init__(self) -> None:
        for name in ("concurrency", "attempts", "timeout"):
            if not getattr(self, name) > 0:
                raise IsoglotError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("price_in", "price_out", "max_cost"):
            if not (getattr(self, name) or 0) >= 0:
                raise IsoglotError(f"{name} is {getattr(self, name)}; it must not be negative")
        if (self.price_in is None) != (self.price_out is None):
            raise IsoglotError("name both --price-in and --price-out, or neither")
        if self.max_cost is not None and self.prices is None:
            raise IsoglotError(f"the prices of {self.model} are unknown: --max-cost needs --price-in and --price-out")
        if self._url and not is_http_url(self._url):
            raise IsoglotError("the base URL is not an HTTP URL; write it like http://localhost:8000/v1")

    @property
    def prices(self) -> tuple[float, float] | None:
        """USD for a million tokens in and out; None where they are unknown."""
        if self.price_in is not None and self.price_out is not None:
            return self.price_in, self.price_out
        return None if self._url else PRICES.get(self.model)

    def cost(self, tokens_in: float, tokens_out: float) -> float | None:
        """Return the USD for so many tokens in and out; None where prices are unknown."""
        return None if self.prices is None else (tokens_in * self.prices[0] + tokens_out * self.prices[1]) / 1e6

    @property
    def address(self) -> str:
        """Host and port of the API, for messages."""
        return address_of(self._url) if self._url else "OpenAI's API"

    @property
    def _url(self) -> str | None:
        return self.base_url or os.environ.get("OPENAI_BASE_URL")


def estimated_tokens(text: str) -> float:
    """Return about how many tokens a text has: one for four bytes of UTF-8.

    In English that is one for four characters, as OpenAI's documentation says; in Chinese it is three for four.
    """
    return len(text.encode("utf-8", "surrogatepass")) / 4


def address_of(url: str) -> str:
    """Return the host and port of a URL, without the user and password that it may hold."""
    return urlsplit(url).netloc.rpartition("@")[2]


def is_http_url(text: str) -> bool:
    """Return whether a text is a URL of HTTP or HTTPS with a host."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
