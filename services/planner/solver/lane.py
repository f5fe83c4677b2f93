"""What every search in the portfolio is: it tries moves when told to, and remembers its best plan."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from services.planner.domain.arrays import IntArray
from services.planner.solver.construct import place_at, scatter
from services.planner.solver.kernels import State, empty_state
from services.planner.solver.late_acceptance import Memory, remember, search
from services.planner.solver.model import Model
from services.planner.solver.moves import seed_random
from services.planner.solver.ruin import empty_ruin, ruin_and_recreate

# A round of ruin and recreate places about four devices, each tried on every day: many times a move, though each of
# those starts is tried in a fraction of its time.
MOVES_PER_RUIN = 200


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A plan as the search has it."""

    start: IntArray
    area: IntArray
    cost: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Beginning:
    """What every lane begins with.

    Parameters
    ----------
    model
        What is planned.
    first
        The first plan.
    pinned
        The state with nothing but pinned devices placed.
    """

    model: Model
    first: Found
    pinned: State


def resumed(model: Model, found: Found) -> State:
    """Return the state of a plan."""
    state = empty_state(model)
    for device, (start, area) in enumerate(zip(found.start, found.area, strict=True)):
        place_at(model, state, device, int(start), int(area))
    return state


class Lane(ABC):
    """One search. It runs in a thread of its own and touches nothing of the others."""

    def __init__(self, beginning: Beginning, seed: int, late_acceptance_size: int = 1) -> None:
        self.model = beginning.model
        self._pinned = beginning.pinned
        self._size = late_acceptance_size
        self.random = seed_random(seed)
        self.best = self.shared = beginning.first
        self.state, self.memory = self._resume(beginning.first)

    @abstractmethod
    def advance(self, moves: int, elapsed: float) -> None:
        """Try so many moves; `elapsed` is the part of the search that is over, and grows past 1 if it goes on."""

    def prepare(self, best: Found) -> None:
        """Take note of the best plan of all lanes, between two calls of `advance`."""
        self.shared = best

    def _note_best(self) -> None:
        cost = tuple(int(part) for part in self.memory.best_cost)
        if cost < self.best.cost:
            self.best = Found(self.memory.best_start.copy(), self.memory.best_area.copy(), cost)

    def _descend(self, moves: int) -> None:
        """Try moves and take none that makes the plan worse; rules of earlier levels that can be kept soon are."""
        self.memory.late[:] = self.state.cost
        search(self.model, self.state, self.memory, self.random, moves)
        self._note_best()

    def _recreate(self, moves: int) -> None:
        """Ruin and recreate the plan as it is, for about as long as so many moves take."""
        ruin = empty_ruin(len(self.state.cost))
        ruin_and_recreate(self.model, self.state, ruin, self.random, max(1, moves // MOVES_PER_RUIN))
        cost = tuple(int(part) for part in self.state.cost)
        if cost < self.best.cost:
            self.best = Found(self.state.start.copy(), self.state.area.copy(), cost)

    def _resume(self, found: Found) -> tuple[State, Memory]:
        """Return the state of a plan, and a memory that begins with it."""
        state = resumed(self.model, found)
        return state, remember(state, self._size)

    def _scattered(self) -> tuple[State, Memory]:
        """Return a state of random days."""
        state = State(*(array.copy() for array in self._pinned))
        scatter(self.model, state, self.random)
        return state, remember(state, self._size)
