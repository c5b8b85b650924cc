"""What `tests.docs_pages` takes for the same output, and what not; the pages beside the how-to guides."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs_pages import DOCS, blocks, check, commands, differences, pages


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("one\ntwo", "one\ntwo"),
        ("one\n...\nfour", "one\ntwo\nthree\nfour"),
        ("...\nfour", "one\nfour"),
        ("one\n...", "one\ntwo"),
        ("in 12.3 s, 1,204 MiB", "in 2 s, 800 MiB"),
        ("complete@10 20.00 [7.50, 32.50]", "complete@10 22.50 [7.50, 32.50]"),
        ("model at ...: fine", "model at /tmp/x: fine"),
    ],
)
def test_outputs_that_are_the_same(expected: str, printed: str) -> None:
    assert differences(expected, printed) == []


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("one", "one\ntwo"),
        ("two", "one\ntwo"),
        ("one\nthree", "one\ntwo\nthree"),
        ("complete@10 20.00", "complete@10 80.00"),
        ("cosine 0.8114", "cosine 0.7526"),
        ("20 documents", "20 queries"),
        ("rank 1", "rank"),
    ],
)
def test_outputs_that_differ(expected: str, printed: str) -> None:
    assert differences(expected, printed)


def test_blocks_of_a_page() -> None:
    page = (
        "<!-- exit code: 4 -->\n```bash\nls \\\n  -l\n# no command\npwd\n```\n\n"
        "<!-- not run: needs the hub -->\n```python\nx = 1\n```\n- item\n\n"
        '    ```text title="Output"\n    a\n      b\n    ```\n'
    )
    shell, python, output = blocks(page)
    assert commands(shell.text) == ["ls    -l", "pwd"]
    assert (shell.code, python.reason, output.title, output.text) == (4, "needs the hub", "Output", "a\n  b\n")


def test_a_block_may_be_a_file_of_the_repository() -> None:
    (block,) = blocks("    ```python\n    --8<--\n    examples/own_retriever.py\n    --8<--\n    ```\n")
    assert "class SharedWords:" in block.text


OTHERS = [page for page in pages() if "how-to" not in page.parts]


@pytest.mark.slow
@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.relative_to(DOCS.parent).as_posix())
def test_a_page_prints_what_it_shows(page: Path, tmp_path: Path) -> None:
    check(page, tmp_path)
