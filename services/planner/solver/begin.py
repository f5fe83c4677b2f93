"""The first plan: pinned devices stay, a given plan is taken over, and the rest goes where it costs least."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.planner.domain.arrays import IntArray, frozen_ints
from services.planner.domain.constraints.return_limit import ReturnLimit
from services.planner.domain.plan import Assignment, check_start
from services.planner.domain.problem import NEVER_DAY, Problem
from services.planner.solver.construct import first_fit, place_at
from services.planner.solver.kernels import UNPLACED, State, empty_state
from services.planner.solver.lane import Beginning, Found
from services.planner.solver.model import Model
from services.planner.solver.moves import NOBODY
from services.planner.solver.options import Construction, Priority, SolveOptions


@dataclass(frozen=True, slots=True, eq=False)
class StartPlan:
    """A plan to begin with; both arrays are -1 for a device that has no place in it."""

    start: IntArray
    area: IntArray


def start_plan_of(problem: Problem, assignments: Sequence[Assignment]) -> StartPlan:
    """Return a plan to begin with.

    Raises
    ------
    PlanInvalid
        If any assignment is double or impossible.
    """
    check_start(problem, assignments)
    given = {entry.device: entry for entry in assignments}
    day_index = {day: index for index, day in enumerate(problem.days)}
    area_index = {str(area.id): index for index, area in enumerate(problem.areas)}
    entries = [given.get(device.id) for device in problem.devices]
    return StartPlan(
        start=frozen_ints([UNPLACED if entry is None else day_index[entry.start] for entry in entries]),
        area=frozen_ints([UNPLACED if entry is None else area_index[str(entry.area)] for entry in entries]),
    )


def begin(problem: Problem, model: Model, options: SolveOptions, given: StartPlan | None) -> Beginning:
    """Make the first plan."""
    pinned = _place_pinned(problem, model)
    state = State(*(array.copy() for array in pinned))
    if given is not None:
        for device in np.flatnonzero((given.start != UNPLACED) & (state.start == UNPLACED)):
            place_at(model, state, int(device), int(given.start[device]), _allowed_area(model, given, int(device)))
    first_fit(model, state, _order(problem, options))
    first = Found(state.start.copy(), state.area.copy(), tuple(int(part) for part in state.cost))
    return Beginning(model, first, pinned)


def _allowed_area(model: Model, given: StartPlan, device: int) -> int:
    area = int(given.area[device])
    return area if area >= 0 and model.eligible[device, area] == 1 else NOBODY


def _order(problem: Problem, options: SolveOptions) -> IntArray:
    """Return the devices in the order in which First Fit places them."""
    devices = np.arange(len(problem.devices), dtype=np.int64)
    if options.construction is Construction.FIRST_FIT:
        return devices
    keys = [_rank(problem, priority) for priority in options.priority]
    # The last key sorts first, and the order given decides among equals.
    return np.lexsort([devices, *reversed(keys)]).astype(np.int64)


def _rank(problem: Problem, priority: Priority) -> IntArray:
    """Return a number for each device, low for those to place first."""
    if priority is Priority.INSPECTION_DAYS:
        return -problem.inspection_days
    if priority is Priority.CONDITION_DUE:
        return problem.condition_day
    due = np.full(len(problem.devices), NEVER_DAY, dtype=np.int64)
    for rule in problem.rules:
        if isinstance(rule, ReturnLimit):
            covered = rule.covered_devices(problem)
            due = np.where(covered, np.minimum(due, problem.previous_end_day + rule.days), due)
    # Without a limit the device that was inspected first is due first.
    return np.where(due == NEVER_DAY, NEVER_DAY + problem.previous_end_day, due)


def _place_pinned(problem: Problem, model: Model) -> State:
    state = empty_state(model)
    day_index = {day: index for index, day in enumerate(problem.days)}
    for index, device in enumerate(problem.devices):
        if device.pinned and device.start is not None:
            place_at(model, state, index, day_index[device.start])
    return state
