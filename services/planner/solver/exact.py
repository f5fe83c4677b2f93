"""Solving exactly: a small problem as a whole, with a proof, or a part of a plan with the rest left where it is."""

import contextlib
from collections.abc import Iterable, Iterator
from threading import Event, Thread
from typing import Any, Final

import numpy as np

from services.planner.solver.construct import place_at
from services.planner.solver.exact_model import ExactModel, Place, Placing, areas_to_decide, exact_model
from services.planner.solver.kernels import UNPLACED, State, empty_state
from services.planner.solver.lane import Found
from services.planner.solver.model import Model
from services.planner.solver.moves import NOBODY

# Devices times start days times areas up to which a problem is tried as a whole.
SMALL: Final = 3000
# How often the end of the search is passed on to a solver that has not begun yet [s].
STOP_INTERVAL_S: Final = 0.05


def is_small(model: Model) -> bool:
    """Whether a proof of the best plan may be within reach."""
    free = model.start_count[model.movable]
    return 0 < int(free.sum()) * areas_to_decide(model) <= SMALL


def prove(model: Model, best: Found, ended: Event) -> Found | None:
    """Find the best plan of all, level by level; `None` if the search ended before that was proven."""
    placing = Placing({int(device): (0, int(model.start_count[device])) for device in model.movable})
    exact = exact_model(model, _without(model, best, placing.ranges), placing)
    for (device, day, area), decision in exact.places.items():
        there = best.start[device] == day and area in (NOBODY, best.area[device])
        exact.model.add_hint(decision, int(there))
    places: list[Place] | None = None
    for cost in exact.cost:
        exact.model.minimize(cost)
        solver = _solver()
        with _stopped_by(ended, solver):
            places = None if ended.is_set() else _places(exact, solver, proof=True)
        if places is None:
            return None
        exact.model.add(cost <= round(solver.objective_value))
    return None if places is None else _moved(model, best, places)


@contextlib.contextmanager
def _stopped_by(ended: Event, solver: Any) -> Iterator[None]:
    """Stop the solver when the search ends."""
    done = Event()

    def watch() -> None:
        while not done.wait(STOP_INTERVAL_S):
            if ended.is_set():
                solver.stop_search()

    watcher = Thread(target=watch, name="planner-proof")
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def improve_part(model: Model, best: Found, placing: Placing, limit_s: float) -> Found | None:
    """Find the best places of some devices, the others left where they are; `None` if no better ones were found."""
    exact = exact_model(model, _without(model, best, placing.ranges), placing)
    for level, cost in enumerate(best.cost[:-1]):
        exact.model.add(exact.cost[level] <= cost)
    exact.model.add(exact.cost[-1] <= best.cost[-1] - 1)
    exact.model.minimize(exact.cost[-1])
    solver = _solver()
    solver.parameters.max_time_in_seconds = limit_s
    places = _places(exact, solver, proof=False)
    return None if places is None else _moved(model, best, places)


def _solver() -> Any:
    from ortools.sat.python import cp_model  # noqa: PLC0415  # see `exact_model`

    solver = cp_model.CpSolver()
    # The other cores search.
    solver.parameters.num_workers = 1
    return solver


def _places(exact: ExactModel, solver: Any, *, proof: bool) -> list[Place] | None:
    """Solve, and return the place of each free device, if there are any (and if they are `proof` of the best)."""
    status = solver.status_name(solver.solve(exact.model))
    if status != "OPTIMAL" and (proof or status != "FEASIBLE"):
        return None
    return [place for place, decision in exact.places.items() if solver.boolean_value(decision)]


def _without(model: Model, found: Found, devices: Iterable[int]) -> State:
    """Return the state of a plan without some devices."""
    state, left_out = empty_state(model), set(devices)
    for device, (start, area) in enumerate(zip(found.start, found.area, strict=True)):
        if device not in left_out and start != UNPLACED:
            place_at(model, state, device, int(start), int(area))
    return state


def _moved(model: Model, found: Found, places: Iterable[Place]) -> Found:
    starts, areas = found.start.copy(), found.area.copy()
    for device, start, area in places:
        starts[device] = start
        if area != NOBODY:
            areas[device] = area
    state = empty_state(model)
    for device, (day, area) in enumerate(zip(starts, areas, strict=True)):
        place_at(model, state, device, int(day), int(area))
    return Found(np.array(state.start), np.array(state.area), tuple(int(part) for part in state.cost))
