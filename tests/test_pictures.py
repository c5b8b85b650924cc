"""The pictures of the documentation: what is drawn is what was given, where it belongs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import isoglot
from benchmarks.measuring import RESULTS
from benchmarks.pictures import calibration, logo, problem, ranking_cost, scaled, svg, vector_space
from benchmarks.pictures.__main__ import COLLECTION, FOLDER, MODEL, QUESTION
from benchmarks.pictures.calibration import TAGS, Clouds
from benchmarks.pictures.space import Space

PICTURES = sorted(path for path in FOLDER.glob("*.svg") if path.stem != "logo")
ORDER = [("zh", True), ("zh", False), ("en", False), ("en", True)]


def elements(drawing: str, kind: str) -> list[ElementTree.Element]:
    """The elements of a class, in the order of the drawing."""
    return [element for element in ElementTree.fromstring(drawing).iter() if element.get("class") == kind]


def words(drawing: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(drawing).iter() if element.tag.endswith("}text")]


def starts(element: ElementTree.Element) -> list[tuple[float, float]]:
    """Where the outlines of a path begin."""
    return [(float(x), float(y)) for x, y in re.findall(r"M(-?[\d.]+),(-?[\d.]+)", element.get("d", ""))]


def space() -> Space:
    """Two documents in each of two languages, which the first component tells, and the Chinese question of ``a``."""
    return Space(
        documents=np.array([[0.0, 1.0], [0.0, 0.5], [1.0, 0.4], [1.0, 0.0]], dtype=np.float32),
        document_languages=np.array(["en", "en", "zh", "zh"]),
        contents=np.array(["a", "b", "a", "b"]),
        questions=np.array([[1.0, 1.0]], dtype=np.float32),
        question_languages=np.array(["zh"]),
        golds=np.array(["a"]),
    )


def test_a_problem_has_each_document_in_the_lane_of_its_language_at_its_rank() -> None:
    drawing = problem.draw({"A model": ORDER})
    pitch = (svg.WIDTH - problem.LEFT - problem.RIGHT) / len(ORDER)
    (chinese,), (english,) = (
        [element for element in elements(drawing, tag) if element.get("d")] for tag in ("zh", "en")
    )
    assert [x for x, _ in starts(chinese)] == [round(problem.LEFT + pitch, 1)]
    assert [x for x, _ in starts(english)] == [round(problem.LEFT + 2 * pitch, 1)]
    assert starts(chinese)[0][1] < starts(english)[0][1]
    answers = [element for element in elements(drawing, "gold") if element.get("data-rank")]
    assert [element.get("data-rank") for element in answers] == ["1", "4"]
    assert float(answers[1].get("x", "")) == pytest.approx(problem.LEFT + 3 * pitch - 0.5, abs=0.06)
    assert {"A model", "answer: 1st", "answer: 4th"} <= set(words(drawing))


def test_scores_are_scaled_as_the_search_scales_them() -> None:
    scores = space().scores("a", "zh")
    assert scores.usual == pytest.approx({"en": 0.75, "zh": 1.2})
    assert scores.order() == [("zh", True), ("en", True), ("zh", False), ("en", False)]
    assert scores.ranks(scaled=True) == {"en": 1, "zh": 2}


def test_scaled_lists_have_usual_scores_and_answers_at_their_places() -> None:
    scores = space().scores("a", "zh")
    drawing = scaled.draw(scores)
    usual = [starts(element)[0][0] for element in elements(drawing, "ink")]
    unit = (svg.WIDTH - scaled.LEFT - scaled.RIGHT) / (1.4 - 0.5)
    assert usual[:2] == pytest.approx([scaled.LEFT + 0.7 * unit, scaled.LEFT + 0.25 * unit], abs=0.1)
    assert usual[2] == usual[3]
    stars = [element.get("data-rank") or element.get("data-first") for element in elements(drawing, "gold")]
    assert stars == ["1", "2", "1", "2", "2", "1", "1", "2"]
    assert words(drawing).count("answer: 1st") == words(drawing).count("answer: 2nd") == 2


def test_marks_of_a_swarm_do_not_overlap() -> None:
    across = np.random.default_rng(0).normal(scale=20, size=40)
    places = np.stack([across, scaled.swarm(across, 7)], axis=1)
    distances = np.linalg.norm(places[:, None] - places, axis=2)[np.triu_indices(40, 1)]
    assert distances.min() >= 7 - 1e-9


def test_arrows_of_calibration_lead_from_the_means_to_the_zero_vector() -> None:
    contents = tuple(calibration.TRANSLATIONS)
    corners = dict(zip(TAGS, np.array([[-1.0, 0], [1, 0], [0, 1], [0, -1]]), strict=True))
    near = np.array([[0.1, 0.0], [-0.1, 0.0], [0.0, 0.0]])
    before = Clouds({tag: at + near for tag, at in corners.items()}, dict.fromkeys(TAGS, near), contents)
    after = Clouds(dict.fromkeys(TAGS, near), dict.fromkeys(TAGS, near), contents)
    drawing = calibration.draw(before, after, "What is drawn.")
    arrows = [element for element in elements(drawing, "ink") if element.get("stroke-width") == "2.5"]
    assert len(arrows) == len(TAGS)
    tips = [np.array(arrow.get("d", "").split("L")[1].split(","), dtype=float) for arrow in arrows]
    origin = np.mean(tips, axis=0)
    assert [np.linalg.norm(tip - origin) for tip in tips] == pytest.approx([9] * len(TAGS), abs=0.2)
    along = [(starts(arrow)[0] - origin) * [1, -1] for arrow in arrows]
    for direction, corner in zip(along, corners.values(), strict=True):
        np.testing.assert_allclose(direction / np.linalg.norm(direction), corner, atol=0.01)
    assert {"English", "Chinese", "Thai", "Russian", *calibration.TRANSLATIONS.values()} <= set(words(drawing))


def test_the_plane_is_that_of_the_two_largest_variances() -> None:
    vectors = np.diag([3.0, 0.1, 2.0])[np.repeat(np.arange(3), 2)] * np.array([1, -1] * 3)[:, None] + 5
    np.testing.assert_allclose(np.abs(calibration.plane(vectors)), [[1, 0, 0], [0, 0, 1]], atol=1e-9)


def test_similarities_are_of_the_kinds_that_they_are_said_to_be() -> None:
    similarities = space().similarities()
    assert {kind: cosines.round(3).tolist() for kind, cosines in similarities.cosines.items()} == {
        (True, True): pytest.approx([1.4]),
        (True, False): [1.0],
        (False, True): [1.0],
        (False, False): [0.5],
    }
    assert similarities.wrong == 0


def test_medians_stand_on_the_scale_of_their_panel() -> None:
    similarities = space().similarities()
    drawing = vector_space.draw({"A model": similarities})
    medians = [starts(element)[0][0] for element in elements(drawing, "cut")]
    low, high = 0.5 - 0.03 * 0.9, 1.4 + 0.03 * 0.9
    unit = (svg.WIDTH - vector_space.LEFT - vector_space.RIGHT) / (high - low)
    places = [vector_space.LEFT + (median - low) * unit for median in (1.4, 1.0, 1.0, 0.5)]
    assert medians == pytest.approx(places, abs=0.1)
    assert "A model: 0.0% in the wrong order" in words(drawing)


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_small_and_legible_and_says_what_it_shows(path: Path) -> None:
    drawing = path.read_text(encoding="utf-8")
    assert len(drawing.encode()) < 100_000
    root = ElementTree.fromstring(drawing)
    title, description = (root.find(f"{{http://www.w3.org/2000/svg}}{name}") for name in ("title", "desc"))
    assert title is not None
    assert title.text
    assert description is not None
    assert len(description.text or "") > 40
    assert svg.STYLE in drawing, "python -m benchmarks.pictures (or .page) was not run after a change of the style"
    sizes = [float(size) for size in re.findall(r"font(?:-size)?:(\d+)px", svg.STYLE)]
    assert min(sizes) * 760 / svg.WIDTH >= 12


def test_pictures_that_need_no_model_are_what_is_drawn() -> None:
    seconds = json.loads((RESULTS / "ranking.json").read_text(encoding="utf-8"))["seconds"]
    assert (FOLDER / "ranking-cost.svg").read_text(encoding="utf-8") == ranking_cost.draw(seconds)
    assert (FOLDER / "logo.svg").read_text(encoding="utf-8") == logo.draw()


@pytest.mark.slow
def test_the_ranks_in_the_pictures_are_those_of_an_audit() -> None:
    drawn = elements((FOLDER / "problem.svg").read_text(encoding="utf-8"), "gold")
    ranks = [int(element.get("data-rank", "")) for element in drawn if element.get("data-rank")]
    stars = elements((FOLDER / "scaled.svg").read_text(encoding="utf-8"), "gold")
    starred = [int(element.get("data-rank", "")) for element in stars if element.get("data-rank")]
    for row, balance in enumerate(("none", "scaled")):
        audit = isoglot.audit(
            MODEL,
            COLLECTION,
            pools=[["en", "zh"]],
            query_languages=["zh"],
            scenarios=["multi"],
            run_depth=80,
            balance=balance,
        )
        run = dict(audit.find("multi", ["en", "zh"], "zh").run)[QUESTION]
        places = {language: rank for rank, (content, language, _) in enumerate(run, 1) if content == QUESTION}
        assert ranks[2 * row : 2 * row + 2] == starred[2 * row : 2 * row + 2] == [places["zh"], places["en"]]


def test_a_rank_is_written_in_english() -> None:
    assert [svg.ordinal(rank) for rank in (1, 2, 3, 4, 11, 12, 13, 21, 41, 112)] == (
        "1st 2nd 3rd 4th 11th 12th 13th 21st 41st 112th".split()
    )
