"""The title, the text and the language of an HTML page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import regex  # type: ignore[import-untyped]

from isoglot.platform.extras import needs

_DROPPED = ("script", "style", "noscript", "template", "svg", "iframe", "object", "nav", "head")
_BLOCKS = frozenset(
    "address article aside blockquote dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 hr"
    " header li main ol p pre section summary table tr ul".split()
)
_CELLS = frozenset(["td", "th", "br"])
_KEPT_FLAT = frozenset((*_DROPPED, "html", "body", "title", "h1", "br"))
_SMALL_PAGE = 2**17
"""The most bytes of a page that libxml2 reads in a few seconds, whatever they are."""


class PageError(Exception):
    """A page takes too long to read, or is nested too deeply."""


def text_of_page(data: bytes, encoding: str | None, seconds: float) -> tuple[str, str, str | None]:
    """Return the title, the text and the stated language of a page, without scripts, styles and navigation.

    A large page is read by another process, which can be ended: libxml2 takes hours for a tag of many attributes, and
    nothing inside this process stops a call into C.

    Args:
        data: The page.
        encoding: Its encoding; None: the one that it names.
        seconds: The most that a large page may take.

    Raises:
        PageError: The page takes longer, takes too much memory, or is nested too deeply.
    """
    if len(data) <= _SMALL_PAGE:
        return _read(data, encoding)
    code = f"import sys; sys.path[:] = {sys.path!r}; from isoglot.corpora.readers import html; html.main({encoding!r})"
    try:
        done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise PageError(f"took more than {seconds:g} seconds") from error
    if done.returncode:
        raise PageError("takes too much memory, or is nested too deeply")
    title, text, language = json.loads(done.stdout)
    return title, text, language


def main(encoding: str | None) -> None:
    """Read a page from standard input and write what is read as JSON."""
    print(json.dumps(_read(sys.stdin.buffer.read(), encoding)))


def _read(data: bytes, encoding: str | None) -> tuple[str, str, str | None]:
    with needs("reading HTML", "files"):
        from lxml import etree
    if not data.strip():
        return "", "", None
    try:
        root = _tree(data.replace(b"\0", b" "), encoding)
    except etree.ParserError:  # nothing but comments
        return "", "", None
    title = "".join(root.xpath("(//title[not(ancestor::*[local-name()='svg'])])[1]//text()"))
    language = root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang")
    etree.strip_elements(root, *_DROPPED, with_tail=False)
    heading = next(root.iter("h1"), None)
    if not title.strip() and heading is not None:
        title = "".join(heading.itertext())
        heading.drop_tree()
    text = regex.sub(r"[^\S\n]+", " ", _text(root))
    return " ".join(title.split()), regex.sub(r" ?\n ?(?:\n ?)+", "\n\n", text).strip(), language


def _tree(data: bytes, encoding: str | None) -> Any:
    """Parse a page; one that is nested more deeply than libxml2 reads, often by tags without end, is made flat."""
    from lxml import html

    for flat in (False, True):
        page = re.sub(rb"</?([a-zA-Z][a-zA-Z0-9]*)[^<>]*>", _flat, data) if flat else data
        parser = html.HTMLParser(encoding=encoding, remove_comments=True, remove_pis=True, huge_tree=True)
        root = html.document_fromstring(page, parser=parser)
        if not any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
            return root
    raise PageError("is nested too deeply")


def _flat(tag: re.Match[bytes]) -> bytes:
    """Return a paragraph's tag for that of any block, since paragraphs are not nested; inline elements are emptied."""
    name = tag[1].decode().lower()
    if name in _KEPT_FLAT:
        return tag[0]
    return b"<p>" if name in _BLOCKS else b" " if name in _CELLS else b"<i></i>"


def _text(root: Any) -> str:
    """Return the text of an element; without recursion, since pages may nest without end."""
    from lxml import etree

    parts: list[str] = []
    within_pre = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag = element.tag
        if tag in _BLOCKS:
            parts.append("\n\n")
        within_pre += (tag == "pre") * (1 if event == "start" else -1)
        text = element.text if event == "start" else element.tail
        if event == "end" and tag in _CELLS:
            parts.append("\n" if tag == "br" else " ")
        if text and (event == "start" or element is not root):
            parts.append(text if within_pre else " ".join(("x" + text + "x").split())[1:-1])
    return "".join(parts)
