"""What a notebook shows of audits, comparisons and charts, in an IPython shell."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

import isoglot
from isoglot import Audit, Collection, Document, IsoglotError, Query
from isoglot.report.notebook import show_in_notebooks


class Drawn:
    """A retriever whose scores are drawn at random."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.generator = name, np.random.default_rng(seed)

    def scores(self, queries: Sequence[Query], documents: Sequence[Document]) -> np.ndarray:
        return self.generator.normal(size=(len(queries), len(documents)))


@pytest.fixture(scope="module")
def before(small_collection: Collection) -> Audit:
    return isoglot.audit(Drawn("one<model", 0), small_collection)


@pytest.fixture(scope="module")
def after(small_collection: Collection) -> Audit:
    return isoglot.audit(Drawn("other", 1), small_collection)


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def shown(shell: InteractiveShell, result: Any) -> dict[str, str]:
    show_in_notebooks()
    return shell.display_formatter.format(result)[0]  # type: ignore[no-any-return]


def test_an_audit_shows_its_verdicts_and_tables(shell: InteractiveShell, before: Audit) -> None:
    cell = shown(shell, before)["text/markdown"]
    assert cell.startswith("- English questions among 12 documents in en+de: median rank of the ")
    assert "#### multi: every document in all languages of the pool" in cell
    assert "| en+ru | ru | 12 | 6 |" in cell


def test_a_comparison_shows_its_summary(shell: InteractiveShell, before: Audit, after: Audit) -> None:
    cell = shown(shell, isoglot.compare(before, after))["text/markdown"]
    assert cell.startswith("#### small: before and after")
    assert "one<model" not in cell
    assert "\n- Star: differs from one&lt;model, p" in cell


def test_a_comparison_without_mixed_pools_shows_each_scenario(shell: InteractiveShell, before: Audit) -> None:
    alone = replace(before, scenarios=tuple(r for r in before.scenarios if r.scenario == "mono-cross"))
    cell = shown(shell, isoglot.compare(alone, alone, names=["a", "b"]))["text/markdown"]
    assert cell.startswith("#### mono-cross: documents of one language, asked in another")


def test_charts_are_pictures_by_themselves(shell: InteractiveShell, before: Audit, after: Audit) -> None:
    charts = isoglot.charts(before, after)
    assert {"Median rank of the relevant document, pools of 2 languages", "Complete@K"} < {c.title for c in charts}
    for chart in charts:
        picture = shown(shell, chart)["image/svg+xml"]
        root = ElementTree.fromstring(picture)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.attrib["aria-label"] == chart.summary
        assert "var(" not in picture
        words = "".join(root.itertext())
        assert all(label in words for _, _, label in chart.legend)
        panels = [child for child in root if child.tag.endswith("}svg")]
        assert len(panels) == len(chart.panels)
        right = max(float(panel.attrib["x"]) + float(panel.attrib["width"]) for panel in panels)
        assert right <= float(root.attrib["width"])


def test_charts_are_named(before: Audit, after: Audit) -> None:
    def legend(*audits: Audit, names: Sequence[str] | None = None) -> list[str]:
        curves = next(chart for chart in isoglot.charts(*audits, names=names) if chart.title == "Complete@K")
        return [label for _, _, label in curves.legend]

    assert legend(before) == ["one<model"]
    assert legend(before, after) == ["one<model", "other"]
    assert legend(before, after, names=["a", "b"]) == ["a", "b"]


def test_charts_refuse_audits_that_cannot_be_compared(before: Audit, after: Audit) -> None:
    with pytest.raises(IsoglotError, match="seed differs"):
        isoglot.charts(before, replace(after, seed=5))


@pytest.mark.process
def test_importing_isoglot_in_a_notebook_is_enough() -> None:
    """And loads nothing heavy, there as elsewhere."""
    code = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
import isoglot
known = shell.display_formatter.formatters["text/markdown"].deferred_printers
print(json.dumps([sorted(name for _, name in known), "numpy" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [["Audit", "Comparison"], False]
