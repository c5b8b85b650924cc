"""logo.svg: an isogloss, the line on a map between two ways of speaking, with a cloud of texts on each side."""

from __future__ import annotations

from benchmarks.pictures.svg import mark, path

COLOUR = "#3f51b5"
"""The indigo of mkdocs-material, on which the logo has no visible edge."""
ISOGLOSS = "M20.5,3C10,13 22,19 11.5,29"
LEFT = ((5.2, 9.5), (5.2, 22.5), (10.2, 16))


def draw() -> str:
    """Draw it in white on `COLOUR`, for 24 pixels."""
    circles = "".join(mark("circle", x, y, 5.8) for x, y in LEFT)
    squares = "".join(mark("square", 32 - x, y, 5.6) for x, y in LEFT)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" role="img" aria-labelledby="title">'
        f'<title id="title">isoglot</title><rect width="32" height="32" rx="7" fill="{COLOUR}"/>'
        f"{path(circles + squares, 'texts', fill='#fff')}"
        f"{path(ISOGLOSS, 'line', fill='none', stroke='#fff', stroke_width=2.6, stroke_linecap='round')}</svg>\n"
    )
