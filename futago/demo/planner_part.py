"""The planner's part: solve as a job, check that the explanation adds up, compare with the plan made by hand."""

import math
from collections.abc import Callable, Mapping

from futago.client import Client
from futago.demo.cases import PlanningCase
from futago.demo.errors import DemoFailed
from futago.demo.report import Finding
from futago.job import Job
from futago.wire import JsonObject

SPARE_TIME_S = 120.0
"""For the job to be taken, the first plan to be built and the result to be written."""
# Points may have decimals, and a sum of floats is not exact.
TOLERANCE = 1e-6


def run(client: Client, case: PlanningCase, solve_s: float, on_progress: Callable[[Job], None]) -> list[Finding]:
    """Solve a problem and judge the plan against the one made by hand.

    Raises
    ------
    DemoFailed
        If the explanation does not add up to the score, or the plan made by hand is no plan.
    """
    job = client.plan(case.problem, {"construction": "first_fit", "search": "late_acceptance"}, {"seconds": solve_s})
    plan_id = str(client.wait(job, solve_s + SPARE_TIME_S, on_progress).result["plan"])
    plan = client.get_plan(plan_id)
    explanation = client.explanation(plan_id)
    require_sum(plan["score"], explanation["matches"])
    costliest = min(explanation["by_rule"], key=lambda entry: entry["points"], default=None)
    past = client.score_plan(case.problem, case.past_plan)
    if not past["valid"]:
        raise DemoFailed(f"the plan made by hand is not valid: {past['invalid'][0]['detail']}")
    return [
        Finding("planner", case.title, f"{plan['score_text']} after {solve_s:g} s"),
        Finding("planner", "plan made by hand", str(past["score_text"])),
        Finding("planner", "explanation", f"{len(explanation['matches'])} matches, their points add up to the score"),
        *([Finding("planner", "costliest rule", _sentence(costliest))] if costliest else []),
    ]


def require_sum(score: Mapping[str, float], matches: list[JsonObject]) -> None:
    """Make sure that the points of all matches are the score, level by level.

    Raises
    ------
    DemoFailed
        If they are not.
    """
    for level, points in score.items():
        total = math.fsum(match["points"] for match in matches if match["level"] == level)
        if abs(total - points) > TOLERANCE:
            raise DemoFailed(f"the explanation adds up to {total:g} {level}, the score says {points:g}")


def _sentence(subtotal: JsonObject) -> str:
    return f"{subtotal['rule']}, {subtotal['points']:g} {subtotal['level']} from {subtotal['matches']} matches"
