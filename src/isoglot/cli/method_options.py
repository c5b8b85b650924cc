"""The options of alignment methods on the command line, made from the fields of their dataclasses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from isoglot.alignment.options import HEADINGS, OptionHelp, option_help
from isoglot.alignment.registry import METHODS


def with_method_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's ``**options`` by an option for each field of every method's options.

    The command receives only the options that the user gave, so that every other one keeps the default of its method.
    """
    ablations: dict[str, str] = {}
    generated: list[inspect.Parameter] = []
    for name, method_fields in _fields_by_name().items():
        described, flag = _help_of(method_fields), f"--{name.replace('_', '-')}"
        generated.append(_parameter(name, _value_type(name), flag, _help_text(method_fields), described.heading))
        if described.off_flag:
            ablation = described.off_flag.removeprefix("--").replace("-", "_")
            ablations[ablation] = name
            text = f"Ablation: {flag} 0."
            generated.append(_parameter(ablation, bool, described.off_flag, text, described.heading))

    @wraps(command)
    def with_given_options(**arguments: Any) -> None:
        options = {parameter.name: arguments.pop(parameter.name) for parameter in generated}
        given = {name: value for name, value in options.items() if value is not None}
        given |= {name: 0.0 for ablation, name in ablations.items() if given.pop(ablation, False)}
        command(**arguments, **given)

    signature = inspect.signature(command, eval_str=True)
    stated = [part for part in signature.parameters.values() if part.kind is not inspect.Parameter.VAR_KEYWORD]
    with_given_options.__signature__ = signature.replace(parameters=[*stated, *generated])  # type: ignore[attr-defined]
    return with_given_options


def _fields_by_name() -> dict[str, dict[str, Field[Any]]]:
    """Option -> method -> its field, in the order in which the help shows them."""
    by_name: dict[str, dict[str, Field[Any]]] = {}
    for method in METHODS.values():
        for field in fields(method.options_class):
            by_name.setdefault(field.name, {})[method.name] = field
    return dict(sorted(by_name.items(), key=lambda item: HEADINGS.index(_help_of(item[1]).heading)))


def _help_of(method_fields: Mapping[str, Field[Any]]) -> OptionHelp:
    """What is said of an option, which is the same in every method that has it."""
    return option_help(next(iter(method_fields.values())))


def _value_type(name: str) -> Any:
    owner = next(method.options_class for method in METHODS.values() if name in method.option_names)
    return get_type_hints(owner)[name]


def _help_text(method_fields: Mapping[str, Field[Any]]) -> str:
    """What an option is, which methods take it, and its default, in each method where they differ.

    A flag has no default to show: it is off.
    """
    defaults = {method: field.default for method, field in method_fields.items()}
    usual = next(iter(defaults.values()))
    shown = "" if isinstance(usual, bool) else f"; default {usual}"
    others = "".join(f", {method} {default}" for method, default in defaults.items() if default != usual)
    return f"{_help_of(method_fields).text} ({', '.join(defaults)}{shown}{others})"


def _parameter(name: str, value_type: Any, flag: str, text: str, heading: str) -> inspect.Parameter:
    option = typer.Option(flag, help=text, rich_help_panel=heading)
    annotation = Annotated[value_type | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
