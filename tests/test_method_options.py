"""The options of methods: stated once in their dataclasses, shown by the command line, used by the loss modules."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer

import isoglot
from isoglot import losses
from isoglot.alignment.options import HEADINGS, DistillOptions, JsdNceOptions, NceOptions, option_help
from isoglot.alignment.registry import METHODS
from isoglot.cli import app
from isoglot.cli.align import align
from tests import command_line

FIELDS: list[tuple[str, Field[Any]]] = [
    (method.name, field) for method in METHODS.values() for field in fields(method.options_class)
]


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """Parameter -> the option of `isoglot align`."""
    command = typer.main.get_command(app).commands["align"]  # type: ignore[attr-defined]
    return {parameter.name: parameter for parameter in command.params}


@pytest.mark.parametrize(("method", "field"), FIELDS, ids=lambda value: value if isinstance(value, str) else value.name)
def test_every_option_of_a_method_is_shown_with_its_help_and_default(
    method: str, field: Field[Any], shown: dict[str, Any]
) -> None:
    option, described = shown[field.name], option_help(field)
    assert option.opts == [f"--{field.name.replace('_', '-')}"]
    assert not option.secondary_opts
    assert option.default is None  # only what the user gave reaches a method
    assert option.rich_help_panel == described.heading
    assert described.heading in HEADINGS
    text, _, bracket = option.help.rpartition(" (")
    assert text == described.text
    methods, _, defaults = bracket.removesuffix(")").partition("; default ")
    assert method in methods.split(", ")
    if isinstance(field.default, bool):
        assert (field.default, defaults) == (False, "")
        assert option.is_flag
    else:
        usual, *others = defaults.split(", ")
        stated = dict(other.rsplit(" ", 1) for other in others).get(method, usual)
        assert type(field.default)(stated) == field.default
    annotation = inspect.signature(align).parameters[field.name].annotation
    assert get_args(annotation)[0] == type(field.default) | None
    for choice in described.choices:
        assert choice in option.help


def test_no_option_is_shown_that_no_method_has(shown: dict[str, Any]) -> None:
    python = set(inspect.signature(isoglot.align).parameters) - {"options", "show_progress"}
    others = {"no_jsd", "no_nce", "json", "debug", "query_prompt", "document_prompt"}
    others |= {"language_field", "content_field", "vector_field", "src", "tgt"}
    assert set(shown) - python == {field.name for _, field in FIELDS} | others


def test_an_option_of_several_methods_is_described_once() -> None:
    described: dict[str, Any] = {}
    for method, field in FIELDS:
        value_type = get_type_hints(METHODS[method].options_class)[field.name]
        assert described.setdefault(field.name, (option_help(field), value_type)) == (option_help(field), value_type)


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ([], {}),
        (["--epochs", "2", "--dropout", "--teacher", "lir"], {"epochs": 2.0, "dropout": True, "teacher": "lir"}),
        (["--no-jsd"], {"jsd_weight": 0.0}),
        (["--nce-weight", "3", "--no-nce"], {"nce_weight": 0.0}),
        (["--r", "2", "--alpha", "0"], {"r": 2, "alpha": 0.0}),
    ],
)
def test_only_what_the_user_gave_reaches_align(
    arguments: list[str], given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: dict[str, Any] = {}
    keywords = set(inspect.signature(isoglot.align).parameters) - {"model", "method", "data", "output", "options"}
    monkeypatch.setattr(isoglot, "align", lambda *args, **options: received.update(options), raising=False)
    command = ["align", "model", "--method", "jsd-nce", "--data", "rows.jsonl", "-o", str(tmp_path / "out")]
    done = command_line.isoglot(*command, *arguments)
    assert done.returncode == 0, done.stderr
    names = {field.name for _, field in FIELDS}
    assert {name: value for name, value in received.items() if name in names} == given
    assert set(received) - names == keywords


@pytest.mark.process
def test_the_help_of_align_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom isoglot.cli import main\n"
        "try: main(['align', '--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'pandas', 'numpy', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "jsd-nce, nce, distill; default 32" in " ".join(done.stdout.replace("│", " ").split())
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("function", "options", "own"),
    [
        (losses.JsdNceLoss, JsdNceOptions, {"mini_batch_size"}),
        (losses.MultiPositiveNceLoss, NceOptions, {"mini_batch_size"}),
        (losses.DistillLoss, DistillOptions, {"mini_batch_size"}),
        (losses.taught, DistillOptions, {"paired", "chosen"}),
    ],
)
def test_the_losses_have_the_defaults_of_the_methods(function: Any, options: Any, own: set[str]) -> None:
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not inspect.Parameter.empty and name not in own
    }
    assert defaults
    assert defaults == {name: getattr(options(), name) for name in defaults}
