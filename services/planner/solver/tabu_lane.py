"""Tabu search: the best of some moves is taken in every step, and what it touched is left alone for a while."""

from typing import Final

from services.planner.solver.lane import Beginning, Lane
from services.planner.solver.options import TabuOptions
from services.planner.solver.sampled import Sampler, empty_choice, empty_tabu, search_tabu

# Chosen by size: a tenth of the devices is left alone, and a step looks at about four moves a device.
ENTITY_SHARE: Final = 10
MOVES_PER_DEVICE: Final = 4
FEWEST_MOVES, MOST_MOVES = 20, 400


class TabuLane(Lane):
    """Never gets stuck, and looks at many moves before it takes one."""

    def __init__(self, beginning: Beginning, seed: int, options: TabuOptions) -> None:
        super().__init__(beginning, seed)
        devices = len(self.model.movable)
        entity_size = devices // ENTITY_SHARE if options.entity_size is None else options.entity_size
        # A list of everybody would leave nothing to move.
        entity_size = min(entity_size, devices // 2)
        value_size = 0 if options.value_size is None else options.value_size
        self._tabu = empty_tabu(len(self.model.type_of), self.model.own_cost.shape[1], entity_size, value_size)
        self._choice = empty_choice(len(self.state.cost))
        self._sample = min(max(MOVES_PER_DEVICE * devices, FEWEST_MOVES), MOST_MOVES)

    def advance(self, moves: int, elapsed: float) -> None:
        del elapsed  # there is no schedule
        sample = min(self._sample, moves)
        search_tabu(self.model, self.state, self.memory, Sampler(self._choice, self.random, sample, moves), self._tabu)
        self._note_best()
