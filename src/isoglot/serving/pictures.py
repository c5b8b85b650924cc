"""The charts of the Bias and Corpus pages: those of isoglot's report, over this index and its audits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from isoglot.corpora.collection import Document
from isoglot.evaluation.comparison.comparison import compare
from isoglot.evaluation.results import Audit
from isoglot.report.html import spaces
from isoglot.report.html.page import Material, audits_to_html, mixed_pools, overview
from isoglot.report.html.verdict import headline

if TYPE_CHECKING:
    from isoglot.indexing.store import Index
    from isoglot.report.html.drawing import Chart

SEED = 0


class Pictures:
    """Draws each picture once, when it is first asked for; the map anew where the index has changed.

    Args:
        index: What the map shows.
        models: Whose vectors it shows.
        folders: Of audits, before to after; may be none.

    Raises:
        IsoglotError: A folder holds no audit, or the audits cannot be compared.
    """

    def __init__(self, index: Index, models: Sequence[str], folders: Sequence[Path]) -> None:
        self._index, self._models, self._folders = index, list(dict.fromkeys(models)), folders
        self._audits = [Audit.load(folder) for folder in folders]
        self._comparison = compare(*self._audits) if len(self._audits) > 1 else None
        self._drawn: dict[object, Any] = {}
        self._lock = Lock()

    def corpus(self) -> dict[str, Any]:
        """Where passages lie, by language, for each model: the first two principal components."""
        with self._lock:
            key = ("map", self._index.version)
            if key not in self._drawn:
                self._drawn = {name: drawn for name, drawn in self._drawn.items() if name in ("bias", "report")}
                self._drawn[key] = self._map()
            return {"charts": self._drawn[key]}

    def _map(self) -> list[dict[str, Any]]:
        samples = [self._index.sample_vectors(model, spaces.DOCUMENTS, SEED) for model in self._models]
        ids, languages, _ = samples[0]
        if len(ids) < 3:
            return []
        documents = [Document(identity, tag, "") for identity, tag in zip(ids, languages, strict=True)]
        return [_chart(spaces.maps(self._models, [vectors for _, _, vectors in samples], documents))]

    def bias(self) -> dict[str, Any]:
        """What the audits say first, and their charts over all mixed pools."""
        with self._lock:
            if "bias" not in self._drawn:
                names = self._comparison.names if self._comparison else [audit.retriever for audit in self._audits]
                pools = mixed_pools(self._audits) if self._audits else []
                self._drawn["bias"] = {
                    "collection": self._audits[0].collection.name if self._audits else None,
                    "headline": headline(names, pools, self._comparison) if self._audits else [],
                    "charts": [_chart(chart) for chart in overview(names, self._audits, pools)],
                }
            found: dict[str, Any] = self._drawn["bias"]
            return found

    def report(self) -> str:
        """The whole report of the audits, as one offline page."""
        with self._lock:
            if "report" not in self._drawn:
                names = self._comparison.names if self._comparison else None
                self._drawn["report"] = audits_to_html(Material(self._audits, self._folders, names))
            return str(self._drawn["report"])


def _chart(chart: Chart) -> dict[str, Any]:
    return {
        "title": chart.title,
        "summary": chart.summary,
        "legend": [{"glyph": glyph, "colour": colour, "label": label} for glyph, colour, label in chart.legend],
        "panels": [{"label": panel.label, "svg": panel.svg} for panel in chart.panels],
    }
