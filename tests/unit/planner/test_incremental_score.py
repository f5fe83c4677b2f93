"""The score the search keeps is the score of the domain, whatever the problem and the moves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.planner.domain.arrays import frozen_ints
from services.planner.domain.plan import Plan
from services.planner.domain.problem import Problem
from services.planner.domain.scoring import score_plan
from services.planner.schemas.problem import parse_problem
from services.planner.solver.annealing import Heat, anneal
from services.planner.solver.colouring import colour_areas
from services.planner.solver.construct import first_fit, place_at
from services.planner.solver.kernels import State, empty_state
from services.planner.solver.late_acceptance import remember, search
from services.planner.solver.model import Model, areas_interchangeable, build_model, used_levels
from services.planner.solver.moves import seed_random
from services.planner.solver.polish import settle
from services.planner.solver.ruin import empty_ruin, ruin_and_recreate
from services.planner.solver.sampled import Sampler, empty_choice, empty_tabu, search_choosing, search_tabu
from services.planner.solver.solve import assign_areas
from tests.unit.planner.builders import NoHolidays, as_ints, random_document, random_plan

# What late acceptance compares with: it keeps any move, and none that makes the plan worse.
ANYTHING, NOTHING = np.iinfo(np.int64).max, np.iinfo(np.int64).min


def full_cost(problem: Problem, state: State) -> list[int]:
    """The cost by used level as the domain's rules add it up."""
    area = assign_areas(problem, state.start) if areas_interchangeable(problem) else state.area
    score = score_plan(problem, Plan(frozen_ints(state.start), frozen_ints(area)))
    return [-score.units[problem.levels.index(level)] for level in used_levels(problem)]


def placed(problem: Problem, seed: int) -> tuple[Model, State]:
    model, plan = build_model(problem), random_plan(problem, seed)
    state = empty_state(model)
    for device, (start, area) in enumerate(zip(plan.start, plan.area, strict=True)):
        place_at(model, state, device, int(start), int(area))
    return model, state


problems = st.builds(
    lambda seed, restricted: parse_problem(random_document(seed, restricted=restricted), NoHolidays()),
    st.integers(0, 10**6),
    st.booleans(),
)


@settings(max_examples=100)
@given(problem=problems, seed=st.integers(0, 1000))
def test_placing_every_device_adds_up_to_the_full_score(problem: Problem, seed: int):
    _, state = placed(problem, seed)
    assert list(state.cost) == full_cost(problem, state)


@settings(max_examples=100)
@given(problem=problems, seed=st.integers(0, 1000))
def test_first_fit_adds_up_to_the_full_score(problem: Problem, seed: int):
    model = build_model(problem)
    state = empty_state(model)
    first_fit(model, state, as_ints(np.random.default_rng(seed).permutation(len(problem.devices))))
    assert list(state.cost) == full_cost(problem, state)


@settings(max_examples=100)
@given(problem=problems, seed=st.integers(0, 1000))
def test_every_move_kept_adds_up_to_the_full_score(problem: Problem, seed: int):
    model, state = placed(problem, seed)
    memory, random = remember(state, size=1), seed_random(seed)
    for number in range(30):
        before = state.cost.copy()
        memory.late[:] = ANYTHING
        search(model, state, memory, random, 1)
        assert list(state.cost) == list(before + memory.change)
        # An error of the counts stays in the cost: the full score, which takes long, need not be added up every time.
        if number % 6 == 5:
            assert list(state.cost) == full_cost(problem, state)


@settings(max_examples=100)
@given(problem=problems, seed=st.integers(0, 1000))
def test_a_move_undone_leaves_no_trace(problem: Problem, seed: int):
    model, state = placed(problem, seed)
    memory, random = remember(state, size=1), seed_random(seed)
    for _ in range(40):
        before = [array.copy() for array in state]
        memory.late[:] = NOTHING
        search(model, state, memory, random, 1)
        if tuple(memory.change) > tuple(memory.zero):
            assert all(np.array_equal(left, right) for left, right in zip(before, state, strict=True))


