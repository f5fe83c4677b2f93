"""How far a plan can be from the best: a cost of the last level that no plan goes below."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from services.planner.domain.optimality import Optimality
from services.planner.domain.problem import Problem
from services.planner.solver.ascent import Climb, Dual, ascend, views
from services.planner.solver.dual import FloatArray, Workspace
from services.planner.solver.model import Model
from services.planner.solver.relax import Relaxed, relax

NOT_PROVEN = (
    "the plan breaks rules of earlier levels, and that none can do better there is not proven:"
    " a bound holds only for plans with the best earlier levels"
)
NOT_YET = "the bound has not been worked out yet"


@dataclass(frozen=True, slots=True)
class _Round:
    """Steps of a round of the ascent, and how large they are beside what a day costs."""

    steps: int
    size: float


# A short round gives a bound at once; long ones with small steps a good one. Measured on the article's case (8303,
# 8357, 8358.2, 8358.4 after the rounds) and on 500 devices (59494, 59701, 59708, 59710).
ROUNDS: Final = (_Round(300, 16.0), _Round(4000, 1.0), _Round(12_000, 0.3), _Round(30_000, 0.1))
# A round that raises the bound by less than this part of it was the last one.
SETTLED_RISE: Final = 2e-5


class BoundSearch:
    """A bound that rises with the work put into it; it holds from the first moment."""

    def __init__(self, problem: Problem, model: Model) -> None:
        self._decimals = problem.decimals
        self._relaxed = relax(problem, model)
        relaxation = self._relaxed.relaxation
        windows = int(relaxation.calendar_day[-1]) + int(relaxation.spacing_days.max(initial=0))
        self._first_steps = _first_steps(self._relaxed, windows, model.months)
        prices = len(self._first_steps)
        highest = np.full(prices, np.inf)
        lowest = np.full(prices, -np.inf)
        shared = _highest_prices(self._relaxed, windows)
        highest[: len(shared)], lowest[: len(shared)] = shared, 0.0
        self._climb = Climb(
            price=np.zeros(prices),
            slope=np.zeros(prices),
            mean=np.zeros(prices),
            square=np.zeros(prices),
            rate=self._first_steps * ROUNDS[0].size,
            lowest=lowest,
            highest=highest,
            best_price=np.zeros(prices),
            best_value=np.full(1, -np.inf),
        )
        self._dual = Dual(
            relaxation=relaxation,
            prices=views(self._climb.price, relaxation, windows, model.months),
            slope=views(self._climb.slope, relaxation, windows, model.months),
            work=Workspace(
                price=np.zeros((len(relaxation.length), problem.horizon_days)),
                taken=np.zeros((len(relaxation.length), problem.horizon_days), dtype=np.int64),
                prefix=np.zeros(max(len(problem.days), windows) + 1),
            ),
        )
        self._rounds = list(ROUNDS)
        self._step = 0
        self._value_before = -np.inf
        self._units: int | None = None
        self._proven: tuple[int, ...] | None = None

    @property
    def settled(self) -> bool:
        """Whether more work would not raise the bound to speak of."""
        return not self._rounds

    def work(self, steps: int) -> bool:
        """Take so many steps, fewer at the end of a round; tell whether the bound rose."""
        if self.settled:
            return False
        now = self._rounds[0]
        end = min(self._step + steps, now.steps)
        ascend(self._dual, self._climb, (self._step, end, now.steps))
        self._step = end
        if end == now.steps:
            self._next_round()
        return self._certify()

    def first_round(self) -> None:
        """Make sure that there is a bound worth showing."""
        while len(self._rounds) == len(ROUNDS):
            self.work(ROUNDS[0].steps)

    def prove(self, cost: tuple[int, ...]) -> None:
        """Take over that no plan costs less than this by used level, as found by exact solving."""
        self._proven = cost

    def judge(self, cost: tuple[int, ...]) -> Optimality:
        """Say what is proven about a plan of this cost by used level [10**-decimals points]."""
        floors = self._relaxed.floors
        last_cost = cost[len(floors)] if len(cost) > len(floors) else 0
        if cost == self._proven:
            return Optimality(self._decimals, last_cost, last_cost)
        if cost[: len(floors)] != floors:
            return Optimality(self._decimals, last_cost, None, NOT_PROVEN)
        if self._units is None:
            return Optimality(self._decimals, last_cost, None, NOT_YET)
        return Optimality(self._decimals, last_cost, self._units)

    def _next_round(self) -> None:
        del self._rounds[0]
        value = float(self._climb.best_value[0])
        if value - self._value_before < SETTLED_RISE * abs(value):
            self._rounds.clear()
        self._value_before = value
        self._step = 0
        if self._rounds:
            self._climb.price[:] = self._climb.best_price
            self._climb.mean[:] = 0.0
            self._climb.square[:] = 0.0
            self._climb.rate[:] = self._first_steps * self._rounds[0].size

    def _certify(self) -> bool:
        """Take the best dual value over as a bound, less what floating point may have added to it."""
        certain = float(self._climb.best_value[0]) - self._rounding_error()
        step = self._relaxed.step
        # Costs are whole multiples of a step: the smallest one not below the dual is a bound as well.
        units = max(0, -(-(int(np.ceil(certain)) + self._relaxed.constant) // step) * step)
        if self._units is not None and units <= self._units:
            return False
        self._units = units
        return True

    def _rounding_error(self) -> float:
        """Return more than the additions of the dual can be off: terms x machine precision x their magnitudes [1]_.

        References
        ----------
        .. [1] Higham (2002), Accuracy and Stability of Numerical Algorithms, section 4.2
        """
        relaxation, best = self._relaxed.relaxation, np.abs(self._climb.best_price)
        finite = np.where(np.isfinite(relaxation.own_cost), np.abs(relaxation.own_cost), 0.0)
        devices = len(relaxation.type_of)
        most = max(1.0, float(relaxation.capacity_limit.max(initial=1.0)), float(devices))
        levelled = float((relaxation.levelling_weight * (10.0 * relaxation.devices_of + 10.0) ** 2).sum())
        magnitude = (
            float(finite.max(axis=1, initial=0.0).sum())
            + (devices + most) * float(best.sum())
            + levelled * self._dual.prices.month.shape[1]
        )
        terms = devices + len(best) + relaxation.own_cost.shape[1]
        return float(4.0 * terms * np.finfo(np.float64).eps * magnitude)


def _first_steps(relaxed: Relaxed, windows: int, months: int) -> FloatArray:
    """Return the first step of each price: what a day costs, or a part of the weight of what is priced."""
    relaxation = relaxed.relaxation
    capacities, days = relaxation.capacity_limit.shape
    daily = _cost_of_a_day(relaxed)
    weight = relaxation.spacing_weight
    return np.concatenate(
        [
            np.full(capacities * days, 2.0 * daily),
            np.full(len(relaxation.season_limit), 2.0 * daily),
            np.repeat(np.where(np.isfinite(weight), 0.1 * weight, daily), windows),
            np.repeat(10.0 * relaxation.levelling_weight, months),
        ]
    )


def _highest_prices(relaxed: Relaxed, windows: int) -> FloatArray:
    """Return the highest sensible price of everything but months, whose prices have either sign."""
    days = relaxed.relaxation.capacity_limit.shape[1]
    return np.concatenate(
        [
            np.repeat(relaxed.capacity_ceiling, days),
            relaxed.season_ceiling,
            np.repeat(relaxed.window_ceiling, windows),
        ]
    )


def _cost_of_a_day(relaxed: Relaxed) -> float:
    """Return about what a start some days off costs a device, the natural unit of prices."""
    own = relaxed.relaxation.own_cost
    allowed = np.isfinite(own)
    highest, lowest = np.where(allowed, own, -np.inf).max(axis=1), np.where(allowed, own, np.inf).min(axis=1)
    daily = float(np.mean((highest - lowest) / allowed.sum(axis=1)))
    if daily > 0.0:
        return daily
    weights = np.concatenate([relaxed.capacity_ceiling, relaxed.season_ceiling, relaxed.relaxation.spacing_weight])
    finite = weights[np.isfinite(weights)]
    return float(finite.mean()) if len(finite) else 1.0
