"""The pages of docs/reference that are written from the code say what the code says now."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import isoglot
from isoglot.alignment.registry import METHODS, Method

DOCS = Path(__file__).parents[1] / "docs"
REFERENCE = DOCS / "reference"
COLLECTION = isoglot.Collection(
    name="small",
    documents=[isoglot.Document(content, tag, content * 3) for content in "abc" for tag in ("en", "de")],
    queries=[isoglot.Query(content, tag, f"{content}?") for content in "ab" for tag in ("en", "de")],
    golds={"a": ("a",), "b": ("b", "c")},
)


class ByPlace:
    """Scores documents by their place, whatever is asked."""

    def __init__(self, factor: int) -> None:
        self.name, self._factor = f"places {factor}", factor

    def scores(self, queries: Sequence[isoglot.Query], documents: Sequence[isoglot.Document]) -> np.ndarray:
        return np.tile(self._factor * np.arange(len(documents)), (len(queries), 1))


def test_the_command_line_page_is_what_the_commands_say() -> None:
    written = runpy.run_path(str(DOCS / "command_line.py"))["page"]()
    assert (REFERENCE / "command-line.md").read_text(encoding="utf-8") == written, "run python docs/command_line.py"


@pytest.mark.parametrize("page", ["files.md", "http-api.md"])
def test_tables_of_fields_are_what_the_code_says(page: str) -> None:
    written = runpy.run_path(str(DOCS / "field_tables.py"))["page"](page)
    assert (REFERENCE / page).read_text(encoding="utf-8") == written, "run python docs/field_tables.py"


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    """Name of a file -> its JSON Schema, which is what the code says."""
    tables = runpy.run_path(str(DOCS / "field_tables.py"))
    for name in tables["SCHEMAS"]:
        committed = (REFERENCE / "schemas" / f"{name}.json").read_text(encoding="utf-8")
        assert committed == tables["schema"](name), "run python docs/field_tables.py"
    return {name: json.loads((REFERENCE / "schemas" / f"{name}.json").read_text()) for name in tables["SCHEMAS"]}


def test_files_are_as_their_schemas_say(schemas: dict[str, Any], tmp_path: Path) -> None:
    audits = [isoglot.audit(ByPlace(factor), COLLECTION) for factor in (1, -1)]
    jsonschema.validate(json.loads(audits[0].to_json()), schemas["audit"])
    jsonschema.validate(json.loads(isoglot.compare(*audits).to_json()), schemas["comparison"])
    vectors = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    folder = isoglot.Transform.fit(vectors, ["en", "de"] * 20).save(tmp_path / "transform")
    jsonschema.validate(json.loads((folder / "transform.json").read_text()), schemas["transform"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(audits[0].to_json()), schemas["comparison"])


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
