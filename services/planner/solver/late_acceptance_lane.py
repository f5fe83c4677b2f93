"""Late acceptance in passes: when one has settled, another one follows from the best plan or from random days."""

from typing import Final

import numpy as np

from services.planner.solver.lane import Beginning, Lane
from services.planner.solver.late_acceptance import search
from services.planner.solver.model import Model
from services.planner.solver.sampled import Sampler, empty_choice, search_choosing

# What follows when late acceptance has settled: a rise of the remembered costs above the best plan's, or none to begin
# again from random days. Measured on the article's case over six seeds, 50 million moves each: 8403 to 8415 with this
# sequence, 8403 to 8425 with (0.02, 0.10, None). Rises of 2 % alone found 8395, but a bad valley kept them at 8641.
REHEATS: Final = (0.02, 0.10, 0.02, 0.10, None)
SHORTEST, LONGEST = 80, 20_000


class LateAcceptanceLane(Lane):
    """Compares a move with the plan of `size` steps ago; of each `accepted` acceptable moves the best is taken."""

    def __init__(self, beginning: Beginning, seed: int, size: int, accepted: int) -> None:
        super().__init__(beginning, seed, size)
        self._accepted = accepted
        self._choice = empty_choice(len(self.state.cost))
        # A pass that is going to get better does so within a fifth of its length or so; measured as for `list_size`.
        self._patience_moves = max(1000, size * int(self.model.start_count.sum()) // 20)
        self._passes = 0
        self._moves_since_better = 0
        self._pass_cost = self.best.cost

    def advance(self, moves: int, elapsed: float) -> None:
        del elapsed  # the costs of past steps are all the schedule there is
        left = moves
        while left > 0:
            batch = min(left, self._patience_moves)
            self._search(batch)
            left -= batch
            self._moves_since_better += batch
            cost = tuple(int(part) for part in self.memory.best_cost)
            if cost < self._pass_cost:
                self._pass_cost, self._moves_since_better = cost, 0
            self._note_best()
            if self._moves_since_better >= self._patience_moves:
                self._next_pass()

    def _search(self, moves: int) -> None:
        if self._accepted == 1:
            search(self.model, self.state, self.memory, self.random, moves)
        else:
            sampler = Sampler(self._choice, self.random, self._accepted, moves)
            search_choosing(self.model, self.state, self.memory, sampler)

    def _next_pass(self) -> None:
        rise = REHEATS[self._passes % len(REHEATS)]
        self._passes += 1
        if rise is None:
            self.state, self.memory = self._scattered()
        else:
            self.state, self.memory = self._resume(self.best)
            # The points that count least may get worse by so much for a while.
            self.memory.late[:, -1] += int(rise * self.best.cost[-1])
        self._pass_cost = tuple(int(part) for part in self.memory.best_cost)
        self._moves_since_better = 0


def list_size(model: Model, moves: float) -> int:
    """Return the length of the late acceptance list whose pass takes a quarter of so many moves.

    A pass takes about 0.11 x length x (devices x start days) moves on the article's case and on 500 devices alike.
    """
    length = moves / (4 * 0.11 * max(1, int(model.start_count.sum())))
    return int(np.clip(length, SHORTEST, LONGEST))
