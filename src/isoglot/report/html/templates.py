"""What every page shares: its style, and templates that escape whatever does not say otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from isoglot.report.html.drawing import clean

if TYPE_CHECKING:
    from jinja2 import Environment

COLOURS = Path(__file__).parent / "colours.css"
"""The colours of pages and charts as CSS variables, light and dark."""


def style() -> str:
    """The CSS of offline pages."""
    return "".join(path.read_text(encoding="utf-8") for path in (COLOURS, COLOURS.with_name("style.css")))


def environment(folder: Path) -> Environment:
    """The templates in `folder`; text loses its control characters and is escaped, what is marked safe stays."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
