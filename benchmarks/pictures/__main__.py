"""Draw docs/pictures and print the numbers in them: python -m benchmarks.pictures [--out FOLDER]."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.pictures import calibration, logo, problem, scaled, vector_space
from benchmarks.pictures.space import encoded

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
COLLECTION, MODEL, ALIGNED = "mini@demo", "e5-small-q4", "e5-small-q4+aligned"
QUESTION = "mountains-kilimanjaro"
"""Asked in Chinese. The English version of its document is at the median rank of all 40 Chinese questions."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER, help="where the pictures go (default: docs/pictures)")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    base = encoded(MODEL, COLLECTION)
    calibrated = base.calibrated()
    informed = base.calibrated(with_questions=True)
    before, after = (space.pool("en", "zh") for space in (base, calibrated))
    scores = before.scores(QUESTION, "zh")
    rankings = {
        "The model alone": scores.order(),
        "Scaled: the search is changed": scores.order(scaled=True),
        "Calibrated: the vectors are changed": after.scores(QUESTION, "zh").order(),
    }
    axes = calibration.plane(base.pool(*calibration.TAGS).documents)
    clouds = tuple(calibration.project(space, axes) for space in (base, informed))
    calibration_numbers = calibration.numbers(base, informed)
    similarities = {
        "The model alone": base.similarities(),
        "Calibrated": calibrated.similarities(),
        "Trained": encoded(ALIGNED, COLLECTION).similarities(),
    }
    pictures = {
        "problem": (problem.draw(rankings), problem.numbers(rankings)),
        "calibration": (
            calibration.draw(clouds[0], clouds[1], ". ".join(calibration_numbers) + "."),
            calibration_numbers,
        ),
        "scaled": (scaled.draw(scores), scaled.numbers(scores)),
        "vector-space": (vector_space.draw(similarities), vector_space.numbers(similarities)),
        "logo": (logo.draw(), []),
    }
    for name, (svg, numbers) in pictures.items():
        path = folder / f"{name}.svg"
        path.write_text(svg, encoding="utf-8")
        print(f"{path.name}, {len(svg.encode()) / 1000:.1f} kB", *numbers, sep="\n  ")


if __name__ == "__main__":
    main()
