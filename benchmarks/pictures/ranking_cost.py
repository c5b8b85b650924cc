"""ranking-cost.svg: seconds of a ranking against documents, queries and dimensions, for docs/results/performance.md."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.pictures.svg import WIDTH, card, mark, number, path, text

LEFT, RIGHT, FIRST, PANEL, HIGH = 60, 60, 74, 186, 84
TITLE = "Seconds of a ranking, logarithmic scales"
FIXED = {
    "documents": "1,190 queries, 384 dimensions",
    "queries": "50,000 documents, 384 dimensions",
    "dimensions": "50,000 documents, 1,190 queries",
}
"""What varies -> what does not."""


def draw(costs: Mapping[str, Mapping[str, float]]) -> str:
    """Draw a panel for each quantity, all axes logarithmic, seconds in one scale.

    Args:
        costs: Quantity -> its size -> seconds.
    """
    body = [text(20, 36, TITLE, "title")]
    every = np.log([took for seconds in costs.values() for took in seconds.values()])
    for panel, (quantity, seconds) in enumerate(costs.items()):
        top = FIRST + panel * PANEL
        sizes = np.log([float(size) for size in seconds])
        across = LEFT + (sizes - sizes[0]) / (sizes[-1] - sizes[0]) * (WIDTH - LEFT - RIGHT)
        base = top + 40 + HIGH
        down = base - 8 - (np.log(list(seconds.values())) - every.min()) / np.ptp(every) * (HIGH - 8)
        body += [
            text(20, top, f"{quantity.capitalize()} ({FIXED[quantity]})", "strong"),
            path(f"M{LEFT},{base}H{WIDTH - RIGHT}", "rule"),
            path("M" + "L".join(f"{number(x)},{number(y)}" for x, y in zip(across, down, strict=True)), "en-line"),
        ]
        for x, y, (size, took) in zip(across, down, seconds.items(), strict=True):
            body += [
                path(mark("circle", x, y, 8), "en"),
                text(x, y - 10, f"{took:.2f}", "strong", "middle"),
                text(x, base + 22, f"{int(size):,}", anchor="middle"),
            ]
    description = "; ".join(
        f"{quantity}: " + ", ".join(f"{took:.2f} s for {int(size):,}" for size, took in seconds.items())
        for quantity, seconds in costs.items()
    )
    return card(FIRST + len(costs) * PANEL - 16, TITLE, f"{description}.", body)
