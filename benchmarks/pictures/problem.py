"""problem.svg: where the answers of one question stand, before and after mends that need no training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.pictures.svg import LANGUAGES, WIDTH, card, number, ordinal, path, text

Order = Sequence[tuple[str, bool]]
"""The language of each document, best first, and whether it answers the question."""

LEFT, RIGHT, LANE, FIRST, STRIP = 108, 18, 22, 76, 140
TITLE = "A Chinese question, 80 documents, best first"


def ranks(order: Order) -> dict[str, int]:
    """Return the rank of the answer in each language."""
    return {language: place for place, (language, answers) in enumerate(order, 1) if answers}


def numbers(rankings: Mapping[str, Order]) -> list[str]:
    """Say the ranks that are drawn."""
    return [
        f"{title}: the answer is {ordinal(ranks(order)['zh'])} in Chinese and {ordinal(ranks(order)['en'])} in English"
        for title, order in rankings.items()
    ]


def draw(rankings: Mapping[str, Order]) -> str:
    """Draw one strip for each ranking, with a lane for Chinese documents above one for English documents."""
    body = [text(20, 36, TITLE, "title")]
    for row, (title, order) in enumerate(rankings.items()):
        body += _strip(title, order, FIRST + row * STRIP)
    return card(FIRST + len(rankings) * STRIP - 8, TITLE, ". ".join(numbers(rankings)) + ".", body)


def _strip(title: str, order: Order, top: float) -> list[str]:
    pitch = (WIDTH - LEFT - RIGHT) / len(order)
    drawn = [text(20, top, title, "strong")]
    for lane, tag in enumerate(("zh", "en")):
        y = top + 34 + lane * (LANE + 4)
        bars = "".join(
            f"M{number(LEFT + place * pitch)},{number(y)}h{number(pitch - 1)}v{LANE}h{number(1 - pitch)}z"
            for place, (language, answers) in enumerate(order)
            if language == tag and not answers
        )
        rank = ranks(order)[tag]
        x = LEFT + (rank - 0.5) * pitch
        outward = -1 if tag == "zh" else 1
        edge = y if tag == "zh" else y + LANE
        drawn += [
            text(LEFT - 8, y + 17, LANGUAGES[tag], tag, "end"),
            path(bars, tag, opacity=0.55),
            f'<rect class="gold" data-rank="{rank}" x="{number(x - pitch / 2 - 0.5)}" y="{number(y - 2)}" '
            f'width="{number(pitch)}" height="{LANE + 4}"/>',
            path(f"M{number(x)},{number(edge + outward * 4)}l5,{outward * 9}h-10z", "gold"),
            text(max(x + 10, LEFT + 10), edge + (-5 if tag == "zh" else 19), f"answer: {ordinal(rank)}", "strong"),
        ]
    return drawn
