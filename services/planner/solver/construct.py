"""First Fit: devices in the order given, each on the day that costs least at that moment, the earliest among equals."""

import numpy as np

from services.planner.domain.arrays import IntArray
from services.planner.solver.compiled import entry_point
from services.planner.solver.kernels import UNPLACED, Spot, State, cost_of_placing, is_less, place_device
from services.planner.solver.model import Model
from services.planner.solver.moves import NOBODY, RandomState, best_area, draw


def first_fit(model: Model, state: State, order: IntArray) -> None:
    """Place every unplaced device of `order`, one after the other, where it costs least."""
    fit_first(model, state, order, np.zeros((2, len(state.cost)), dtype=np.int64))


def scatter(model: Model, state: State, random: RandomState) -> None:
    """Place every unplaced device on a random day."""
    scatter_all(model, state, random, np.zeros(len(state.cost), dtype=np.int64))


def place_at(model: Model, state: State, device: int, start: int, area: int = NOBODY) -> None:
    """Place an unplaced device where it is told; without an area, in the one where it shares the fewest days."""
    put(model, state, device, (start, area), np.zeros(len(state.cost), dtype=np.int64))


@entry_point
def fit_first(model: Model, state: State, order: IntArray, scratch: IntArray) -> None:
    """Do the work of `first_fit`; `scratch` is (2, levels)."""
    cost, lowest = scratch[0], scratch[1]
    for position in range(order.shape[0]):
        device = order[position]
        if state.start[device] != UNPLACED:
            continue
        chosen, chosen_area = NOBODY, NOBODY
        for start in range(model.start_count[device]):
            area = best_area(model, state, device, start, NOBODY)
            cost_of_placing(model, state, device, (start, area), cost)
            if chosen == NOBODY or is_less(cost, lowest):
                chosen, chosen_area = start, area
                for level in range(cost.shape[0]):
                    lowest[level] = cost[level]
        place_device(model, state, device, (chosen, chosen_area), lowest)


@entry_point
def scatter_all(model: Model, state: State, random: RandomState, cost: IntArray) -> None:
    """Do the work of `scatter`; `cost` is scratch."""
    for device in range(state.start.shape[0]):
        if state.start[device] == UNPLACED:
            start = draw(random, model.start_count[device])
            area = best_area(model, state, device, start, NOBODY)
            cost_of_placing(model, state, device, (start, area), cost)
            place_device(model, state, device, (start, area), cost)


@entry_point
def put(model: Model, state: State, device: int, target: Spot, cost: IntArray) -> None:
    """Do the work of `place_at`; `cost` is scratch."""
    start, area = target
    if area == NOBODY:
        area = best_area(model, state, device, start, NOBODY)
    cost_of_placing(model, state, device, (start, area), cost)
    place_device(model, state, device, (start, area), cost)
