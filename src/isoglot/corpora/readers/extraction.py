"""Plain text, Markdown, HTML and PDF files, each as one title and text."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import regex  # type: ignore[import-untyped]

from isoglot.corpora.readers.html import PageError, text_of_page
from isoglot.corpora.readers.lines import MAX_BYTES, kind_of, opened
from isoglot.platform.deadline import DeadlineError, deadline
from isoglot.platform.errors import InputError, first_line
from isoglot.platform.extras import needs

_FRONT_MATTER = regex.compile(r"\A---\n.*?\n---\n", regex.DOTALL)
_DAMAGED_PDF = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pypdf raises, besides its own errors, where an object of a damaged file is not of the kind that it expects."""


MAX_SECONDS = 30.0
"""The most that the text of one file may take."""


class TooMuchError(InputError):
    """A file is too large, or takes too long, to be one document."""


@dataclass(frozen=True)
class Extracted:
    """The title and text of a file.

    Attributes:
        title: The title, which may be empty.
        text: The text, which may be empty, with blank lines between paragraphs.
        language: The language tag that the file states; None if it states none.
    """

    title: str
    text: str
    language: str | None = None


def extract(path: Path) -> Extracted:
    """Read a file that is one document, within `MAX_SECONDS`; the suffix of its name is the format.

    Raises:
        TooMuchError: It is larger than `MAX_BYTES`, or takes longer.
        InputError: It is damaged.
    """
    try:
        with deadline(MAX_SECONDS):
            return READERS_OF_FILES[kind_of(path)](path)
    except DeadlineError as error:
        raise TooMuchError(str(error), path) from error


def read_plain(path: Path) -> Extracted:
    """Read a text file in UTF-8; it has no title.

    Raises:
        InputError: It is not UTF-8.
    """
    data = _content(path)
    if data.count(0) > len(data) / 4:
        raise InputError("is not UTF-8 but UTF-16, as its zero bytes show; convert the file to UTF-8", path)
    try:
        return Extracted("", data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError("is not UTF-8 here; convert the file to UTF-8", path, line) from error


def read_markdown(path: Path) -> Extracted:
    """Read CommonMark without its front matter; the first heading is the title.

    Raises:
        InputError: It is not UTF-8.
        TooMuchError: As for HTML.
    """
    with needs("reading Markdown", "files"):
        from markdown_it import MarkdownIt
    text = _FRONT_MATTER.sub("", read_plain(path).text.replace("\r\n", "\n"))
    return _from_html(MarkdownIt("commonmark").enable("table").render(text).encode(), "utf-8", path)


def read_html(path: Path) -> Extracted:
    """Read HTML in UTF-8 or in the encoding that it names, without scripts, styles and navigation.

    Raises:
        TooMuchError: It takes too long, or is nested too deeply.
    """
    data = _content(path)
    try:
        data.decode()
    except UnicodeDecodeError:
        return _from_html(data, None, path)
    return _from_html(data, "utf-8", path)


def read_pdf(path: Path) -> Extracted:
    """Read the text layer of a PDF, its pages as paragraphs; the text is empty where the PDF holds pictures alone.

    Raises:
        InputError: The file is damaged or encrypted.
        TooMuchError: It holds more than pypdf reads.
        IsoglotError: The package pypdf is missing.
    """
    with needs("reading PDF", "files"):
        from pypdf import PdfReader, errors
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it reports each oddity that it copes with
    data = BytesIO(_content(path))
    try:
        reader = PdfReader(data)
        locked = reader.is_encrypted and not reader.decrypt("")
        title = "" if locked or reader.metadata is None else reader.metadata.title
        pages = [] if locked else [page.extract_text() for page in reader.pages]
    except getattr(errors, "LimitReachedError", ()) as error:  # of newer versions: a page of too many operators
        raise TooMuchError(first_line(error), path) from error
    except (errors.PyPdfError, errors.DependencyError, *_DAMAGED_PDF) as error:
        raise InputError(f"cannot be read as PDF: {first_line(error)}", path) from error
    if locked:
        raise InputError("is encrypted; save it without a password", path)
    return Extracted(str(title or ""), "\n\n".join(pages))


def _content(path: Path) -> bytes:
    with opened(path) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise TooMuchError(f"is larger than {MAX_BYTES // 2**20} MiB", path)
    return data


def _from_html(data: bytes, encoding: str | None, path: Path) -> Extracted:
    try:
        return Extracted(*text_of_page(data, encoding, 0.9 * MAX_SECONDS))
    except PageError as error:
        raise TooMuchError(str(error), path) from error


READERS_OF_FILES: dict[str, Callable[[Path], Extracted]] = {
    ".txt": read_plain,
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".html": read_html,
    ".htm": read_html,
    ".pdf": read_pdf,
}
"""Suffix -> the reader of files that are one document each."""
