"""The pictures that need vectors: how similar documents are, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoglot.collection import Collection, Document
from isoglot.report.html.drawing import WIDTH, Chart, Panel, Spec, draw, in_order
from isoglot.report.tables import language_name

DOCUMENTS = 720
"""About how many documents are drawn."""
BINS = 40
LANGUAGE_COLOURS = 12
KINDS = {
    "translations": "var(--audit1)",
    "same language, unrelated": "var(--audit0)",
    "two languages, unrelated": "var(--audit2)",
}

Vectors = NDArray[np.float32]


def sample(collection: Collection, languages: Sequence[str], seed: int) -> list[Document]:
    """Documents of contents drawn by seed, each in all those of `languages` (canonical tags) that have it."""
    documents = {(d.content_id, d.language): d for d in collection.documents if d.language in languages}
    contents = sorted({content for content, _ in documents})
    np.random.default_rng(seed).shuffle(contents)
    chosen = contents[: max(10, DOCUMENTS // len(languages))]
    return [found for content in chosen for tag in languages if (found := documents.get((content, tag))) is not None]


def similarities(names: Sequence[str], vectors: Sequence[Vectors], documents: Sequence[Document]) -> Chart:
    """Histograms of the cosine between translations, unrelated documents of one language, and of two.

    Args:
        names: Of the models.
        vectors: Of each model: (n, d) unit vectors of the documents.
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
    worse = []
    for model, (name, found) in enumerate(zip(names, vectors, strict=True)):
        cosines = found @ found.T
        edges = np.linspace(float(cosines[upper].min()), 1, BINS + 1)
        rows = [
            {
                "model": model,
                "kind": kind,
                "cosine": round(float(low), 4),
                "share": round(100 * int(count) / max(1, int(pairs.sum())), 3),
            }
            for kind, pairs in kinds.items()
            for low, count in zip(edges, np.histogram(cosines[pairs], edges)[0], strict=False)
        ]
        worse.append(_share_above(*(cosines[pairs] for pairs in list(kinds.values())[:2])))
        panels.append(Panel(name, _histogram(rows)))
        data += rows
    summary = (
        "An unrelated document of the same language is as near as a translation in "
        f"{in_order(f'{share:.1f}' for share in worse)} % of comparisons."
    )
    return Chart(
        "How similar documents are",
        summary,
        tuple(panels),
        data,
        tuple(("▬", colour, kind) for kind, colour in KINDS.items()),
    )


def _share_above(translations: Vectors, unrelated: Vectors) -> float:
    """How often, in percent, one of `unrelated` is at least as high as one of `translations`."""
    if not len(translations) or not len(unrelated):
        return float("nan")
    return 100 * float(np.mean(1 - np.searchsorted(np.sort(unrelated), translations, side="left") / len(unrelated)))


def _histogram(rows: list[dict[str, Any]]) -> str:
    colour = {"field": "kind", "scale": {"domain": list(KINDS), "range": list(KINDS.values())}, "legend": None}
    return draw(
        {
            "width": WIDTH - 20,
            "height": 160,
            "data": {"values": rows},
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


def maps(names: Sequence[str], vectors: Sequence[Vectors], documents: Sequence[Document]) -> Chart:
    """The documents in the plane of each model's first two principal components, coloured by language."""
    tags = sorted({d.language for d in documents})
    data: list[dict[str, Any]] = []
    panels = []
    explained = []
    for model, (name, found) in enumerate(zip(names, vectors, strict=True)):
        places, share = _principal_plane(found)
        explained.append(share)
        rows = [
            {
                "model": model,
                "x": round(float(x), 3),
                "y": round(float(y), 3),
                "language": document.language,
                "content": document.content_id,
            }
            for (x, y), document in zip(places, documents, strict=True)
        ]
        panels.append(Panel(name, _map(rows, tags)))
        data += rows
    summary = (
        f"{len(documents)} documents in {len(tags)} languages; the two axes hold "
        f"{in_order(f'{share:.0f}' for share in explained)} % of the variance. "
        "Clouds of one colour each: the space is ordered by language."
    )
    legend = tuple(("■", _language_colour(at), language_name(tag)) for at, tag in enumerate(tags))
    return Chart("Where documents lie", summary, tuple(panels), data, legend)


def _principal_plane(vectors: Vectors) -> tuple[Vectors, float]:
    """(n, 2) coordinates on the first two principal components, and their share of the variance in percent."""
    left, sizes, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    return left[:, :2] * sizes[:2], 100 * float((sizes[:2] ** 2).sum() / max((sizes**2).sum(), 1e-12))


def _map(rows: list[dict[str, Any]], tags: Sequence[str]) -> str:
    colours = [_language_colour(at) for at in range(len(tags))]
    axes: Spec = {
        name: {"field": name, "type": "quantitative", "axis": None, "scale": {"zero": False}} for name in ("x", "y")
    }
    middles = [
        {"aggregate": [{"op": "median", "field": name, "as": name} for name in ("x", "y")], "groupby": ["language"]}
    ]
    halo = {"type": "text", "fontSize": 12, "fontWeight": "bold", "stroke": "var(--background)", "strokeWidth": 3}
    return draw(
        {
            "width": WIDTH - 20,
            "height": WIDTH - 20,
            "data": {"values": [{name: row[name] for name in ("x", "y", "language")} for row in rows]},
            "encoding": axes,
            "layer": [
                {
                    "mark": {"type": "square", "size": 14, "opacity": 0.75},
                    "encoding": {
                        "color": {
                            "field": "language",
                            "scale": {"domain": list(tags), "range": colours},
                            "legend": None,
                        }
                    },
                },
                {"transform": middles, "mark": halo, "encoding": {"text": {"field": "language"}}},
                {"transform": middles, "mark": {**halo, "strokeWidth": 0}, "encoding": {"text": {"field": "language"}}},
            ],
        }
    )


def _language_colour(at: int) -> str:
    return f"var(--language{at % LANGUAGE_COLOURS})"
