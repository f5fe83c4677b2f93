"""The bound: below every plan, whatever the rules, and close to the best one."""

import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.planner.domain.arrays import frozen_ints
from services.planner.domain.optimality import Optimality
from services.planner.domain.plan import Plan
from services.planner.domain.problem import Problem, ProblemInvalid
from services.planner.domain.scoring import score_plan
from services.planner.schemas.plan import points_of_bound
from services.planner.schemas.problem import parse_problem
from services.planner.solver.bound import BoundSearch
from services.planner.solver.model import build_model, used_levels
from tests.unit.planner.builders import NoHolidays, document, problem, random_document, random_plan, rule
from tests.unit.planner.planted import planted_document


def every_plan(of: Problem) -> Iterator[Plan]:
    starts = itertools.product(*(range(int(count)) for count in of.start_count))
    eligible = [[index for index, area in enumerate(of.areas) if of.takes(area, device.type)] for device in of.devices]
    areas = list(itertools.product(*eligible))
    return (Plan(frozen_ints(start), frozen_ints(area)) for start in starts for area in areas)


def cost(of: Problem, plan: Plan) -> tuple[int, ...]:
    """The cost of a plan by used level."""
    score = score_plan(of, plan)
    return tuple(-score.units[of.levels.index(level)] for level in used_levels(of))


def bounded(of: Problem, steps: int = 300) -> BoundSearch:
    bound = BoundSearch(of, build_model(of))
    bound.work(steps)
    return bound


def tiny(seed: int) -> Problem:
    """A random problem all plans of which can be tried; restricted areas in every second one."""
    given = random_document(seed, restricted=seed % 2 == 1, longest_days=20)
    given["devices"] = given["devices"][: 2 if seed % 2 else 3]
    try:
        of = parse_problem(given, NoHolidays())
    except ProblemInvalid:
        assume(False)
    assume(float(np.prod(of.start_count)) * len(of.areas) ** len(of.devices) <= 800)
    return of


@settings(max_examples=120)
@given(of=st.integers(0, 10**6).map(tiny))
def test_no_plan_of_a_random_problem_costs_less_than_its_bound(of: Problem):
    best = min(cost(of, plan) for plan in every_plan(of))
    optimality = bounded(of).judge(best)
    assert optimality.bound_units is None or optimality.bound_units <= optimality.cost_units
    assert (optimality.bound_units is None) == (optimality.reason is not None)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 200))
def test_a_bound_holds_from_its_first_step_on(seed: int, steps: int):
    of = tiny(seed)
    bound = bounded(of, steps)
    best = min(cost(of, plan) for plan in every_plan(of))
    for _ in range(3):
        units = bound.judge(best).bound_units
        assert units is None or units <= best[-1] or of.levels[-1] not in used_levels(of)
        bound.work(steps)


@pytest.mark.parametrize(
    "rules",
    [
        [rule("return_interval", days=2000)],
        [rule("daily_limit", level="hard", max=1), rule("return_interval", days=2000)],
        [rule("same_type_spacing", days=10), rule("return_interval", days=2000)],
        [rule("same_type_spacing", level="hard", days=9), rule("return_interval", days=2000, weight="0.125")],
        [rule("busy_season", max=0, count="starts", **{"from": "2019-04-01", "to": "2019-04-30"})],
        [rule("monthly_levelling", weight=100)],
        [rule("same_type_spacing", days=500)],
    ],
)
def test_the_bound_of_a_problem_of_one_or_two_rules_is_its_optimum(rules: list[dict[str, Any]]):
    of = problem(rules=rules)
    best = min(cost(of, plan) for plan in every_plan(of))
    optimality = bounded(of, 300).judge(best)
    assert optimality.proven, optimality


def test_a_device_past_its_limit_on_the_first_day_does_not_keep_a_bound_from_being_proven():
    rules = [rule("return_limit", level="hard", days=900), rule("return_interval", days=1200)]
    of = problem(devices=[{"id": "A1", "previous_end": "2016-03-01"}, {"id": "A2"}], rules=rules)
    best = min(cost(of, plan) for plan in every_plan(of))
    assert best[0] == 226_00
    optimality = bounded(of).judge(best)
    assert (optimality.proven, optimality.reason) == (True, None)


def test_a_plan_that_breaks_a_hard_rule_without_need_proven_has_no_bound_and_says_why():
    rules = [rule("daily_limit", level="hard", max=1), rule("return_interval", days=2000)]
    of = problem(types={"A": 15}, rules=rules)
    optimality = bounded(of).judge(cost(of, random_plan(of, 1)))
    assert (optimality.bound, optimality.gap) == (None, None)
    assert optimality.reason is not None
    assert "not proven" in optimality.reason


@pytest.mark.parametrize("seed", range(3))
def test_the_plan_a_plant_was_made_around_costs_no_less_than_the_bound_and_not_much_more(seed: int):
    given = planted_document(devices=24, areas=2, seed=seed)
    of = parse_problem(given["problem"], NoHolidays())
    bound = BoundSearch(of, build_model(of))
    seen = []
    for _ in range(6):
        bound.work(300)
        seen.append(bound.judge((0, 10**9)).bound_units or 0)
    assert seen == sorted(seen)
    assert seen[-1] > 0


@pytest.mark.parametrize(
    ("case", "best_found", "lowest"), [("article", 8395_00, 8350_00), ("d500", 60507_00, 59600_00)]
)
def test_the_bound_of_a_real_case_is_below_the_best_plan_ever_found_and_close_to_it(
    case: str, best_found: int, lowest: int, data: Path
):
    of = parse_problem(json.loads((data / "planner" / f"{case}.json").read_text()), NoHolidays())
    bound = BoundSearch(of, build_model(of))
    for _ in range(2):
        bound.work(4000)
    units = bound.judge((0, best_found)).bound_units
    assert units is not None
    assert lowest <= units <= best_found


def test_a_bound_with_decimals_is_never_written_above_itself():
    # 0.1 as a float is a little more than a tenth.
    assert Decimal(points_of_bound(Optimality(1, 5, 1)) or 0) <= Decimal("0.1")
    assert points_of_bound(Optimality(2, 841400, 835900)) == 8359
    assert points_of_bound(Optimality(2, 1, None, "why")) is None


def test_the_gap_is_a_part_of_the_cost():
    assert Optimality(0, 8414, 8358).gap == pytest.approx(0.0066, abs=1e-4)
    assert Optimality(0, 0, 0).gap == 0.0
    assert Optimality(0, 5, None, "why").gap is None


def test_a_problem_without_rules_on_its_last_level_is_proven_when_nothing_is_broken():
    of = parse_problem(document(rules=[rule("daily_limit", level="hard", max=2)]), NoHolidays())
    assert bounded(of).judge((0,)).gap == 0.0
