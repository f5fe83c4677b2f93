"""Searches that look at several moves before they take one: tabu search, and late acceptance with a choice.

References
----------
.. [1] Glover (1989), Tabu Search Part I, ORSA Journal on Computing 1(3)
"""

from typing import NamedTuple

import numpy as np

from services.planner.domain.arrays import IntArray
from services.planner.solver.compiled import entry_point, kernel, subroutine
from services.planner.solver.kernels import State, is_less
from services.planner.solver.late_acceptance import Memory, remember_best
from services.planner.solver.model import Model
from services.planner.solver.moves import (
    NOBODY,
    Move,
    RandomState,
    changes_nothing,
    copy_move,
    empty_move,
    keep,
    propose,
    try_move,
    undo,
)


class Choice(NamedTuple):
    """The best of the moves looked at; every array is written in place."""

    move: Move
    cost: IntArray  # (levels,)
    found: IntArray  # (1,) moves it was chosen from


class Sampler(NamedTuple):
    """How moves are looked at before one is taken."""

    choice: Choice
    random: RandomState
    number: int  # moves of which one is taken: acceptable ones, or any
    moves: int  # moves tried in all


class Tabu(NamedTuple):
    """What is left alone until which step; every array is written in place."""

    device_until: IntArray  # (devices,)
    day_until: IntArray  # (start days,)
    size: IntArray  # (2,) steps a device and a day are left alone
    step: IntArray  # (1,)


def empty_choice(levels: int) -> Choice:
    """Return a choice to write into."""
    return Choice(empty_move(levels), np.zeros(levels, dtype=np.int64), np.zeros(1, dtype=np.int64))


def empty_tabu(devices: int, start_days: int, entity_size: int, value_size: int) -> Tabu:
    """Return a list that forbids nothing yet."""
    return Tabu(
        device_until=np.zeros(devices, dtype=np.int64),
        day_until=np.zeros(start_days, dtype=np.int64),
        size=np.array([entity_size, value_size], dtype=np.int64),
        step=np.zeros(1, dtype=np.int64),
    )


@entry_point
def search_choosing(model: Model, state: State, memory: Memory, sampler: Sampler) -> None:
    """Try moves by late acceptance; of each `number` acceptable ones the best is taken."""
    choice, random = sampler.choice, sampler.random
    late, position = memory.late, memory.position[0]
    choice.found[0] = 0
    for _ in range(sampler.moves):
        propose(model, state, random, memory.proposal)
        if changes_nothing(state, memory.proposal):
            # Among several it would win over every move that costs something, and the search would only descend.
            continue
        try_move(model, state, memory.proposal, memory.change)
        for level in range(state.cost.shape[0]):
            memory.after[level] = state.cost[level] + memory.change[level]
            if memory.proposal.device[1] != NOBODY:
                # The first device of an exchange is moved already, and counted.
                memory.after[level] -= memory.proposal.cost[0, level]
        undo(model, state, memory.proposal)
        if is_less(memory.zero, memory.change) and is_less(late[position], memory.after):
            continue
        _consider(memory, choice)
        if choice.found[0] < sampler.number:
            continue
        _take(model, state, memory, choice)
        for level in range(state.cost.shape[0]):
            late[position, level] = state.cost[level]
        position = position + 1 if position + 1 < late.shape[0] else 0
    memory.position[0] = position


@entry_point
def search_tabu(model: Model, state: State, memory: Memory, sampler: Sampler, tabu: Tabu) -> None:
    """Try moves; of each `number` the best one allowed is taken, whatever it costs.

    A move is allowed if nothing of it is on the list, or if it makes the best plan.
    """
    choice, random = sampler.choice, sampler.random
    choice.found[0] = 0
    for attempt in range(sampler.moves):
        propose(model, state, random, memory.proposal)
        if not changes_nothing(state, memory.proposal):
            listed = _is_listed(tabu, memory.proposal)
            try_move(model, state, memory.proposal, memory.change)
            undo(model, state, memory.proposal)
            for level in range(state.cost.shape[0]):
                memory.after[level] = state.cost[level] + memory.change[level]
            if not listed or is_less(memory.after, memory.best_cost):
                _consider(memory, choice)
        if (attempt + 1) % sampler.number == 0 and choice.found[0] > 0:
            tabu.step[0] += 1
            _list_move(tabu, choice.move)
            _take(model, state, memory, choice)


@kernel
def _consider(memory: Memory, choice: Choice) -> None:
    choice.found[0] += 1
    if choice.found[0] == 1 or is_less(memory.change, choice.cost):
        copy_move(memory.proposal, choice.move)
        for level in range(choice.cost.shape[0]):
            choice.cost[level] = memory.change[level]


# Not copied into its callers: a step takes one move out of many, and compiling it twice takes many seconds.
@subroutine
def _take(model: Model, state: State, memory: Memory, choice: Choice) -> None:
    try_move(model, state, choice.move, memory.change)
    keep(model, state, choice.move)
    choice.found[0] = 0
    if is_less(state.cost, memory.best_cost):
        remember_best(state, memory)


@kernel
def _is_listed(tabu: Tabu, proposal: Move) -> bool:
    listed = False
    for index in range(2):
        device = proposal.device[index]
        if device != NOBODY:
            listed |= tabu.device_until[device] > tabu.step[0] or tabu.day_until[proposal.start[index]] > tabu.step[0]
    return bool(listed)


@kernel
def _list_move(tabu: Tabu, move: Move) -> None:
    for index in range(2):
        if move.device[index] != NOBODY:
            tabu.device_until[move.device[index]] = tabu.step[0] + tabu.size[0]
            tabu.day_until[move.start[index]] = tabu.step[0] + tabu.size[1]
