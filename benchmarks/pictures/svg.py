"""What all pictures share: a card on its own ground, text that grows on a phone, shapes and colours.

A picture in an `<img>` cannot see a site's theme, so it brings its ground, light or dark as the system is. Its media
queries see the width at which it is shown; the layout leaves room for the larger text of a phone.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

WIDTH = 640
NARROW = 500
"""Shown narrower than this, in CSS pixels, a picture has larger text."""
LANGUAGES = {"en": "English", "zh": "Chinese", "th": "Thai", "ru": "Russian"}
SHAPES = {"en": "circle", "zh": "square", "th": "triangle", "ru": "diamond"}
"""Languages differ by shape as well as by colour."""

_LIGHT = (
    "--ground:#fbfbfd;--rule:#c9ced6;--ink:#1f2430;--soft:#555d6b;--en:#0072b2;--zh:#c65102;--th:#00806a;--ru:#9b3f93"
)
_DARK = (
    "--ground:#1d2027;--rule:#4a505c;--ink:#eceef2;--soft:#b3bac6;--en:#62b5f0;--zh:#f59b46;--th:#41cfa9;--ru:#df8fd6"
)
STYLE = (
    f"svg{{{_LIGHT}}}"
    f"@media(prefers-color-scheme:dark){{svg{{{_DARK}}}}}"
    ".ground{fill:var(--ground);stroke:var(--rule)}"
    "text{font:14px system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;fill:var(--soft)}"
    ".title{font-size:17px;font-weight:600;fill:var(--ink)}.strong{font-weight:600;fill:var(--ink)}"
    f"@media(max-width:{NARROW}px){{text{{font-size:19px}}.title{{font-size:21px}}}}"
    ".relevant{fill:var(--th)}.unrelated{fill:var(--ru)}"
    ".rule{stroke:var(--rule);fill:none}.ink{stroke:var(--ink);fill:none}.cut{stroke:var(--ground)}.gold{fill:var(--ink)}"
    + "".join(
        f".{tag}{{fill:var(--{tag})}}text.{tag}{{font-weight:600}}.{tag}-line{{stroke:var(--{tag});fill:none}}"
        for tag in LANGUAGES
    )
)


def card(height: float, title: str, description: str, body: Iterable[str]) -> str:
    """Put drawings on a card.

    Args:
        height: In the units of `WIDTH`.
        title: What the picture is, for readers who do not see it.
        description: What one sees in it, in sentences.
        body: Markup.
    """
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        f'aria-labelledby="title description"><title id="title">{escape(title)}</title>'
        f'<desc id="description">{escape(description)}</desc><style>{STYLE}</style>\n'
        f'<rect class="ground" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:g}" rx="12"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Write words at a baseline; kinds are the classes of the style: ``title``, ``strong``, a language."""
    kinds = f' class="{kind}"' if kind else ""
    anchors = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{number(x)}" y="{number(y)}"{kinds}{anchors}>{escape(words)}</text>'


def path(drawn: str, kind: str, **attributes: object) -> str:
    """Draw an outline; keywords are attributes, with _ for -."""
    further = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<path class="{kind}" d="{drawn}"{further}/>'


def mark(shape: str, x: float, y: float, size: float) -> str:
    """Return the outline of a mark around a point, for `path`; marks of one size look equally large."""
    across, down = number(x), number(y)
    if shape == "circle":
        radius = number(size / 2)
        arc = f"a{radius},{radius} 0 1,0"
        return f"M{number(x - size / 2)},{down}{arc} {number(size)},0{arc} {number(-size)},0z"
    if shape == "square":
        side = number(0.88 * size)
        return f"M{number(x - 0.44 * size)},{number(y - 0.44 * size)}h{side}v{side}h-{side}z"
    if shape == "triangle":
        return f"M{across},{number(y - 0.6 * size)}l{number(0.58 * size)},{number(size)}h{number(-1.16 * size)}z"
    half = number(0.62 * size)
    return f"M{across},{number(y - 0.62 * size)}l{half},{half}l-{half},{half}l-{half},-{half}z"


def number(value: float) -> str:
    """Write a coordinate to a tenth of a unit, as short as it can be."""
    return f"{round(float(value), 1):g}"


def ordinal(rank: int) -> str:
    """Return ``1st``, ``2nd``, ``41st`` ..."""
    ending = "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{ending}"
