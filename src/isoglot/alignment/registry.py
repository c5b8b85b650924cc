"""The registry of alignment methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from isoglot.platform.errors import IsoglotError


@dataclass(frozen=True)
class Method:
    """An alignment method.

    Attributes:
        name: As in ``--method``.
        summary: One line for help texts.
        needs_language: Whether the aligned model must know each text's language.
        trained: Whether weights are trained, and ``run`` so takes ``working`` and ``on_epoch`` too and returns losses.
        module: The module with ``Options`` and ``run(encoder, rows, options, *, seed, show_progress)``.
    """

    name: str
    summary: str
    needs_language: bool
    trained: bool
    module: str

    @property
    def option_names(self) -> list[str]:
        """The fields of the method's ``Options``."""
        return [option.name for option in dataclasses.fields(import_module(self.module).Options)]

    def options(self, given: Mapping[str, Any]) -> Any:
        """The method's ``Options`` with the values `given`.

        Raises:
            IsoglotError: The method has no such option, or a value is out of range.
        """
        known = self.option_names
        for name in given:
            if name not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise IsoglotError(f"{self.name} has no option {name!r}; {has}")
        return import_module(self.module).Options(**given)


METHODS = {
    name: Method(name, summary, needs_language, trained, f"isoglot.alignment.methods.{name.replace('-', '_')}")
    for name, summary, needs_language, trained in (
        ("center", "subtract each language's mean; no training, needs the language", True, False),
        ("soft-center", "as center, the language read from the vector; no training, no language", False, False),
        ("shift", "move documents by their language's offset from English", True, False),
        ("lir", "remove each language's first singular directions", True, False),
        ("leace", "erase linearly what tells the language; no training", False, False),
        ("jsd-nce", "the paper's JSD and InfoNCE on translations; trained", False, True),
        ("nce", "InfoNCE among both languages of queries and documents; trained", False, True),
        ("distill", "learn the model's own centered vectors; trained", False, True),
    )
}


def find_method(name: str) -> Method:
    """The method of that name.

    Raises:
        IsoglotError: There is none.
    """
    if name not in METHODS:
        raise IsoglotError(f"unknown method {name!r}; choose from {', '.join(METHODS)} and auto")
    return METHODS[name]
