"""calibration.svg: documents of four languages and their translations in a plane, before and after calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.pictures.space import Space
from benchmarks.pictures.svg import LANGUAGES, SHAPES, card, mark, number, path, text
from isoglot.platform.arrays import Floats, Vectors

TAGS = ("en", "zh", "th", "ru")
TRANSLATIONS = {"sports-volleyball": "volleyball", "mountains-kilimanjaro": "Kilimanjaro", "animals-giraffe": "giraffe"}
"""Content ids of documents whose translations are joined -> their labels."""
TITLE = "Calibration puts all languages in one place"
LEFT, GAP, FIRST, WIDE, HIGH, ROW = 14, 12, 116, 300, 280, 324


@dataclass(frozen=True)
class Clouds:
    """Places of documents and questions in a plane, whose origin is the zero vector.

    Attributes:
        documents: Language -> (n, 2), its documents, sorted by content id.
        questions: Language -> (m, 2), its questions.
        contents: The n content ids.
    """

    documents: Mapping[str, Floats]
    questions: Mapping[str, Floats]
    contents: tuple[str, ...]

    @property
    def every(self) -> Floats:
        """All places, (k, 2)."""
        return np.concatenate([*self.documents.values(), *self.questions.values()])

    def placed(self, origin: Floats, scale: Floats) -> Clouds:
        """Return the clouds in the coordinates of a drawing: origin and scale are (2,)."""
        documents, questions = (
            {tag: origin + points * scale for tag, points in group.items()}
            for group in (self.documents, self.questions)
        )
        return Clouds(documents, questions, self.contents)


def plane(vectors: Vectors | Floats) -> Floats:
    """Return the directions of the first two principal components, (2, d)."""
    return np.asarray(np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)[2][:2])


def project(space: Space, axes: Floats) -> Clouds:
    """Project the vectors of four languages on a plane."""
    return Clouds(
        {tag: space.documents[space.places(tag)] @ axes.T for tag in TAGS},
        {tag: space.questions[space.question_languages == tag] @ axes.T for tag in TAGS},
        tuple(space.contents[space.places(TAGS[0])].tolist()),
    )


def numbers(before: Space, after: Space) -> list[str]:
    """Say how far apart the languages' means are and how similar translations are, in all dimensions."""
    documents = before.pool(*TAGS).documents
    centered = documents - documents.mean(axis=0)
    share = ((centered @ plane(documents).T) ** 2).sum() / (centered**2).sum()
    lines = [f"The plane holds {share:.0%} of the variance of the documents before calibration"]
    for when, space in (("before", before), ("after", after)):
        vectors = np.stack([space.documents[space.places(tag)] for tag in TAGS])
        means = vectors.mean(axis=1)
        first, second = np.triu_indices(len(TAGS), 1)
        cosines = np.einsum("and,bmd->abnm", vectors, vectors)[first, second]
        same = np.eye(vectors.shape[1], dtype=bool)
        translations, others = cosines[:, same].mean(), cosines[:, ~same].mean()
        between = np.mean([_cosine(means[a], means[b]) for a, b in zip(first, second, strict=True)])
        lines.append(
            f"Mean cosines {when}: {translations:.2f} of translations, {others:.2f} of other documents in two "
            f"languages, {between:.2f} of the means of two languages"
        )
    return lines


def _cosine(one: Floats, other: Floats) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def draw(before: Clouds, after: Clouds, description: str) -> str:
    """Draw clouds in the upper row and translations in the lower one, before and after, all in one scale."""
    every = np.concatenate([before.every, after.every])
    low, high = every.min(axis=0), every.max(axis=0)
    scale = float(((np.array([WIDE, HIGH]) - 24) / (high - low)).min()) * np.array([1, -1])
    body = [text(20, 36, TITLE, "title"), text(20, 64, "filled: documents; hollow: questions")]
    for column, (when, clouds) in enumerate((("before", before), ("after", after))):
        for row, (what, panel) in enumerate((("Languages", _languages), ("Translations", _translations))):
            left, top = LEFT + column * (WIDE + GAP), FIRST + row * ROW
            origin = np.array([left + WIDE / 2, top + HIGH / 2]) - (low + high) / 2 * scale
            body.append(text(left + 6, top - 12, f"{what} {when}", "strong"))
            body.append(f'<rect class="rule" x="{left}" y="{top}" width="{WIDE}" height="{HIGH}" rx="8"/>')
            body += panel(clouds.placed(origin, scale), origin, is_before=column == 0)
    return card(FIRST + 2 * ROW - 30, TITLE, description, body)


def _languages(clouds: Clouds, origin: Floats, *, is_before: bool) -> list[str]:
    drawn = []
    for tag in TAGS:
        documents, questions = (
            "".join(mark(SHAPES[tag], x, y, size) for x, y in group[tag])
            for group, size in ((clouds.documents, 7), (clouds.questions, 6))
        )
        drawn += [path(documents, tag, opacity=0.65), path(questions, f"{tag}-line", opacity=0.8)]
    for tag in TAGS if is_before else ():
        points = np.concatenate([clouds.documents[tag], clouds.questions[tag]])
        mean = clouds.documents[tag].mean(axis=0)
        name_at = points[:, 1].min() - 10 if mean[1] < origin[1] + 20 else points[:, 1].max() + 22
        drawn += [_arrow(mean, origin), text(mean[0], name_at, LANGUAGES[tag], tag, "middle")]
    cross = f"M{number(origin[0] - 8)},{number(origin[1])}h16m-8,-8v16"
    return [*drawn, path(cross, "ink", stroke_width=2)]


def _translations(clouds: Clouds, origin: Floats, *, is_before: bool) -> list[str]:
    drawn = []
    for content, name in TRANSLATIONS.items():
        versions = np.array([clouds.documents[tag][clouds.contents.index(content)] for tag in TAGS])
        middle = versions.mean(axis=0)
        start = f"M{number(middle[0])},{number(middle[1])}"
        drawn.append(path("".join(f"{start}L{number(x)},{number(y)}" for x, y in versions), "ink", stroke_width=1.5))
        drawn += [path(mark(SHAPES[tag], x, y, 12), tag) for tag, (x, y) in zip(TAGS, versions, strict=True)]
        if not is_before:
            drawn.append(text(versions[:, 0].max() + 12, middle[1] + 5, name, "strong"))
    return drawn


def _arrow(start: Floats, end: Floats) -> str:
    """Return an arrow that ends just before a point."""
    along = (end - start) / np.linalg.norm(end - start)
    across = np.array([-along[1], along[0]])
    tip = end - 9 * along
    corners = [start, tip, tip - 10 * along + 6 * across, tip, tip - 10 * along - 6 * across]
    return path("M" + "L".join(f"{number(x)},{number(y)}" for x, y in corners), "ink", stroke_width=2.5)
