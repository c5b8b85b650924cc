"""How text from outside is cleaned before isoglot keeps it, and normalised where it is compared."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

_ARABIC_MARKS = re.compile(
    "[\u0610-\u061a\u0640\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed]"
)
"""Vowel signs, signs of recitation and the tatweel: most texts have none, and those that have are in no other language.
"""


def cleaned(text: str) -> str:
    r"""Return `text` with ``\n`` as its line end, no white space around it, and no characters that databases refuse.

    Control characters other than tab and line feed, NUL among them, which PostgreSQL refuses, become spaces. Halves of
    surrogate pairs, which text out of PDF files has, become question marks.
    """
    whole = text.encode("utf-8", "replace").decode()
    return str(_controls().sub(" ", whole.replace("\r\n", "\n").replace("\r", "\n"))).strip()


def normalized(text: str) -> str:
    """Return the form in which equivalent texts are equal: NFKC, without Arabic's vowel signs and tatweel.

    For detection and comparison; what is encoded, stored or shown stays as it was.
    """
    return _ARABIC_MARKS.sub("", unicodedata.normalize("NFKC", text))


@cache
def _controls() -> Any:
    import regex  # type: ignore[import-untyped]

    return regex.compile(r"[\p{Cc}--[\t\n]]", regex.VERSION1)
