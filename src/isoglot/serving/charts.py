"""The charts of the Bias and Corpus pages: those of isoglot's report, over this index and its audits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from isoglot.corpora.collection import Document
from isoglot.evaluation.comparison.comparison import compare
from isoglot.evaluation.goals import shared_goal
from isoglot.evaluation.results import Audit
from isoglot.report.html import spaces
from isoglot.report.html.page import Material, audits_to_html, check_ranks, mixed_pools, overview
from isoglot.report.html.verdict import headline
from isoglot.serving.messages import BiasCharts, Chart, CorpusCharts, LegendEntry, Panel

if TYPE_CHECKING:
    from isoglot.indexing.snapshot import Snapshot
    from isoglot.indexing.store import Index
    from isoglot.report.html import drawing

SEED = 0


class Charts:
    """Draws the charts of an index and its audits, each when it is first requested.

    The map of passages is drawn again after the index has changed.

    Args:
        index: The index of the map.
        models: Models whose vectors the map shows.
        folders: Folders of audits, from before to after; may be empty.

    Raises:
        IsoglotError: A folder holds no audit, one without its ranks, or the audits cannot be compared.
    """

    def __init__(self, index: Index, models: Sequence[str], folders: Sequence[Path]) -> None:
        self._index, self._models, self._folders = index, list(dict.fromkeys(models)), folders
        self._audits = [Audit.load(folder) for folder in folders]
        check_ranks(self._audits)
        self._comparison = compare(*self._audits) if len(self._audits) > 1 else None
        self._map: tuple[Snapshot, list[Chart]] | None = None
        self._bias: BiasCharts | None = None
        self._report: str | None = None
        self._lock = Lock()

    def corpus(self) -> CorpusCharts:
        """Draw the first two principal components of the passages' vectors for each model, coloured by language."""
        with self._lock:
            snapshot = self._index.snapshot()
            if self._map is None or self._map[0] is not snapshot:
                self._map = snapshot, self._draw_map()
            return CorpusCharts(charts=self._map[1])

    def _draw_map(self) -> list[Chart]:
        samples = [self._index.sample_vectors(model, spaces.DOCUMENTS, SEED) for model in self._models]
        ids, languages, _ = samples[0]
        if len(ids) < 3:
            return []
        documents = [Document(passage_id, tag, "") for passage_id, tag in zip(ids, languages, strict=True)]
        return [_message(spaces.maps(self._models, [vectors for _, _, vectors in samples], documents))]

    def bias(self) -> BiasCharts:
        """Draw the audits' charts over all mixed pools, with their verdict."""
        with self._lock:
            if self._bias is None:
                names = self._comparison.names if self._comparison else [audit.retriever for audit in self._audits]
                pools = mixed_pools(self._audits) if self._audits else []
                goal = shared_goal(audit.goal for audit in self._audits)
                self._bias = BiasCharts(
                    collection=self._audits[0].collection.name if self._audits else None,
                    headline=headline(names, pools, self._comparison, goal) if self._audits else [],
                    charts=[_message(chart) for chart in overview(names, self._audits, pools)],
                )
            return self._bias

    def report(self) -> str:
        """Write the whole report of the audits, as one page that needs no network."""
        with self._lock:
            if self._report is None:
                names = self._comparison.names if self._comparison else None
                self._report = audits_to_html(Material(audits=self._audits, folders=self._folders, names=names))
            return self._report


def _message(chart: drawing.Chart) -> Chart:
    return Chart(
        title=chart.title,
        summary=chart.summary,
        legend=[LegendEntry(glyph=glyph, colour=colour, label=label) for glyph, colour, label in chart.legend],
        panels=[Panel(label=panel.label, svg=panel.svg) for panel in chart.panels],
    )
