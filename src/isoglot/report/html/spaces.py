"""Charts that need vectors: how similar documents are, and where they lie in a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isoglot.corpora.collection import Collection, Document
from isoglot.platform.arrays import Vectors
from isoglot.platform.extras import needs
from isoglot.report.html.drawing import WIDTH, Chart, Panel, Spec, draw, in_order
from isoglot.report.tables import language_name

DOCUMENTS = 720
"""Approximate number of documents that are drawn."""
BINS = 40
LANGUAGE_COLOURS = 12
MAP_SIZE = WIDTH - 20
LABEL_SIZE = 22
"""Distance in pixels between the middles of two languages below which only the legend names them."""
KINDS = {
    "translations": "var(--audit1)",
    "same language, unrelated": "var(--audit0)",
    "two languages, unrelated": "var(--audit2)",
}


def sample(collection: Collection, languages: Sequence[str], seed: int) -> list[Document]:
    """Draw contents by seed and return their documents in all of `languages` that have them.

    Args:
        collection: Collection to draw from.
        languages: Canonical BCP-47 tags.
        seed: Random seed of the draw.
    """
    documents = {(d.content_id, d.language): d for d in collection.documents if d.language in languages}
    contents = sorted({content for content, _ in documents})
    np.random.default_rng(seed).shuffle(contents)
    chosen = contents[: max(10, DOCUMENTS // len(languages))]
    return [documents[content, tag] for content in chosen for tag in languages if (content, tag) in documents]


def similarities(names: Sequence[str], vectors: Sequence[Vectors], documents: Sequence[Document]) -> Chart:
    """Draw histograms of the cosine between translations, unrelated documents of one language, and of two languages.

    Args:
        names: Names of the models.
        vectors: For each model the (n, d) unit vectors of the documents.
        documents: n documents.
    """
    contents = np.unique([d.content_id for d in documents], return_inverse=True)[1]
    languages = np.unique([d.language for d in documents], return_inverse=True)[1]
    upper = np.triu(np.ones((len(documents), len(documents)), dtype=bool), k=1)
    related, alike = contents[:, None] == contents, languages[:, None] == languages
    kinds = dict(
        zip(KINDS, (related & ~alike & upper, ~related & alike & upper, ~related & ~alike & upper), strict=True)
    )
    data: list[dict[str, Any]] = []
    panels = []
    confused = []
    for model, (name, unit_vectors) in enumerate(zip(names, vectors, strict=True)):
        cosines = unit_vectors @ unit_vectors.T
        edges = np.linspace(float(cosines[upper].min()), 1, BINS + 1)
        marks = [
            {
                "model": model,
                "kind": kind,
                "cosine": round(float(low), 4),
                "share": round(100 * int(count) / max(1, int(pairs.sum())), 3),
            }
            for kind, pairs in kinds.items()
            for low, count in zip(edges, np.histogram(cosines[pairs], edges)[0], strict=False)
        ]
        confused.append(_share_above(*(cosines[pairs] for pairs in list(kinds.values())[:2])))
        panels.append(Panel(name, _histogram(marks)))
        data += marks
    summary = (
        "An unrelated document of the same language is as near as a translation in "
        f"{in_order(f'{share:.1f}' for share in confused)}\u00a0% of comparisons."
    )
    return Chart(
        title="How similar documents are",
        summary=summary,
        panels=tuple(panels),
        data=data,
        legend=tuple(("▬", colour, kind) for kind, colour in KINDS.items()),
    )


def _share_above(translations: Vectors, unrelated: Vectors) -> float:
    """Return how often, in percent, one of `unrelated` is at least as high as one of `translations`."""
    if not len(translations) or not len(unrelated):
        return float("nan")
    return 100 * float(np.mean(1 - np.searchsorted(np.sort(unrelated), translations, side="left") / len(unrelated)))


def _histogram(marks: list[dict[str, Any]]) -> str:
    colour = {"field": "kind", "scale": {"domain": list(KINDS), "range": list(KINDS.values())}, "legend": None}
    return draw(
        {
            "width": WIDTH - 20,
            "height": 160,
            "data": {"values": marks},
            "mark": {"type": "line", "interpolate": "step-after"},
            "encoding": {
                "x": {
                    "field": "cosine",
                    "type": "quantitative",
                    "scale": {"zero": False},
                    "title": "cosine",
                    "axis": {"tickCount": 5},
                },
                "y": {"field": "share", "type": "quantitative", "title": "pairs, %"},
                "color": colour,
                "strokeDash": {
                    "field": "kind",
                    "scale": {"domain": list(KINDS), "range": [[1, 0], [6, 3], [2, 2]]},
                    "legend": None,
                },
            },
        }
    )


def maps(
    names: Sequence[str], vectors: Sequence[Vectors], documents: Sequence[Document], kind: str = "pca", seed: int = 0
) -> Chart:
    """Draw the documents in a plane, coloured by language.

    Args:
        names: Names of the models.
        vectors: For each model the (n, d) unit vectors of the documents.
        documents: n documents.
        kind: ``pca``: the first two principal components; ``umap``: UMAP (arXiv 1802.03426) by cosine.
        seed: Random seed of UMAP.

    Raises:
        IsoglotError: umap-learn is not installed.
    """
    tags = sorted({d.language for d in documents})
    data: list[dict[str, Any]] = []
    panels = []
    explained = []
    for model, (name, unit_vectors) in enumerate(zip(names, vectors, strict=True)):
        if kind == "umap":
            points = _neighbour_plane(unit_vectors, seed)
        else:
            points, share = _principal_plane(unit_vectors)
            explained.append(f"{share:.0f}")
        marks = [
            {
                "model": model,
                "x": round(float(x), 3),
                "y": round(float(y), 3),
                "language": document.language,
                "content": document.content_id,
            }
            for (x, y), document in zip(points, documents, strict=True)
        ]
        panels.append(Panel(name, _map(marks, tags)))
        data += marks
    if kind == "umap":
        axes = f"by UMAP (seed {seed}) documents with near vectors stand together, and long distances mean nothing"
    else:
        axes = f"the two axes hold {in_order(explained)}\u00a0% of the variance"
    summary = (
        f"{len(documents)} documents in {len(tags)} languages; {axes}. "
        "Clouds of one colour: the space is ordered by language; clouds of all colours: by meaning."
    )
    legend = tuple(("■", _language_colour(index), f"{language_name(tag)} ({tag})") for index, tag in enumerate(tags))
    return Chart(title="Where documents lie", summary=summary, panels=tuple(panels), data=data, legend=legend)


def _principal_plane(vectors: Vectors) -> tuple[Vectors, float]:
    """Return (n, 2) coordinates on the first two principal components, and their share of the variance in percent."""
    left, sizes, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    return left[:, :2] * sizes[:2], 100 * float((sizes[:2] ** 2).sum() / max((sizes**2).sum(), 1e-12))


def _neighbour_plane(vectors: Vectors, seed: int) -> Vectors:
    """Return (n, 2) coordinates by UMAP.

    Raises:
        IsoglotError: umap-learn is not installed.
    """
    with needs("a map by UMAP", "umap"):
        from umap import UMAP
    neighbours = min(15, len(vectors) - 1)
    # min_dist keeps translations apart; in one spot they would hide each other.
    projection = UMAP(neighbours, metric="cosine", init="pca", min_dist=0.8, random_state=seed, n_jobs=1)
    return np.asarray(projection.fit_transform(vectors), dtype=np.float32)


def _middles(marks: list[dict[str, Any]], tags: Sequence[str]) -> list[dict[str, Any]]:
    """Return the labels of languages at their middles, except where two are so near that they would overlap."""
    points = np.array([[mark["x"], mark["y"]] for mark in marks])
    low, high = points.min(axis=0), points.max(axis=0)
    languages = np.array([mark["language"] for mark in marks])
    middles = np.array([np.median(points[languages == tag], axis=0) for tag in tags])
    pixels = MAP_SIZE * (middles - low) / np.maximum(high - low, 1e-9)
    apart = np.linalg.norm(pixels[:, None] - pixels, axis=2) >= LABEL_SIZE
    return [
        {"x": float(x), "y": float(y), "language": tag}
        for (x, y), tag, others in zip(middles, tags, apart, strict=True)
        if others.sum() == len(tags) - 1
    ]


def _map(marks: list[dict[str, Any]], tags: Sequence[str]) -> str:
    colours = [_language_colour(index) for index in range(len(tags))]
    scale = {"zero": False, "nice": False}
    axes: Spec = {name: {"field": name, "type": "quantitative", "axis": None, "scale": scale} for name in ("x", "y")}
    middles = {"values": _middles(marks, tags)}
    halo = {"type": "text", "fontSize": 12, "fontWeight": "bold", "stroke": "var(--background)", "strokeWidth": 3}
    return draw(
        {
            "width": MAP_SIZE,
            "height": MAP_SIZE,
            "data": {"values": [{name: mark[name] for name in ("x", "y", "language")} for mark in marks]},
            "encoding": axes,
            "layer": [
                {
                    "mark": {"type": "rect", "width": 4, "height": 4, "opacity": 0.75},
                    "encoding": {
                        "color": {
                            "field": "language",
                            "scale": {"domain": list(tags), "range": colours},
                            "legend": None,
                        }
                    },
                },
                {"data": middles, "mark": halo, "encoding": {"text": {"field": "language"}}},
                {"data": middles, "mark": {**halo, "strokeWidth": 0}, "encoding": {"text": {"field": "language"}}},
            ],
        }
    )


def _language_colour(index: int) -> str:
    return f"var(--language{index % LANGUAGE_COLOURS})"
