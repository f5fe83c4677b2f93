"""The last word of a search: every device is tried on every day, until no move of one device makes the plan better."""

from services.planner.domain.arrays import IntArray
from services.planner.solver.compiled import entry_point
from services.planner.solver.kernels import State, cost_of_moving, is_less, move_device
from services.planner.solver.model import Model
from services.planner.solver.moves import NOBODY, best_area


@entry_point
def settle(model: Model, state: State, scratch: IntArray) -> int:
    """Move devices, each to the day that saves most, for as long as any saves; `scratch` is (3, levels).

    Returns
    -------
    int
        Number of moves tried.
    """
    cost, lowest, zero = scratch[0], scratch[1], scratch[2]
    tried = 0
    better = True
    while better:
        better = False
        for position in range(model.movable.shape[0]):
            device = model.movable[position]
            chosen, chosen_area = NOBODY, NOBODY
            for level in range(zero.shape[0]):
                lowest[level] = zero[level]
            for start in range(model.start_count[device]):
                area = best_area(model, state, device, start, state.area[device])
                cost_of_moving(model, state, device, (start, area), cost)
                tried += 1
                if is_less(cost, lowest):
                    chosen, chosen_area = start, area
                    for level in range(zero.shape[0]):
                        lowest[level] = cost[level]
            if chosen != NOBODY:
                move_device(model, state, device, (chosen, chosen_area), lowest)
                better = True
    return tried
