"""Verdicts in words: at which ranks the versions of the right document are, and how often the goal was reached."""

from __future__ import annotations

import math

from isoglot.evaluation.goals import OWN_FIRST, Goal, find_goal
from isoglot.evaluation.results import Audit, ScenarioResult
from isoglot.report.tables import language_name, number, pool_name


def verdicts(audit: Audit) -> list[str]:
    """One sentence for each mixed pool and query language: at which ranks the versions of the right document are."""
    goal = find_goal(audit.goal)
    return [_verdict(result, audit.balance, goal) for result in audit.scenarios if result.scenario == "multi"]


def goal_notes(audit: Audit) -> list[str]:
    """Say what was judged, where that is not the usual goal."""
    return [f"Judged by the goal {audit.goal}: {OWN_FIRST}."] if audit.goal == OWN_FIRST.name else []


def _verdict(result: ScenarioResult, balance: str, goal: Goal) -> str:
    places = sorted(
        (math.inf if (rank := result.median_rank(tag)) is None else rank, tag)
        for tag, language in result.by_language.items()
        if language.median_rank is not None or (result.cut and result.cut.beyond[tag])
    )
    text = ", ".join(f"{language_name(tag)} version {_place(result, tag)}" for _, tag in places)
    share = _share(result, goal)
    balanced = "" if balance == "none" else f", {balance} balance"
    return (
        f"{language_name(result.query_language)} questions among {result.documents} documents in "
        f"{pool_name(result.pool_languages)}{balanced}: median rank of the {text}{share}."
    )


def _share(result: ScenarioResult, goal: Goal) -> str:
    """Say for how many questions the goal was reached, and how many have too many golds for that."""
    reached = result.measures.get(goal.headline)
    if reached is None or (goal == OWN_FIRST and math.isnan(reached.mean)):  # no document is in the query's language
        return ""
    too_many = 0 if result.judged is None else int((result.judged.counts > 10).sum())
    if too_many == result.queries:
        return "; every question has more than 10 relevant documents, which no top 10 can hold"
    first = f"{language_name(result.query_language)} first, and " if goal == OWN_FIRST else ""
    share = f"; {first}all in the top 10 for {number(reached.mean, 1)}%"
    return f"{share} of the {result.queries - too_many} questions with at most 10 of them" if too_many else share


def _place(result: ScenarioResult, language: str) -> str:
    rank = result.median_rank(language)
    if rank is None:
        return "not known"
    return f"beyond {result.cut.depth}" if result.cut and math.isinf(rank) else f"at {rank:g}"
