"""Simulated annealing: a move that costs more is taken by chance, less often the more it costs and the cooler it is.

The levels are added up for the chance, each with a factor of its own: a plan may break a hard rule for a while where
the way to a better one leads through it. Which plan is best is judged level by level as ever.

References
----------
.. [1] Kirkpatrick, Gelatt & Vecchi (1983), Optimization by Simulated Annealing, Science 220
"""

from typing import NamedTuple

import numpy as np

from services.planner.solver.compiled import entry_point
from services.planner.solver.dual import FloatArray
from services.planner.solver.kernels import State, is_less
from services.planner.solver.late_acceptance import Memory, remember_best
from services.planner.solver.model import Model
from services.planner.solver.moves import RandomState, draw, keep, propose, try_move, undo

DRAWS = 2**31 - 1


class Heat(NamedTuple):
    """What decides on a move.

    How much the moves tried change each level is added up in `tally`, and how many do.
    """

    factor: FloatArray  # (levels,) what a unit of the level counts
    tally: FloatArray  # (levels, 2) written in place


@entry_point
def anneal(model: Model, state: State, memory: Memory, chance: tuple[RandomState, int], heat: Heat) -> None:
    """Try moves; one is taken with probability `exp(-sum(factor * cost))`, or at once if that is above 1.

    `chance` is the state of the random numbers, and the number of moves.
    """
    random, moves = chance
    levels = state.cost.shape[0]
    for _ in range(moves):
        propose(model, state, random, memory.proposal)
        try_move(model, state, memory.proposal, memory.change)
        rise = 0.0
        for level in range(levels):
            change = memory.change[level]
            if change != 0:
                rise += heat.factor[level] * change
                heat.tally[level, 0] += abs(change)
                heat.tally[level, 1] += 1.0
        if rise > 0.0 and rise > -np.log((draw(random, DRAWS) + 1) / DRAWS):
            undo(model, state, memory.proposal)
            continue
        keep(model, state, memory.proposal)
        if is_less(state.cost, memory.best_cost):
            remember_best(state, memory)