@settings(max_examples=50)
@given(problem=problems, seed=st.integers(0, 1000))
def test_the_search_remembers_the_best_plan_with_its_cost(problem: Problem, seed: int):
    model, state = placed(problem, seed)
    memory = remember(state, size=5)
    search(model, state, memory, seed_random(seed), 500)
    best = state._replace(start=memory.best_start, area=memory.best_area)
    assert list(memory.best_cost) == full_cost(problem, best)
    assert list(state.cost) == full_cost(problem, state)
    assert tuple(memory.best_cost) <= tuple(state.cost)


@settings(max_examples=60)
@given(problem=problems, seed=st.integers(0, 1000), searched=st.sampled_from(["anneal", "choose", "tabu"]))
def test_every_search_keeps_the_full_score(problem: Problem, seed: int, searched: str):
    model, state = placed(problem, seed)
    memory, random, levels = remember(state, size=5), seed_random(seed), len(state.cost)
    if searched == "anneal":
        anneal(model, state, memory, (random, 500), Heat(np.full(levels, 1e-4), np.zeros((levels, 2))))
    elif searched == "choose":
        search_choosing(model, state, memory, Sampler(empty_choice(levels), random, 4, 500))
    else:
        tabu = empty_tabu(len(problem.devices), problem.horizon_days, 1, 1)
        search_tabu(model, state, memory, Sampler(empty_choice(levels), random, 20, 500), tabu)
    best = state._replace(start=memory.best_start, area=memory.best_area)
    assert list(memory.best_cost) == full_cost(problem, best)
    assert list(state.cost) == full_cost(problem, state)


@settings(max_examples=60)
@given(problem=problems, seed=st.integers(0, 1000))
def test_ruin_and_recreate_keeps_the_full_score_and_never_leaves_a_worse_plan(problem: Problem, seed: int):
    model, state = placed(problem, seed)
    ruin, random = empty_ruin(len(state.cost)), seed_random(seed)
    for _ in range(3):
        before = tuple(state.cost)
        ruin_and_recreate(model, state, ruin, random, 3)
        assert list(state.cost) == full_cost(problem, state)
        assert tuple(state.cost) <= before
    assert all(
        problem.takes(problem.areas[area], device.type)
        for area, device in zip(state.area, problem.devices, strict=True)
    )


@settings(max_examples=60)
@given(problem=problems, seed=st.integers(0, 1000))
def test_a_polished_plan_keeps_the_full_score_and_no_move_of_one_device_improves_it(problem: Problem, seed: int):
    model, state = placed(problem, seed)
    before = tuple(state.cost)
    scratch = np.zeros((3, len(state.cost)), dtype=np.int64)
    settle(model, state, scratch)
    after = tuple(state.cost)
    assert list(after) == full_cost(problem, state)
    assert after <= before
    assert settle(model, state, scratch) == sum(problem.start_count[model.movable])
    assert tuple(state.cost) == after


@settings(max_examples=300)
@given(
    spans=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), min_size=1, max_size=25),
    areas=st.integers(1, 6),
)
def test_areas_are_shared_no_more_than_the_start_days_force(spans: list[tuple[int, int]], areas: int):
    start, length = as_ints([span[0] for span in spans]), as_ints([span[1] for span in spans])
    area = colour_areas(start, length, range(len(spans)), areas)
    for day in range(40):
        present = (start <= day) & (day < start + length)
        shared = sum(max(0, int((present & (area == index)).sum()) - 1) for index in range(areas))
        assert shared == max(0, int(present.sum()) - areas)
    assert set(area) <= set(range(areas))


def test_areas_that_only_some_types_may_use_are_part_of_the_search():
    restricted = parse_problem(random_document(3, restricted=True), NoHolidays())
    alike = parse_problem(random_document(3), NoHolidays())
    assert not areas_interchangeable(restricted)
    assert areas_interchangeable(alike) or len([r for r in alike.rules if r.rule == "area_exclusive"]) > 1


@pytest.mark.parametrize("seed", range(5))
def test_a_device_never_enters_an_area_that_does_not_take_it(seed: int):
    problem = parse_problem(random_document(seed, restricted=True), NoHolidays())
    model, state = placed(problem, seed)
    search(model, state, remember(state, size=5), seed_random(seed), 2000)
    assert all(
        problem.takes(problem.areas[area], device.type)
        for area, device in zip(state.area, problem.devices, strict=True)
    )
