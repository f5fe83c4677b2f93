"""The last word of a search: what moves of one device, of some at once, and exact solving of parts still find."""

from collections.abc import Callable
from typing import Final

import numpy as np

from services.planner.solver.exact import improve_part
from services.planner.solver.exact_model import Placing, areas_to_decide
from services.planner.solver.lane import Found, resumed
from services.planner.solver.model import Model
from services.planner.solver.moves import seed_random
from services.planner.solver.polish import settle
from services.planner.solver.ruin import empty_ruin, ruin_and_recreate
from services.planner.solver.termination import Termination

# The part of a search limited by time that is kept for exact solving, and the most and least of it [s].
EXACT_SHARE: Final = 0.05
LONGEST_EXACT_S: Final = 3.0
SHORTEST_EXACT_S: Final = 0.5
# Rounds of ruin and recreate at the end, and the moves of a search for each.
MOST_ROUNDS: Final = 2000
MOVES_PER_ROUND: Final = 200
# Parts of the plan: the devices that start in so many working days, at most so many of them. Measured on the article's
# case and on 500 devices: such a part takes CP-SAT 0.05 to 0.3 s, and all devices of a type 0.5 to 2 s.
PART_DAYS: Final = 20
PART_DEVICES: Final = 20
# Where areas differ, each multiplies what there is to decide: parts get smaller instead.
PART_DECISIONS: Final = 2000
LONGEST_PART_S: Final = 1.0


def kept_for_exact_s(termination: Termination, *, polish: bool) -> float:
    """Return how long the end of a search may take; nothing where steps are limited, for the seed [s]."""
    limits = [limit for limit in (termination.seconds, termination.longest_seconds) if limit is not None]
    if not polish or termination.steps is not None or not limits:
        return 0.0
    kept_s = min(EXACT_SHARE * min(limits), LONGEST_EXACT_S)
    return kept_s if kept_s >= SHORTEST_EXACT_S else 0.0


def polish_moves(model: Model, best: Found, *, seed: int, moves: int) -> Found:
    """Leave no move of one device that would make the plan better, nor an easy one of several."""
    state = resumed(model, best)
    rounds = min(MOST_ROUNDS, moves // MOVES_PER_ROUND)
    if rounds and len(model.movable):
        ruin_and_recreate(model, state, empty_ruin(len(state.cost)), seed_random(seed), rounds)
    settle(model, state, np.zeros((3, len(state.cost)), dtype=np.int64))
    return Found(state.start.copy(), state.area.copy(), tuple(int(part) for part in state.cost))


def polish_parts(model: Model, best: Found, *, seed: int, left_s: Callable[[], float]) -> Found:
    """Solve parts of the plan exactly, one after the other, as long as there is time.

    Parameters
    ----------
    model, best
        The problem, and its plan.
    seed
        Of the order of the parts.
    left_s
        Tells how much time is left [s].
    """
    if not len(model.movable):
        return best
    random = np.random.default_rng(seed)
    most = max(2, min(PART_DEVICES, PART_DECISIONS // (PART_DAYS * areas_to_decide(model))))
    last_start = int(model.start_count.max())
    while (limit_s := left_s()) > 0.0:
        first = int(random.integers(-PART_DAYS // 2, max(1, last_start - PART_DAYS // 2)))
        starts = best.start[model.movable]
        inside = model.movable[(starts >= first) & (starts < first + PART_DAYS)]
        chosen = random.permutation(inside)[:most]
        if len(chosen):
            placing = Placing({int(device): (first, first + PART_DAYS) for device in chosen})
            better = improve_part(model, best, placing, min(limit_s, LONGEST_PART_S))
            best = best if better is None else better
    return best
