"""The registry of alignment methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from isoglot.alignment.options import (
    CenterOptions,
    DistillOptions,
    JsdNceOptions,
    LirOptions,
    NceOptions,
    NoOptions,
    ShiftOptions,
    WccnOptions,
)
from isoglot.platform.errors import IsoglotError


@dataclass(frozen=True, kw_only=True)
class Method:
    """An alignment method; ``isoglot.alignment.methods`` has a module of its name.

    Attributes:
        name: The name as in ``--method``.
        summary: One line for help texts.
        needs_language: Whether the aligned model must know each text's language.
        trained: Whether weights are trained; else the method makes modules of vectors alone.
        options_class: The dataclass of its options, out of `isoglot.alignment.options`.
        labels: Whether it needs queries with their documents; else a corpus without labels is enough.
    """

    name: str
    summary: str
    needs_language: bool
    trained: bool
    options_class: type[Any]
    labels: bool = True

    @property
    def train(self) -> Callable[..., Any]:
        """The function ``run(encoder, rows, options, **context)`` of a trained method, which returns the losses."""
        return self._module.run  # type: ignore[no-any-return]

    @property
    def modules(self) -> Callable[..., Sequence[Any]]:
        """The function ``modules(row_vectors, rows, options)`` of any other, which returns what is to be appended."""
        return self._module.modules  # type: ignore[no-any-return]

    @property
    def _module(self) -> Any:
        return import_module(f"isoglot.alignment.methods.{self.name.replace('-', '_')}")

    @property
    def option_names(self) -> list[str]:
        """The names of the method's options."""
        return [field.name for field in dataclasses.fields(self.options_class)]

    def options(self, given: Mapping[str, Any]) -> Any:
        """The method's options with the values `given`.

        Raises:
            IsoglotError: The method has no such option, or a value is out of range.
        """
        known = self.option_names
        for name in given:
            if name not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise IsoglotError(f"{self.name} has no option {name!r}; {has}")
        return self.options_class(**given)


METHODS = {
    method.name: method
    for method in (
        Method(
            name="center",
            summary="subtract each language's mean; no training, needs the language",
            needs_language=True,
            trained=False,
            options_class=CenterOptions,
            labels=False,
        ),
        Method(
            name="soft-center",
            summary="as center, the language read from the vector; no training, no language",
            needs_language=False,
            trained=False,
            options_class=NoOptions,
            labels=False,
        ),
        Method(
            name="shift",
            summary="move documents by their language's offset from English",
            needs_language=True,
            trained=False,
            options_class=ShiftOptions,
        ),
        Method(
            name="lir",
            summary="remove each language's first singular directions",
            needs_language=True,
            trained=False,
            options_class=LirOptions,
            labels=False,
        ),
        Method(
            name="leace",
            summary="erase linearly what tells the language; no training",
            needs_language=False,
            trained=False,
            options_class=NoOptions,
            labels=False,
        ),
        Method(
            name="wccn",
            summary="shrink the directions in which translations differ; no training",
            needs_language=False,
            trained=False,
            options_class=WccnOptions,
        ),
        Method(
            name="jsd-nce",
            summary="the paper's JSD and InfoNCE on translations; trained",
            needs_language=False,
            trained=True,
            options_class=JsdNceOptions,
        ),
        Method(
            name="nce",
            summary="InfoNCE among both languages of queries and documents; trained",
            needs_language=False,
            trained=True,
            options_class=NceOptions,
        ),
        Method(
            name="distill",
            summary="learn the model's own centered vectors; trained",
            needs_language=False,
            trained=True,
            options_class=DistillOptions,
            labels=False,
        ),
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
