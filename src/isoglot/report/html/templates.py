"""The style of all pages, and templates that escape all text not marked safe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from isoglot.report.html.drawing import clean

if TYPE_CHECKING:
    from jinja2 import Environment

COLOURS = Path(__file__).parent / "colours.css"
"""CSS variables with the colours of pages and charts, light and dark."""


def style() -> str:
    """Return the CSS of offline pages."""
    return "".join(path.read_text(encoding="utf-8") for path in (COLOURS, COLOURS.with_name("style.css")))


def environment(folder: Path) -> Environment:
    """Return the templates in `folder`, which escape text and drop its control characters unless it is marked safe."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    return Environment(
        loader=FileSystemLoader([folder, COLOURS.parent]),  # the latter has macros that all pages share
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
