"""Writes the tables of fields in reference pages, and the JSON Schemas: ``python docs/field_tables.py``.

A table stands between ``<!-- fields: CLASS -->`` and ``<!-- end -->``. Its descriptions are those of the class's
docstring (or of a second class after a comma), or of the fields of a pydantic model.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel

REFERENCE = Path(__file__).parent / "reference"
PAGES = ("files.md", "http-api.md")
MARK = re.compile(r"(<!-- fields: (?P<classes>[\w., ]+) -->\n).*?(<!-- end -->)", re.S)

SCHEMAS = {
    "audit": "evaluation.results.AuditRecord",
    "unlabelled": "evaluation.unlabelled.UnlabelledAudit",
    "comparison": "evaluation.comparison.comparison.ComparisonRecord",
    "choice": "choosing.choice.Choice",
    "isoglot": "alignment.record.AlignmentRecord",
    "seeds": "alignment.record.SeedsRecord",
    "transform": "transforms.transform.TransformRecord",
    "encoded": "scale.manifest.Manifest",
}
"""Name of a JSON file -> the class of its content."""


def page(name: str) -> str:
    """Return the text of a page with its tables as the code says now."""
    text = (REFERENCE / name).read_text(encoding="utf-8")
    return MARK.sub(lambda match: match[1] + table(match["classes"]) + match[3], text)


def schema(name: str) -> str:
    """Return the JSON Schema of a file, as JSON."""
    return json.dumps(with_nulls(msgspec.json.schema(class_of(SCHEMAS[name]))), indent=1, ensure_ascii=False) + "\n"


def with_nulls(part: Any) -> Any:
    """A schema in which every number may be null, as one is that is not finite."""
    if isinstance(part, list):
        return [with_nulls(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    changed = {key: with_nulls(inner) for key, inner in part.items()}
    return changed | {"type": ["number", "null"]} if changed.get("type") == "number" else changed


def table(classes: str) -> str:
    """The table of the fields of a class."""
    first, *others = [class_of(name) for name in classes.split(", ")]
    lines = ["| field | type | meaning |", "|---|---|---|"]
    for name, kind, meaning in rows(first, *others):
        lines.append(f"| `{name}` | {kind} | {meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def rows(kind: Any, *others: Any) -> list[tuple[str, str, str]]:
    """Name, type and meaning of each field of a class."""
    if issubclass(kind, BaseModel):
        properties = kind.model_json_schema()["properties"]
        required = kind.model_json_schema().get("required", [])
        return [(n, type_of(p, n in required), p.get("description", "")) for n, p in properties.items()]
    (_,), components = msgspec.json.schema_components([kind])
    body = components[kind.__name__]
    described: dict[str, str] = {}
    for each in (*reversed(others), *reversed(kind.__mro__)):
        described |= attributes(each)
    return [(n, type_of(p, n in body["required"]), described[n]) for n, p in body["properties"].items()]


def attributes(kind: Any) -> dict[str, str]:
    """Name -> description, out of the section ``Attributes`` of a class's docstring."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = re.split(r"^    (?=\w+: )", text, flags=re.M)
    pairs = (entry.partition(": ") for entry in entries if entry.strip())
    return {name: plain(" ".join(meaning.split())) for name, _, meaning in pairs}


def plain(meaning: str) -> str:
    """A description as Markdown, of what stands in a JSON file."""
    return re.sub(r"\bNone\b", "null", meaning.replace("``", "`"))


def type_of(field: Mapping[str, Any], required: bool) -> str:
    """The type of a field in words, and its bounds and default."""
    words = type_words(field)
    stated = {key: value for part in (*field.get("anyOf", ()), field) for key, value in part.items()}
    bounds = [f"{word} {stated[key]}" for key, word in BOUNDS.items() if key in stated]
    default = field.get("default")
    shown = [] if required else ["optional" if not default else f"default `{json.dumps(default)}`"]
    return ", ".join([words, *bounds, *shown])


BOUNDS = {"minimum": "at least", "maximum": "at most", "maxLength": "characters at most", "maxItems": "items at most"}


def type_words(field: Mapping[str, Any]) -> str:
    """The type of a field in words."""
    if "$ref" in field:
        return reference(field["$ref"])
    if members := field.get("anyOf") or field.get("oneOf"):
        return " or ".join(dict.fromkeys(map(type_words, members)))
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    kind = field.get("type")
    describe: dict[Any, Callable[[], str]] = {
        "array": lambda: f"list of {type_words(field.get('items', {}) or next(iter(field.get('prefixItems', [{}]))))}",
        "object": lambda: f"map to {type_words(field.get('additionalProperties') or {})}",
    }
    return describe[kind]() if kind in describe else {"string": "text"}.get(str(kind), str(kind or "any"))


def reference(path: str) -> str:
    """The name of a class, as a link to its section of the page."""
    name = path.rsplit("/", 1)[-1]
    return f"[{name}](#{name.lower()})"


def class_of(name: str) -> Any:
    """The class of a name below `isoglot`."""
    module, _, attribute = name.removeprefix("isoglot.").rpartition(".")
    return getattr(import_module(f"isoglot.{module}"), attribute)


if __name__ == "__main__":
    for written in PAGES:
        (REFERENCE / written).write_text(page(written), encoding="utf-8")
    for written in SCHEMAS:
        (REFERENCE / "schemas" / f"{written}.json").write_text(schema(written), encoding="utf-8")
