"""Goals: what a list of results in several languages should look like. Verdicts and guards judge by one of two."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from isoglot.evaluation.measures import CLASSES
from isoglot.platform.errors import IsoglotError

GoalName = Literal["together", "own-first"]


@dataclass(frozen=True)
class Goal:
    """A goal.

    Attributes:
        name: The name that options take.
        measure: The measure without its K that tells in how many questions the goal is reached.
        meaning: The goal in words.
        measures: The measures that an audit by this goal computes besides those that were asked for.
    """

    name: GoalName
    measure: str
    meaning: str
    measures: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """The measure of the top 10, which verdicts and guards name."""
        return f"{self.measure}@10"

    def __str__(self) -> str:
        return f"{self.meaning} ({self.headline})"


TOGETHER = Goal("together", "complete", "all versions together")
OWN_FIRST = Goal(
    "own-first",
    "own_first",
    "own language first, others right behind",
    ("own_first@10", "lang_ndcg@10", *CLASSES),
)
GOALS: dict[str, Goal] = {goal.name: goal for goal in (TOGETHER, OWN_FIRST)}


def find_goal(name: str) -> Goal:
    """Return the goal of a name.

    Raises:
        IsoglotError: There is no goal of that name.
    """
    if name not in GOALS:
        raise IsoglotError(f"unknown goal {name!r}; choose {' or '.join(GOALS)}")
    return GOALS[name]


def shared_goal(names: Iterable[str]) -> Goal:
    """Return the goal that several audits have in common, by its name in each; ``together`` where they differ."""
    different = {*names}
    return find_goal(different.pop()) if len(different) == 1 else TOGETHER
