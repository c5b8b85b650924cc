"""Conditions on a comparison, such as ``complete@10<80``, under which continuous integration is to fail."""

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

_PLACES = 5
"""How many cells are named, the furthest first."""


@dataclass(frozen=True)
class Condition:
    """``[SCENARIO] MEASURE [drop|rise] <|<=|>|>= NUMBER`` about the last audit of a comparison.

    Attributes:
        scenario: A name out of ``isoglot.ranking.pools.SCENARIOS``; ``multi`` where the condition names none.
        measure: Such as ``complete@10``; its mean over the cells of the scenario counts.
        change: ``drop``: by how much the mean is below the first audit's; ``rise``: above; empty: the mean itself.
        comparison: ``<``, ``<=``, ``>`` or ``>=``.
        bound: In the unit of the measure.
    """

    scenario: str
    measure: str
    change: str
    comparison: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> Condition:
        """The condition that `text` states.

        Raises:
            IsoglotError: It is none, or there is no such scenario or measure.
        """
        found = _GRAMMAR.fullmatch(text)
        if found is None:
            raise IsoglotError(
                f'"{text}" is not a condition; write [SCENARIO] MEASURE [drop|rise] <|<=|>|>= NUMBER, such as '
                '"complete@10<80" or "mono-same ndcg@10 drop>1"'
            )
        scenario = found["scenario"] or "multi"
        if scenario not in SCENARIOS:
            raise IsoglotError(f'"{text}": unknown scenario {scenario!r}; choose from {", ".join(SCENARIOS)}')
        check_measures([found["measure"]])
        return cls(scenario, found["measure"], found["change"] or "", found["comparison"], float(found["bound"]))

    def __str__(self) -> str:
        change = f" {self.change}" if self.change else ""
        return f"{self.scenario} {self.measure}{change} {self.comparison} {self.bound:g}"

    def held(self, comparison: Comparison) -> str | None:
        """What makes the condition true, in one line; None if it is not.

        Raises:
            IsoglotError: The audits have no such scenario or measure, or it says nothing there.
        """
        mean = next((found for found in comparison.means if found.scenario == self.scenario), None)
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
            for cell in held[:_PLACES]
        ]
        more = f" and {len(held) - _PLACES} more" if len(held) > _PLACES else ""
        what = f"the {self.change} of its mean is" if self.change else "its mean is"
        return (
            f"{comparison.names[-1]}: {self}: {what} {value:.2f}; by themselves {len(held)} of {len(cells)}: "
            f"{', '.join(named) or 'none'}{more}"
        )

    def _value(self, cell: ComparedCell) -> float:
        if self.change:
            return _CHANGES[self.change] * cell.differences[self.measure][-1].mean
        return cell.measures[self.measure][-1].mean

    def _holds(self, value: float) -> bool:
        return _COMPARE[self.comparison](value, self.bound)
