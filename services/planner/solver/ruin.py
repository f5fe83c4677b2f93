"""Ruin and recreate [1]_: some devices are taken out of the plan at once and put back one by one where it costs least.

It gets a plan out of corners that no move of one device, and no exchange, leads out of.

References
----------
.. [1] Schrimpf et al. (2000), Record breaking optimization results using the ruin and recreate principle, J.
   Computational Physics 159(2)
"""

from typing import Final, NamedTuple

import numpy as np

from services.planner.domain.arrays import IntArray
from services.planner.solver.compiled import entry_point, kernel, subroutine
from services.planner.solver.kernels import UNPLACED, Spot, State, cost_of_placing, count, is_less
from services.planner.solver.model import Model
from services.planner.solver.moves import NOBODY, RandomState, best_area, draw

# Taken out at once; more of them are rarely put back better.
FEWEST, MOST = 2, 6
# Attempts to find devices near the first one, out of all.
TRIES: Final = 20
# Working days between two starts that are near.
NEAR_DAYS: Final = 10


class Ruin(NamedTuple):
    """What is taken out; every array is written in place."""

    device: IntArray  # (MOST,)
    origin: IntArray  # (2, MOST) start and area before
    before: IntArray  # (levels,) cost of the plan before
    cost: IntArray  # (2, levels) scratch


def empty_ruin(levels: int) -> Ruin:
    """Return a ruin to write into."""
    return Ruin(
        device=np.full(MOST, NOBODY, dtype=np.int64),
        origin=np.zeros((2, MOST), dtype=np.int64),
        before=np.zeros(levels, dtype=np.int64),
        cost=np.zeros((2, levels), dtype=np.int64),
    )


@entry_point
def ruin_and_recreate(model: Model, state: State, ruin: Ruin, random: RandomState, rounds: int) -> int:
    """Take devices out and put them back, so many times; a plan that got worse is restored.

    Returns
    -------
    int
        Number of starts tried.
    """
    tried = 0
    for _ in range(rounds):
        taken = _choose(model, state, ruin, random)
        for level in range(state.cost.shape[0]):
            ruin.before[level] = state.cost[level]
        for index in range(taken):
            ruin.origin[0, index] = state.start[ruin.device[index]]
            ruin.origin[1, index] = state.area[ruin.device[index]]
            _take_out(model, state, ruin.device[index], ruin.cost[0])
        for index in range(taken):
            tried += _put_back(model, state, ruin.device[index], ruin.cost, random)
        if is_less(ruin.before, state.cost):
            for index in range(taken):
                _take_out(model, state, ruin.device[index], ruin.cost[0])
            for index in range(taken):
                _put(model, state, ruin.device[index], (ruin.origin[0, index], ruin.origin[1, index]), ruin.cost[0])
    return tried


@kernel
def _choose(model: Model, state: State, ruin: Ruin, random: RandomState) -> int:
    """Write down a random device and some of its type or that start near it; return how many they are."""
    wanted = FEWEST + draw(random, MOST - FEWEST + 1)
    first = model.movable[draw(random, len(model.movable))]
    ruin.device[0] = first
    taken = 1
    for _ in range(TRIES):
        if taken == wanted:
            break
        other = model.movable[draw(random, len(model.movable))]
        alike = model.type_of[other] == model.type_of[first]
        if not alike and abs(state.start[other] - state.start[first]) > NEAR_DAYS:
            continue
        known = False
        for index in range(taken):
            known |= ruin.device[index] == other
        if not known:
            ruin.device[taken] = other
            taken += 1
    return taken


# Not copied into the callers: compiling them once takes long enough.
@subroutine
def _take_out(model: Model, state: State, device: int, cost: IntArray) -> None:
    start, area = state.start[device], state.area[device]
    count(model, state, device, -1)
    state.start[device] = UNPLACED
    cost_of_placing(model, state, device, (start, area), cost)
    for level in range(cost.shape[0]):
        state.cost[level] -= cost[level]


@subroutine
def _put(model: Model, state: State, device: int, target: Spot, cost: IntArray) -> None:
    cost_of_placing(model, state, device, target, cost)
    state.start[device], state.area[device] = target
    count(model, state, device, 1)
    for level in range(cost.shape[0]):
        state.cost[level] += cost[level]


@subroutine
def _put_back(model: Model, state: State, device: int, scratch: IntArray, random: RandomState) -> int:
    """Place a device where it costs least, from a random day on; return the number of starts tried."""
    cost, lowest = scratch[0], scratch[1]
    chosen, chosen_area = NOBODY, NOBODY
    starts = model.start_count[device]
    first = draw(random, starts)
    for offset in range(starts):
        start = first + offset if first + offset < starts else first + offset - starts
        area = best_area(model, state, device, start, NOBODY)
        cost_of_placing(model, state, device, (start, area), cost)
        if chosen == NOBODY or is_less(cost, lowest):
            chosen, chosen_area = start, area
            for level in range(cost.shape[0]):
                lowest[level] = cost[level]
    _put(model, state, device, (chosen, chosen_area), cost)
    return int(starts)
