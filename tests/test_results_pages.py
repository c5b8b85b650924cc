"""The pages of results are what their command makes of the records."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measuring import RESULTS
from benchmarks.page import DOCS, PAGES, filled, recorded, tables


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md.in")), ids=lambda page: page.stem)
def test_a_page_is_what_python_m_benchmarks_page_writes(page: Path) -> None:
    written = (DOCS / "results" / page.stem).read_text(encoding="utf-8")
    assert written == filled(page.read_text(encoding="utf-8"), tables())


def test_every_record_is_a_rectangle_and_on_a_page() -> None:
    texts = "".join(page.read_text(encoding="utf-8") for page in PAGES.glob("*.md.in"))
    for record in (RESULTS / "tables").rglob("*.csv"):
        name = record.relative_to(RESULTS / "tables").with_suffix("").as_posix()
        assert recorded(name)
        assert f"{{{{{name}}}}}" in texts, f"{name} is on no page"
