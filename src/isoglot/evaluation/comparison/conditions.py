"""Conditions on a comparison, such as ``complete@10<80``, that make continuous integration fail."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from isoglot.evaluation.comparison.cells import ComparedCell
from isoglot.evaluation.comparison.comparison import Comparison
from isoglot.evaluation.measures import check_measures
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.pools import SCENARIOS

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_GRAMMAR = re.compile(
    r"\s*(?:(?P<scenario>[a-z-]+)\s+)?(?P<measure>[a-z_]+(?:@\d+)?)(?:\s+(?P<change>drop|rise))?"
    r"\s*(?P<comparison>[<>]=?)\s*(?P<bound>-?\d+(?:\.\d+)?)\s*"
)
_CHANGES = {"drop": -1, "rise": 1}

_SHOWN = 5
"""How many cells a message names, those furthest beyond the bound first."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """``[SCENARIO] MEASURE [drop|rise] <|<=|>|>= NUMBER`` about the last audit of a comparison.

    Attributes:
        scenario: A name out of ``isoglot.ranking.pools.SCENARIOS``; ``multi`` where the condition names none.
        measure: A name such as ``complete@10``; its mean over the cells of the scenario counts.
        change: ``drop``: how far the mean is below the first audit's; ``rise``: how far above; empty: the mean itself.
        comparison: ``<``, ``<=``, ``>`` or ``>=``.
        bound: The number to compare with, in the unit of the measure.
    """

    scenario: str
    measure: str
    change: str
    comparison: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read a condition.

        Raises:
            IsoglotError: `text` is no condition, or names an unknown scenario or measure.
        """
        match = _GRAMMAR.fullmatch(text)
        if match is None:
            raise IsoglotError(
                f'"{text}" is not a condition; write [SCENARIO] MEASURE [drop|rise] <|<=|>|>= NUMBER, such as '
                '"complete@10<80" or "mono-same ndcg@10 drop>1"'
            )
        scenario = match["scenario"] or "multi"
        if scenario not in SCENARIOS:
            raise IsoglotError(f'"{text}": unknown scenario {scenario!r}; choose from {", ".join(SCENARIOS)}')
        check_measures([match["measure"]])
        return cls(
            scenario=scenario,
            measure=match["measure"],
            change=match["change"] or "",
            comparison=match["comparison"],
            bound=float(match["bound"]),
        )

    def __str__(self) -> str:
        change = f" {self.change}" if self.change else ""
        return f"{self.scenario} {self.measure}{change} {self.comparison} {self.bound:g}"

    def held(self, comparison: Comparison) -> str | None:
        """Say in one line what makes the condition true; None if it is not true.

        Raises:
            IsoglotError: The audits have no such scenario or measure, or the measure has no value there.
        """
        mean = next((mean for mean in comparison.means if mean.scenario == self.scenario), None)
        if mean is None:
            raise IsoglotError(f'"{self}": the audits have no scenario {self.scenario} in common')
        if self.measure not in mean.measures:
            raise IsoglotError(f'"{self}": the audits hold {", ".join(mean.measures)}; add --measures to the audits')
        value = self._value(mean)
        if math.isnan(value):
            raise IsoglotError(f'"{self}": {self.measure} says nothing in the scenario {self.scenario}')
        if not self._holds(value):
            return None
        cells = [cell for cell in comparison.cells if cell.scenario == self.scenario]
        held = sorted((cell for cell in cells if self._holds(self._value(cell))), key=self._value)
        if self.comparison.startswith(">"):
            held.reverse()
        named = [
            f"{'+'.join(cell.pool_languages)} asked in {cell.query_language} {self._value(cell):.2f}"
            for cell in held[:_SHOWN]
        ]
        more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
        what = f"the {self.change} of its mean is" if self.change else "its mean is"
        return (
            f"{comparison.names[-1]}: {self}: {what} {value:.2f}; "
            f"it holds in {len(held)} of {len(cells)} pools and query languages: {', '.join(named) or 'none'}{more}"
        )

    def _value(self, cell: ComparedCell) -> float:
        if self.change:
            return _CHANGES[self.change] * cell.differences[self.measure][-1].mean
        return cell.measures[self.measure][-1].mean

    def _holds(self, value: float) -> bool:
        return _COMPARE[self.comparison](value, self.bound)
