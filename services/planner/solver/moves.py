"""Moves the search tries: another day, a few days on, an exchange of two devices, another area."""

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from services.planner.domain.arrays import IntArray
from services.planner.solver.compiled import kernel
from services.planner.solver.kernels import UNPLACED, State, cost_of_moving, move_device
from services.planner.solver.model import Model

NOBODY = UNPLACED

RandomState: TypeAlias = npt.NDArray[np.uint64]  # (1,)

# Shares of the moves, out of 100. Measured on the article's case: short shifts find most improvements once the plan
# is dense, random days and exchanges get it out of a corner.
SHIFTS = 40
RANDOM_DAYS = 30
MATE_SWAPS = 15
SHIFT_LIMIT_DAYS = 7


class Move(NamedTuple):
    """One move, written in place: the first device and, for an exchange, the second; `NOBODY` if there is none."""

    device: IntArray  # (2,)
    start: IntArray  # (2,) where they go
    area: IntArray  # (2,)
    origin: IntArray  # (2,) start and area of the first device before, to undo it
    cost: IntArray  # (2, levels) what each of the two steps costs


def empty_move(levels: int) -> Move:
    """Return a move to write into."""
    return Move(
        device=np.full(2, NOBODY, dtype=np.int64),
        start=np.zeros(2, dtype=np.int64),
        area=np.zeros(2, dtype=np.int64),
        origin=np.zeros(2, dtype=np.int64),
        cost=np.zeros((2, levels), dtype=np.int64),
    )


def seed_random(seed: int) -> RandomState:
    """Return the state of the random numbers; the same seed gives the same search on every machine."""
    return np.array([seed], dtype=np.uint64)


@kernel
def draw(random: RandomState, below: int) -> int:
    """Return a whole number from 0 to `below - 1` (SplitMix64, Steele et al. 2014; `below` less than 2**31)."""
    random[0] += np.uint64(0x9E3779B97F4A7C15)
    mixed = random[0]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return int(np.int64(mixed >> np.uint64(33)) * below >> 31)


@kernel
def best_area(model: Model, state: State, device: int, start: int, preferred: int) -> int:
    """Return the eligible area in which the inspection shares the fewest days, `preferred` among equals."""
    kind = model.type_of[device]
    if model.exclusive_first[kind] == model.exclusive_first[kind + 1]:
        if preferred >= 0 and model.eligible[device, preferred] == 1:
            return preferred
        return int(np.argmax(model.eligible[device]))
    own_start, own_area = state.start[device], state.area[device]
    own_end = own_start + model.length[device]
    chosen = NOBODY
    fewest = np.int64(0)
    for offset in range(model.areas + 1):
        # The preferred area comes first; the others follow in order, and win only by being better.
        area = preferred if offset == 0 else offset - 1
        if area < 0 or model.eligible[device, area] == 0:
            continue
        shared = np.int64(0)
        for place in range(model.exclusive_first[kind], model.exclusive_first[kind + 1]):
            exclusive = model.exclusive_of[place]
            for day in range(start, start + model.length[device]):
                own = 1 if own_start >= 0 and area == own_area and own_start <= day < own_end else 0
                if state.area_use[exclusive, area, day] > own:
                    shared += 1
        if chosen == NOBODY or shared < fewest:
            chosen, fewest = area, shared
    return chosen


@kernel
def propose(model: Model, state: State, random: RandomState, proposal: Move) -> None:
    """Write a random move to `proposal`; it may turn out to change nothing."""
    kind_of_move = draw(random, 100)
    device = model.movable[draw(random, len(model.movable))]
    proposal.device[0], proposal.device[1] = device, NOBODY
    if kind_of_move >= SHIFTS + RANDOM_DAYS:
        other = _partner(model, random, device, kind_of_move)
        _propose_exchange(model, state, proposal, other)
        return
    if kind_of_move < SHIFTS:
        days = draw(random, 2 * SHIFT_LIMIT_DAYS) - SHIFT_LIMIT_DAYS
        start = state.start[device] + (days if days < 0 else days + 1)
        proposal.start[0] = min(max(start, 0), model.start_count[device] - 1)
    else:
        proposal.start[0] = draw(random, model.start_count[device])
    if len(model.exclusive_weight) == 0:
        proposal.area[0] = state.area[device]
    elif draw(random, 8) == 0:
        area = draw(random, model.areas)
        proposal.area[0] = area if model.eligible[device, area] == 1 else state.area[device]
    else:
        proposal.area[0] = best_area(model, state, device, proposal.start[0], state.area[device])


@kernel
def _partner(model: Model, random: RandomState, device: int, kind_of_move: int) -> int:
    if kind_of_move < SHIFTS + RANDOM_DAYS + MATE_SWAPS:
        kind = model.type_of[device]
        first = model.mates_first[kind]
        return int(model.mates_of[first + draw(random, model.mates_first[kind + 1] - first)])
    return int(model.movable[draw(random, len(model.movable))])


@kernel
def _propose_exchange(model: Model, state: State, proposal: Move, other: int) -> None:
    device = proposal.device[0]
    own_start, own_area = state.start[device], state.area[device]
    start, area = state.start[other], state.area[other]
    fits = start < model.start_count[device] and own_start < model.start_count[other]
    eligible = model.eligible[device, area] == 1 and model.eligible[other, own_area] == 1
    if other == device or not fits or not eligible:
        proposal.start[0], proposal.area[0] = own_start, own_area
        return
    proposal.device[1] = other
    proposal.start[0], proposal.area[0] = start, area
    proposal.start[1], proposal.area[1] = own_start, own_area


@kernel
def try_move(model: Model, state: State, proposal: Move, cost: IntArray) -> None:
    """Write to `cost` what a proposal costs. The first device of an exchange is moved already afterwards.

    Follow with `keep` or `undo`.
    """
    device, other = proposal.device[0], proposal.device[1]
    target = (proposal.start[0], proposal.area[0])
    cost_of_moving(model, state, device, target, proposal.cost[0])
    for level in range(cost.shape[0]):
        cost[level] = proposal.cost[0, level]
    if other == NOBODY:
        return
    proposal.origin[0], proposal.origin[1] = state.start[device], state.area[device]
    move_device(model, state, device, target, proposal.cost[0])
    cost_of_moving(model, state, other, (proposal.start[1], proposal.area[1]), proposal.cost[1])
    for level in range(cost.shape[0]):
        cost[level] += proposal.cost[1, level]


@kernel
def keep(model: Model, state: State, proposal: Move) -> None:
    """Carry a tried proposal out."""
    last = 0 if proposal.device[1] == NOBODY else 1
    target = (proposal.start[last], proposal.area[last])
    move_device(model, state, proposal.device[last], target, proposal.cost[last])


@kernel
def undo(model: Model, state: State, proposal: Move) -> None:
    """Take a tried proposal back."""
    if proposal.device[1] != NOBODY:
        for level in range(state.cost.shape[0]):
            proposal.cost[0, level] = -proposal.cost[0, level]
        target = (proposal.origin[0], proposal.origin[1])
        move_device(model, state, proposal.device[0], target, proposal.cost[0])


@kernel
def changes_nothing(state: State, proposal: Move) -> bool:
    """Whether an untried proposal leaves everything where it is."""
    device, other = proposal.device[0], proposal.device[1]
    if other != NOBODY:
        return False
    return bool(proposal.start[0] == state.start[device] and proposal.area[0] == state.area[device])


@kernel
def copy_move(source: Move, target: Move) -> None:
    """Write one move over another."""
    for index in range(2):
        target.device[index] = source.device[index]
        target.start[index] = source.start[index]
        target.area[index] = source.area[index]
