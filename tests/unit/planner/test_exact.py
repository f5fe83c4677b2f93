"""Exact solving: its costs are those of the search, its proofs hold, and its parts are never worse."""

import time
from itertools import product
from threading import Event, Timer
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model

from services.planner import library
from services.planner.domain.problem import Problem
from services.planner.library import SolveOptions, StopReason, Termination
from services.planner.schemas.problem import parse_problem
from services.planner.solver.begin import begin
from services.planner.solver.exact import improve_part, is_small, prove
from services.planner.solver.exact_model import Placing, exact_model
from services.planner.solver.finish import kept_for_exact_s, polish_parts
from services.planner.solver.kernels import empty_state
from services.planner.solver.lane import Found, resumed
from services.planner.solver.model import Model, build_model
from tests.unit.planner.builders import NoHolidays, problem, random_document, random_plan, rule
from tests.unit.planner.planted import planted_document
from tests.unit.planner.test_solver import SMALL, best_of_all

problems = st.builds(
    lambda seed, restricted: parse_problem(random_document(seed, restricted=restricted), NoHolidays()),
    st.integers(0, 10**6),
    st.booleans(),
)


def found_of(of: Problem, seed: int) -> tuple[Model, Found]:
    """A random plan as the search has it."""
    model, plan = build_model(of), random_plan(of, seed)
    state = resumed(model, Found(plan.start, plan.area, ()))
    return model, Found(state.start, state.area, tuple(int(part) for part in state.cost))


def first_plan(of: Problem) -> tuple[Model, Found]:
    model = build_model(of)
    return model, begin(of, model, SolveOptions(), None).first


@settings(max_examples=40)
@given(of=problems, seed=st.integers(0, 1000))
def test_a_settled_plan_costs_what_the_search_says(of: Problem, seed: int):
    model, found = found_of(of, seed)
    where = {device: (int(start), int(start) + 1) for device, start in enumerate(found.start)}
    exact = exact_model(model, empty_state(model), Placing(where))
    for (device, _, area), decision in exact.places.items():
        if area == found.area[device]:
            exact.model.add(decision == 1)
    exact.model.minimize(sum(exact.cost))
    solver = cp_model.CpSolver()
    assert solver.solve(exact.model) == cp_model.OPTIMAL
    assert tuple(solver.value(cost) for cost in exact.cost) == found.cost


@settings(max_examples=25)
@given(of=problems, seed=st.integers(0, 1000))
def test_a_part_solved_exactly_is_better_or_left_alone(of: Problem, seed: int):
    model, found = found_of(of, seed)
    better = improve_part(model, found, Placing({0: (0, int(model.start_count[0]))}), 5.0)
    costs = []
    areas = np.flatnonzero(model.eligible[0]).tolist() if len(model.exclusive_weight) else [found.area[0]]
    for day, area in product(range(int(model.start_count[0])), areas):
        start, where = found.start.copy(), found.area.copy()
        start[0], where[0] = day, area
        costs.append(tuple(int(part) for part in resumed(model, Found(start, where, ())).cost))
    kept = [cost for cost in costs if all(new <= old for new, old in zip(cost[:-1], found.cost[:-1], strict=True))]
    lowest = min(cost[-1] for cost in kept)
    assert (better is None) == (lowest == found.cost[-1])
    assert better is None or (better.cost in kept and better.cost[-1] == lowest)


@pytest.mark.parametrize("fields", SMALL)
def test_a_small_problem_is_proven_to_be_solved(fields: dict[str, Any]):
    of = problem(**fields)
    model, found = first_plan(of)
    proven = prove(model, found, Event())
    assert is_small(model)
    assert proven is not None
    solved = library.solve(of, termination=Termination(seconds=30))
    assert solved.score == best_of_all(of)
    assert (solved.stopped_because, solved.optimality.gap) == (StopReason.OPTIMAL, 0.0)


def test_a_proof_is_given_up_when_the_search_ends():
    # A whole year of 36 devices is out of reach of a proof.
    model, found = first_plan(library.read_problem(planted_document(devices=36, areas=3, seed=1)["problem"]))
    ended = Event()
    timer = Timer(0.2, ended.set)
    timer.start()
    began_s = time.monotonic()
    assert prove(model, found, ended) is None
    assert time.monotonic() - began_s < 30.0
    timer.join()
    assert prove(model, found, ended) is None


def test_a_large_problem_is_not_tried_as_a_whole():
    large = library.read_problem(planted_document(devices=36, areas=3, seed=1)["problem"])
    assert not is_small(build_model(large))


def test_a_small_problem_whose_areas_differ_is_proven_to_be_solved():
    areas = [{"id": "hall", "types": ["A"]}, {"id": "any"}]
    rules = [rule("area_exclusive", level="hard"), rule("return_interval", days=2000)]
    of = problem(areas=areas, rules=rules, start="2019-04-01", end="2019-04-12")
    model, found = first_plan(of)
    proven = prove(model, found, Event())
    assert is_small(model)
    assert proven is not None
    assert proven.cost <= found.cost
    assert library.solve(of, termination=Termination(seconds=30)).stopped_because is StopReason.OPTIMAL


def test_parts_are_solved_until_the_time_is_over_and_leave_a_plan_no_worse():
    of = library.read_problem(planted_document(devices=24, areas=2, seed=1)["problem"])
    model, before = found_of(of, seed=1)
    left_s = iter([*[1.0] * 12, 0.0])
    after = polish_parts(model, before, seed=1, left_s=lambda: next(left_s))
    assert after.cost < before.cost
    assert next(left_s, None) is None


@pytest.mark.parametrize(
    ("limits", "polish", "kept_s"),
    [
        ({"seconds": 60.0}, True, 3.0),
        ({"seconds": 20.0}, True, 1.0),
        ({"seconds": 600.0, "longest_seconds": 40.0}, True, 2.0),
        ({"seconds": 5.0}, True, 0.0),
        ({"seconds": 60.0}, False, 0.0),
        ({"seconds": 60.0, "steps": 1000}, True, 0.0),
        ({"seconds": None, "gap": 0.01}, True, 0.0),
    ],
)
def test_a_part_of_the_time_is_kept_for_exact_solving(limits: dict[str, Any], polish: bool, kept_s: float):
    assert kept_for_exact_s(Termination(**limits), polish=polish) == pytest.approx(kept_s)
