"""How text from outside is cleaned before isoglot keeps it."""

from __future__ import annotations

from functools import cache
from typing import Any


def cleaned(text: str) -> str:
    r"""Return `text` with ``\n`` as its line end, no white space around it, and no characters that databases refuse.

    Control characters other than tab and line feed, NUL among them, which PostgreSQL refuses, become spaces. Halves of
    surrogate pairs, which text out of PDF files has, become question marks.
    """
    whole = text.encode("utf-8", "replace").decode()
    return str(_controls().sub(" ", whole.replace("\r\n", "\n").replace("\r", "\n"))).strip()


@cache
def _controls() -> Any:
    import regex  # type: ignore[import-untyped]

    return regex.compile(r"[\p{Cc}--[\t\n]]", regex.VERSION1)
