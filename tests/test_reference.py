"""The pages of docs/reference that are written from the code say what the code says now."""

from __future__ import annotations

import re
import runpy
from dataclasses import fields
from pathlib import Path

import pytest

import isoglot
from isoglot.alignment.registry import METHODS, Method

DOCS = Path(__file__).parents[1] / "docs"
REFERENCE = DOCS / "reference"


@pytest.mark.parametrize(("writer", "page"), [("command_line.py", "command-line.md")])
def test_a_generated_page_is_what_its_writer_writes(writer: str, page: str) -> None:
    written = runpy.run_path(str(DOCS / writer))["page"]()
    assert (REFERENCE / page).read_text(encoding="utf-8") == written, f"run python docs/{writer} again"


def test_the_command_line_page_has_every_command_with_its_options() -> None:
    text = (REFERENCE / "command-line.md").read_text(encoding="utf-8")
    for command in ("audit", "align", "compare", "data build"):
        assert f"\n## isoglot {command}\n" in text
    assert "`--prefer-query-language`" in text
    assert text.count("`--debug` |") == 1


def test_every_public_name_is_documented() -> None:
    pages = [page.read_text(encoding="utf-8") for page in (REFERENCE / "python").glob("*.md")]
    documented = set(re.findall(r"^(?:      heading: |## )isoglot\.(\w+)$", "\n".join(pages), re.M))
    listed = set(re.findall(r"`isoglot\.(\w+)`", (REFERENCE / "python.md").read_text(encoding="utf-8")))
    assert documented == listed == set(isoglot.__all__)


def test_every_loss_and_mteb_name_is_documented() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (REFERENCE / "python").glob("*.md"))
    for module in ("losses", "mteb_tasks"):
        names = re.findall(rf"heading: {module}\.(\w+)$", text, re.M)
        exported = re.findall(r'^    "(\w+)",$', (Path(isoglot.__file__).parent / f"{module}.py").read_text(), re.M)
        assert sorted(names) == sorted(exported)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_methods_page_has_every_option_with_its_default(method: Method) -> None:
    sections = re.split(r"^## ", (REFERENCE / "methods.md").read_text(encoding="utf-8"), flags=re.M)
    own = next(section for section in sections if section.startswith(f"{method.name}\n"))
    shared = next(section for section in sections if section.startswith("Options of all trained methods"))
    listed = dict(re.findall(r"^\| `--([\w-]+)` \| ([^|]+) \|", own + (shared if method.trained else ""), re.M))
    for option in fields(method.options_class):
        default = listed[option.name.replace("_", "-")].replace("`", "")
        usual, *others = default.split(f", {method.name} ")
        stated = others[0] if others else usual.split(",")[0]
        assert stated == {"False": "off", "-1.0": "-1"}.get(str(option.default), str(option.default))
