"""vector-space.svg: how similar questions are to relevant and unrelated documents, in their language and others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.pictures.space import Similarities
from benchmarks.pictures.svg import WIDTH, card, number, path, text
from isoglot.platform.arrays import Floats

LEFT, RIGHT, ROW, FIRST, PANEL, BINS = 204, 24, 34, 132, 212, 90
TITLE = "Similarity of questions and documents"
ROWS = {
    (True, True): "relevant, same",
    (True, False): "relevant, other",
    (False, True): "unrelated, same",
    (False, False): "unrelated, other",
}
"""(relevant, in the question's language) -> the label of the row."""
COMPARED = ((True, False), (False, True))
"""The rows whose documents are in the wrong order where the second is more similar than the first."""


def numbers(models: Mapping[str, Similarities]) -> list[str]:
    """Say the medians of each row, and how often the middle rows are in the wrong order."""
    return [
        f"{name}: {similarities.wrong:.1%} in the wrong order; medians: "
        + "; ".join(f"{label} {np.median(similarities.cosines[kind]):.2f}" for kind, label in ROWS.items())
        for name, similarities in models.items()
    ]


def draw(models: Mapping[str, Similarities]) -> str:
    """Draw a panel for each model, with a scale of its own and a row for each kind of pair."""
    body = [
        text(20, 36, TITLE, "title"),
        text(20, 64, "same: in the question's language; other: in another"),
        text(20, 90, "wrong order: unrelated, same before relevant, other"),
    ]
    for panel, (name, similarities) in enumerate(models.items()):
        body += _panel(name, similarities, FIRST + panel * PANEL)
    return card(FIRST + len(models) * PANEL - 16, TITLE, ". ".join(numbers(models)) + ".", body)


def _panel(name: str, similarities: Similarities, top: float) -> list[str]:
    every = np.concatenate(list(similarities.cosines.values()))
    margin = 0.03 * np.ptp(every)
    low, high = float(every.min() - margin), float(every.max() + margin)
    scale = (WIDTH - LEFT - RIGHT) / (high - low)
    edges = np.linspace(low, high, BINS + 1)
    bottom = top + 10 + len(ROWS) * ROW
    drawn = [text(20, top, f"{name}: {similarities.wrong:.1%} in the wrong order", "strong")]
    for tick in _ticks(low, high):
        x = LEFT + (tick - low) * scale
        drawn.append(path(f"M{number(x)},{number(top + 12)}V{number(bottom)}", "rule"))
        drawn.append(text(x, bottom + 20, f"{tick:g}", anchor="middle"))
    for row, (kind, label) in enumerate(ROWS.items()):
        base = top + 10 + (row + 1) * ROW
        cosines = similarities.cosines[kind]
        heights = _smooth(np.histogram(cosines, edges)[0].astype(np.float64))
        heights *= (ROW - 5) / heights.max()
        across = LEFT + (edges[:-1] + edges[1:] - 2 * low) / 2 * scale
        outline = "L".join(f"{number(x)},{number(base - y)}" for x, y in zip(across, heights, strict=True))
        colour = "relevant" if kind[0] else "unrelated"
        median = LEFT + (float(np.median(cosines)) - low) * scale
        drawn += [
            text(LEFT - 12, base - 4, label, "strong" if kind in COMPARED else "", "end"),
            path(f"M{number(across[0])},{number(base)}L{outline}V{number(base)}z", colour),
            path(f"M{number(median)},{number(base)}v{5 - ROW}", "cut", stroke_width=2),
        ]
    return drawn


def _ticks(low: float, high: float) -> list[float]:
    step = 0.1 if high - low < 0.5 else 0.2
    return [round(tick * step, 1) for tick in range(int(np.ceil(low / step)), int(high / step) + 1)]


def _smooth(heights: Floats) -> Floats:
    return np.convolve(heights, np.array([1, 2, 3, 2, 1]) / 9, mode="same")
