"""scaled.svg: the scores of one question by language, and the same less what is usual for each language."""

from __future__ import annotations

import numpy as np

from benchmarks.pictures.space import Scores
from benchmarks.pictures.svg import LANGUAGES, SHAPES, WIDTH, card, mark, number, ordinal, path, text
from isoglot.platform.arrays import Floats

LEFT, RIGHT, LANE, DOT, PANEL = 108, 24, 76, 7, 276
TITLE = "Scaling subtracts what is usual for a language"


def numbers(scores: Scores) -> list[str]:
    """Say what is usual for each language, and what the first ten are."""
    usual = ", ".join(f"{value:.3f} in {LANGUAGES[tag]}" for tag, value in scores.usual.items())
    lines = [f"The usual score is {usual}"]
    for scaled, when in ((False, "before"), (True, "after")):
        order = scores.order(scaled=scaled)
        languages = [tag for tag, _ in order[:10]]
        counts = " and ".join(f"{languages.count(tag)} {LANGUAGES[tag]}" for tag in scores.usual)
        ranks = ", ".join(f"{ordinal(rank)} in {LANGUAGES[tag]}" for tag, rank in scores.ranks(scaled=scaled).items())
        lines.append(f"First ten {when} scaling: {counts} documents; the answer is {ranks}")
    return lines


def draw(scores: Scores) -> str:
    """Draw the scores in two panels, a lane for each language."""
    body = [text(20, 36, TITLE, "title")]
    body += _panel("Scores of 80 documents for a Chinese question", scores, scores.scores, scores.usual, 72, False)
    zero = dict.fromkeys(scores.usual, 0.0)
    body += _panel("The same scores minus the usual score", scores, scores.scaled, zero, 72 + PANEL, True)
    return card(72 + 2 * PANEL - 8, TITLE, ". ".join(numbers(scores)) + ".", body)


def _panel(title: str, scores: Scores, values: Floats, usual: dict[str, float], top: float, scaled: bool) -> list[str]:
    low, high = float(values.min()), float(values.max())
    scale = (WIDTH - LEFT - RIGHT) / (high - low)
    drawn = [text(20, top, title, "strong")]
    for lane, tag in enumerate(("zh", "en")):
        middle = top + 54 + lane * LANE
        chosen = scores.languages == tag
        across = LEFT + (values[chosen] - low) * scale
        down = middle + swarm(across, DOT + 0.5)
        relevant = scores.relevant[chosen]
        level = LEFT + (usual[tag] - low) * scale
        dots = "".join(mark(SHAPES[tag], x, y, DOT) for x, y in zip(across[~relevant], down[~relevant], strict=True))
        drawn += [
            text(LEFT - 8, middle + 5, LANGUAGES[tag], tag, "end"),
            path(f"M{LEFT},{number(middle)}H{WIDTH - RIGHT}", "rule"),
            path(dots, tag, opacity=0.8),
            path(f"M{number(level)},{number(middle - 24)}v48", "ink", stroke_width=2.5, stroke_dasharray="5 3"),
            text(level, middle - 30, f"usual: {abs(round(usual[tag], 2)):g}", anchor="middle"),
        ]
        (x,), (y,) = across[relevant], down[relevant]
        rank = scores.ranks(scaled=scaled)[tag]
        beside, anchor = (x + 14, "start") if x < WIDTH / 2 + LEFT else (x - 14, "end")
        drawn.append(path(star(x, y), "gold", data_rank=rank))
        drawn.append(text(beside, y - 8, f"answer: {ordinal(rank)}", "strong", anchor))
    return drawn + _first_ten(scores.order(scaled=scaled)[:10], top + 2 * LANE + 50)


def _first_ten(order: list[tuple[str, bool]], y: float) -> list[str]:
    drawn = [text(20, y + 2, "First ten:", "strong")]
    for place, (tag, relevant) in enumerate(order):
        x = 160 + place * 46
        drawn.append(path(mark(SHAPES[tag], x, y - 4, 18), tag))
        if relevant:
            drawn.append(path(star(x, y + 20), "gold", data_first=place + 1))
    return drawn


def star(x: float, y: float) -> str:
    """Return the outline of a five-pointed star, the mark of an answer."""
    angles = -np.pi / 2 + np.arange(10) * np.pi / 5
    radii = np.where(np.arange(10) % 2, 4, 9.5)
    return (
        "M"
        + "L".join(
            f"{number(x + radius * np.cos(angle))},{number(y + radius * np.sin(angle))}"
            for radius, angle in zip(radii, angles, strict=True)
        )
        + "z"
    )


def swarm(across: Floats, size: float) -> Floats:
    """Return (n,) heights at which marks of a size at (n,) places do not overlap, as near to 0 as can be."""
    down = np.zeros(len(across))
    placed: list[int] = []
    for place in np.argsort(across):
        near = [other for other in placed if across[place] - across[other] < size]
        steps = [0.0] + [sign * step * size / 2 for step in range(1, 12) for sign in (1, -1)]
        free = (
            height
            for height in steps
            if all(np.hypot(across[place] - across[other], height - down[other]) >= size for other in near)
        )
        down[place] = next(free, 0.0)
        placed.append(int(place))
    return down
