"""Draw docs/problem.svg: one question's ranking before and after `center`, from the bundled model and collection.

.venv/bin/isoglot align e5-small-q4 --method center --data mini@demo-train -o demo/models/center
.venv/bin/python docs/problem_picture.py e5-small-q4 demo/models/center
"""

from __future__ import annotations

import sys
from pathlib import Path

import isoglot

QUERY = "mountains-kilimanjaro"
LANGUAGES = {"en": ("English", "#3b6fb6"), "zh": ("Chinese", "#e08a1e")}
WIDTH, CELL, LEFT = 900, 10, 20


def ranking(model: str) -> list[tuple[str, bool]]:
    """The language of each document of mini@demo in en+zh, best first, and whether it is a gold of the question."""
    audit = isoglot.audit(model, "mini@demo", pools=[["en", "zh"]], scenarios=["multi"], run_depth=80)
    found = dict(audit.find("multi", ["en", "zh"], "zh").run)[QUERY]
    return [(language, content == QUERY) for content, language, _ in found]


def row(title: str, found: list[tuple[str, bool]], top: int) -> list[str]:
    """One strip of documents with its golds marked."""
    lines = [f'<text x="{LEFT}" y="{top}" class="title">{title}</text>']
    free = 0.0  # where the next label may begin
    for place, (language, gold) in enumerate(found):
        x, y = LEFT + place * (CELL + 0.75), top + 14
        name, color = LANGUAGES[language]
        lines.append(f'<rect x="{x:.1f}" y="{y}" width="{CELL}" height="26" rx="2" fill="{color}"/>')
        if gold:
            label = f"the answer in {name}: rank {place + 1}"
            at = max(free, x + 26)
            lines.append(f'<path d="M{x + 5:.1f} {y + 29} l6 10 h-12 z" class="mark"/>')
            lines.append(f'<text x="{at:.1f}" y="{y + 40}" class="label">{label}</text>')
            free = at + 7 * len(label) + 20
    return lines


def main() -> None:
    """Write the picture."""
    before, after = (ranking(model) for model in sys.argv[1:3])
    legend = "".join(
        f'<rect x="{LEFT + at * 170}" y="176" width="12" height="12" rx="2" fill="{color}"/>'
        f'<text x="{LEFT + 18 + at * 170}" y="187" class="label">{name} document</text>'
        for at, (name, color) in enumerate(LANGUAGES.values())
    )
    question = "A Chinese question, 80 documents in English and Chinese, best first"
    style = (
        "text{font-family:system-ui,sans-serif;fill:#444}.title{font-size:15px;font-weight:600}.label{font-size:13px}"
        ".mark{fill:#c0392b}@media(prefers-color-scheme:dark){text{fill:#ccc}}"
    )
    body = [
        *row(f"{question}: multilingual-e5-small", before, 22),
        *row("The same after isoglot align --method center", after, 104),
    ]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 198" role="img"'
        f' aria-label="{question}, before and after alignment"><style>{style}</style>{"".join(body)}{legend}</svg>\n'
    )
    (Path(__file__).parent / "problem.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
