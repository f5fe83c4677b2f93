"""Simulated annealing in passes: each cools down once, from random days or from the best plan."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from services.planner.solver.annealing import Heat, anneal
from services.planner.solver.dual import FloatArray
from services.planner.solver.lane import Beginning, Lane

# Temperatures at the start and end of a pass, in parts of what a move changes on average. Measured on the article's
# case and on 500 devices; a pass that goes on from a good plan begins cooler.
HOT: Final = 0.2
WARM: Final = 0.05
COLD: Final = 0.005
MEASURED_MOVES: Final = 5000
# A level above its best known cost gets this much more important in every batch of moves, otherwise less.
HEAVIER: Final = 1.02
LIGHTER: Final = 0.98
LIGHTEST, HEAVIEST = 1e-2, 1e4
# Stands for an infinite factor: nothing that costs more is taken.
NEVER: Final = 1e18


class AnnealingLane(Lane):
    """Cools by the same factor in every step; what a unit of each level counts is measured, and adapted.

    Parameters
    ----------
    beginning
        As for every lane.
    seed
        Of the random moves.
    edges
        Parts of the search at which a pass ends, ascending, the last one 1.
    rejoins
        Whether every second pass goes on from the best plan of all lanes.
    warm
        Whether the first pass goes on from the first plan.
    opening_moves
        Tried before the first pass, taking only what makes the first plan no worse.
    """

    def __init__(
        self,
        beginning: Beginning,
        seed: int,
        edges: Sequence[float],
        *,
        rejoins: bool,
        warm: bool = False,
        opening_moves: int = 0,
    ) -> None:
        super().__init__(beginning, seed)
        self._opening_moves = opening_moves
        self._edges = (0.0, *edges)
        self._rejoins = rejoins
        self._pass = -1
        self._warm = warm
        levels = len(self.state.cost)
        self._factor = np.ones(levels)
        self._importance = np.ones(levels)

    def advance(self, moves: int, elapsed: float) -> None:
        if self._opening_moves > 0:
            self._opening_moves -= moves
            self._descend(moves)
            return
        number, done = self._place(elapsed)
        if number != self._pass:
            if self._pass >= 0:
                # What is left broken of an earlier level at the end of a pass often takes but a few moves.
                self._descend(moves)
                self._recreate(moves)
            self._begin_pass(number)
        start = WARM if self._warm else HOT
        temperature = start * (COLD / start) ** done
        self._anneal(self._factor * self._importance / temperature, moves)
        self._adapt()
        self._note_best()

    def _place(self, elapsed: float) -> tuple[int, float]:
        """Return the number of the pass that is due, and the part of it that is over."""
        lap, within = divmod(elapsed, 1.0)
        passes = len(self._edges) - 1
        index = min(int(np.searchsorted(self._edges, within, side="right")) - 1, passes - 1)
        first, last = self._edges[index], self._edges[index + 1]
        return int(lap) * passes + index, (within - first) / (last - first)

    def _begin_pass(self, number: int) -> None:
        self._pass = number
        if number > 0:
            self._warm = self._rejoins and number % 2 == 1
            self.state, self.memory = self._resume(self.shared) if self._warm else self._scattered()
        tally = self._anneal(np.full(len(self.state.cost), NEVER), MEASURED_MOVES)
        self._factor = _per_unit(tally)
        self._importance = np.ones(len(self._factor))

    def _anneal(self, factor: FloatArray, moves: int) -> FloatArray:
        """Try so many moves, and return how much they changed each level, and how many did."""
        tally = np.zeros((len(factor), 2))
        anneal(self.model, self.state, self.memory, (self.random, moves), Heat(factor, tally))
        return tally

    def _adapt(self) -> None:
        for level in range(len(self._importance) - 1):
            above = int(self.state.cost[level]) > self.best.cost[level]
            importance = self._importance[level] * (HEAVIER if above else LIGHTER)
            self._importance[level] = min(max(importance, LIGHTEST), HEAVIEST)


class GivenTemperatureLane(Lane):
    """Cools in a straight line from temperatures that were given to nothing, once."""

    def __init__(self, beginning: Beginning, seed: int, temperature: FloatArray) -> None:
        super().__init__(beginning, seed)
        self._temperature = temperature

    def advance(self, moves: int, elapsed: float) -> None:
        temperature = self._temperature * max(0.0, 1.0 - elapsed)
        factor = np.where(temperature > 1.0 / NEVER, 1.0 / np.maximum(temperature, 1.0 / NEVER), NEVER)
        heat = Heat(factor, np.zeros((len(factor), 2)))
        anneal(self.model, self.state, self.memory, (self.random, moves), heat)
        self._note_best()


def _per_unit(tally: FloatArray) -> FloatArray:
    """Return what a unit of each level counts, such that an average change counts 1 on every level."""
    per_unit: FloatArray = np.where(tally[:, 0] > 0.0, tally[:, 1] / np.maximum(tally[:, 0], 1.0), 1.0)
    return per_unit
