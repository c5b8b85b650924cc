"""The pictures that need vectors: how similar documents are, and where they lie in a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isoglot.corpora.collection import Collection, Document
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.report.html.drawing import WIDTH, Chart, Panel, Spec, draw, in_order
from isoglot.report.tables import language_name

DOCUMENTS = 720
"""About how many documents are drawn."""
BINS = 40
LANGUAGE_COLOURS = 12
MAP_SIZE = WIDTH - 20
LABEL_SIZE = 22
"""In pixels: languages whose middles are nearer than that are named by the legend alone."""
KINDS = {
    "translations": "var(--audit1)",
    "same language, unrelated": "var(--audit0)",
    "two languages, unrelated": "var(--audit2)",
}


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
        f"{in_order(f'{share:.1f}' for share in worse)}\u00a0% of comparisons."
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


def maps(
    names: Sequence[str], vectors: Sequence[Vectors], documents: Sequence[Document], kind: str = "pca", seed: int = 0
) -> Chart:
    """The documents in a plane, coloured by language.

    Args:
        names: Of the models.
        vectors: Of each model: (n, d) unit vectors of the documents.
        documents: n documents.
        kind: ``pca``: the first two principal components; ``umap``: UMAP (arXiv 1802.03426) by cosine.
        seed: Of UMAP.

    Raises:
        IsoglotError: umap-learn is not installed.
    """
    tags = sorted({d.language for d in documents})
    data: list[dict[str, Any]] = []
    panels = []
    explained = []
    for model, (name, found) in enumerate(zip(names, vectors, strict=True)):
        if kind == "umap":
            places = _neighbour_plane(found, seed)
        else:
            places, share = _principal_plane(found)
            explained.append(f"{share:.0f}")
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
    if kind == "umap":
        axes = f"by UMAP (seed {seed}) those with near vectors stand together, and long distances mean nothing"
    else:
        axes = f"the two axes hold {in_order(explained)}\u00a0% of the variance"
    summary = (
        f"{len(documents)} documents in {len(tags)} languages; {axes}. "
        "Clouds of one colour: the space is ordered by language; of all colours: by meaning."
    )
    legend = tuple(("■", _language_colour(at), f"{language_name(tag)} ({tag})") for at, tag in enumerate(tags))
    return Chart("Where documents lie", summary, tuple(panels), data, legend)


def _principal_plane(vectors: Vectors) -> tuple[Vectors, float]:
    """(n, 2) coordinates on the first two principal components, and their share of the variance in percent."""
    left, sizes, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    return left[:, :2] * sizes[:2], 100 * float((sizes[:2] ** 2).sum() / max((sizes**2).sum(), 1e-12))


def _neighbour_plane(vectors: Vectors, seed: int) -> Vectors:
    """(n, 2) coordinates by UMAP."""
    try:
        from umap import UMAP
    except ImportError as error:
        raise IsoglotError("a map by UMAP needs umap-learn: pip install 'isoglot[umap]'") from error
    neighbours = min(15, len(vectors) - 1)
    # Translations stand apart by min_dist rather than in one spot, so that each is seen.
    found = UMAP(neighbours, metric="cosine", init="pca", min_dist=0.8, random_state=seed, n_jobs=1)
    return np.asarray(found.fit_transform(vectors), dtype=np.float32)


def _middles(rows: list[dict[str, Any]], tags: Sequence[str]) -> list[dict[str, Any]]:
    """Where to name languages: at their middles, where no other's is so near that names would overlap."""
    places = np.array([[row["x"], row["y"]] for row in rows])
    low, high = places.min(axis=0), places.max(axis=0)
    languages = np.array([row["language"] for row in rows])
    middles = np.array([np.median(places[languages == tag], axis=0) for tag in tags])
    pixels = MAP_SIZE * (middles - low) / np.maximum(high - low, 1e-9)
    apart = np.linalg.norm(pixels[:, None] - pixels, axis=2) >= LABEL_SIZE
    return [
        {"x": float(x), "y": float(y), "language": tag}
        for (x, y), tag, others in zip(middles, tags, apart, strict=True)
        if others.sum() == len(tags) - 1
    ]


def _map(rows: list[dict[str, Any]], tags: Sequence[str]) -> str:
    colours = [_language_colour(at) for at in range(len(tags))]
    scale = {"zero": False, "nice": False}
    axes: Spec = {name: {"field": name, "type": "quantitative", "axis": None, "scale": scale} for name in ("x", "y")}
    middles = {"values": _middles(rows, tags)}
    halo = {"type": "text", "fontSize": 12, "fontWeight": "bold", "stroke": "var(--background)", "strokeWidth": 3}
    return draw(
        {
            "width": MAP_SIZE,
            "height": MAP_SIZE,
            "data": {"values": [{name: row[name] for name in ("x", "y", "language")} for row in rows]},
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


def _language_colour(at: int) -> str:
    return f"var(--language{at % LANGUAGE_COLOURS})"
