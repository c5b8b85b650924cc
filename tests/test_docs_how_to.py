"""How-to guides print what they show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs_pages import check, pages

GUIDES = [page for page in pages() if "how-to" in page.parts]


@pytest.mark.slow
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_a_guide_prints_what_it_shows(page: Path, tmp_path: Path) -> None:
    check(page, tmp_path)
