"""The score of a plan: the sum of its matches, nothing else."""

from collections.abc import Iterable, Iterator

from services.planner.domain.plan import Plan
from services.planner.domain.problem import Problem
from services.planner.domain.rule import Match
from services.planner.domain.score import Score


def find_matches(problem: Problem, plan: Plan) -> Iterator[Match]:
    """Yield every match of every rule, in the order of the problem's rules."""
    for rule in problem.rules:
        yield from rule.matches(problem, plan)


def sum_matches(problem: Problem, matches: Iterable[Match]) -> Score:
    """Add the points of matches up by level."""
    units = dict.fromkeys(problem.levels, 0)
    for match in matches:
        units[match.level] += match.units
    return Score(problem.levels, tuple(units.values()), problem.decimals)


def score_plan(problem: Problem, plan: Plan) -> Score:
    """Return the exact score of a plan."""
    return sum_matches(problem, find_matches(problem, plan))
