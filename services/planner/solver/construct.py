"""First Fit: devices in the order given, each on the day that costs least at that moment, the earliest among equals."""

import numpy as np

from services.planner.domain.arrays import IntArray
from services.planner.solver.compiled import entry_point
from services.planner.solver.kernels import UNPLACED, State, cost_of_placing, is_less, place
from services.planner.solver.model import Model
from services.planner.solver.moves import NOBODY, best_area


def first_fit(model: Model, state: State, order: IntArray) -> None:
    """Place every unplaced device of `order`, one after the other, where it costs least."""
    levels = len(state.cost)
    first_fit_compiled(model, state, order, np.zeros(levels, dtype=np.int64), np.zeros(levels, dtype=np.int64))


def place_at(model: Model, state: State, device: int, start: int, area: int = NOBODY) -> None:
    """Place an unplaced device where it is told; without an area, in the one where it shares the fewest days."""
    place_at_compiled(model, state, device, start, area, np.zeros(len(state.cost), dtype=np.int64))


@entry_point
def first_fit_compiled(model: Model, state: State, order: IntArray, cost: IntArray, lowest: IntArray) -> None:
    for position in range(order.shape[0]):
        device = order[position]
        if state.start[device] != UNPLACED:
            continue
        chosen, chosen_area = NOBODY, NOBODY
        for start in range(model.start_count[device]):
            area = best_area(model, state, device, start, NOBODY)
            cost_of_placing(model, state, device, start, area, cost)
            if chosen == NOBODY or is_less(cost, lowest):
                chosen, chosen_area = start, area
                for level in range(cost.shape[0]):
                    lowest[level] = cost[level]
        place(model, state, device, chosen, chosen_area, lowest)


@entry_point
def place_at_compiled(model: Model, state: State, device: int, start: int, area: int, cost: IntArray) -> None:
    if area == NOBODY:
        area = best_area(model, state, device, start, NOBODY)
    cost_of_placing(model, state, device, start, area, cost)
    place(model, state, device, start, area, cost)
