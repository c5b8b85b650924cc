"""How text from outside is cleaned, normalised where it is compared, and made harmless before a terminal shows it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Any

_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and those that turn the direction of what follows."""

_LINE_ENDS = re.compile("[\t\n\u2028\u2029]")
_SHORT_ESCAPES = {"\t": r"\t", "\n": r"\n"}
_NO_WIDE_PUNCTUATION = re.compile("[^\u3001-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]+")
_ZERO_WIDTH_SPACE = re.compile("(?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b")
"""Those that are not in Thai, Lao, Burmese or Khmer, where they say where a line may break."""
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

    It has no characters that are not seen: soft hyphens, word joiners, marks of direction, variation selectors ... Zero
    width spaces become spaces where a text has no others, and a non-joiner between Arabic letters, which is spelling,
    stays. So does Chinese and Japanese punctuation, by which the detector knows these languages. For detection and
    comparison; what is encoded, stored or shown stays as it was.
    """
    spaced = text if re.search(r"\s", text) else _ZERO_WIDTH_SPACE.sub(" ", text)
    seen = _unseen().sub("", spaced)
    composed = _NO_WIDE_PUNCTUATION.sub(lambda part: unicodedata.normalize("NFKC", part[0]), seen)
    return _ARABIC_MARKS.sub("", composed)


def visible(text: str) -> str:
    r"""Return `text` with escapes (``\u001b``) in place of the characters that control a terminal.

    Those are all control characters but tab and line feed, and the overrides, embeddings and isolates of direction, by
    which a text shows as another than it is. In JSON, which has escapes for the first 32 of them already,
    the result means the same.
    """
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    r"""Return `text` as `visible` does, on one line: line ends and tabs are escapes too.

    For messages and for lines that show names and ids, in which a line end would make a line that isoglot never wrote.
    """
    return _LINE_ENDS.sub(lambda found: _SHORT_ESCAPES.get(found[0], f"\\u{ord(found[0]):04x}"), visible(text))


class VisibleStream:
    """A text stream that shows control characters instead of obeying them, since text may come from strangers' files.

    A carriage return that begins what is written stays: progress bars of libraries begin so. rich, which writes the
    escapes of colours, writes past this; what isoglot hands to it goes through `visible` before.

    Args:
        stream: The stream to write to.
    """

    def __init__(self, stream: Any) -> None:
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        """Write text, with escapes for control characters."""
        kept = 1 if text.startswith("\r") else 0
        self.rich_proxied_file.write(text[:kept] + visible(text[kept:]))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


@cache
def pattern(expression: str) -> Any:
    """Return a compiled pattern of the package regex, which knows scripts and grapheme clusters."""
    import regex  # type: ignore[import-untyped]

    return regex.compile(expression)


@cache
def _controls() -> Any:
    import regex

    return regex.compile(r"[\p{Cc}--[\t\n]]", regex.VERSION1)


@cache
def _unseen() -> Any:
    import regex

    return regex.compile(r"(?!(?<=\p{Arabic})\u200c(?=\p{Arabic}))\p{Default_Ignorable_Code_Point}+")
