"""`busy_season`: few devices of a class are in inspection while the plant needs them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from services.planner.domain.arrays import BoolArray, IntArray
from services.planner.domain.rule import HUNDREDTHS, NO_LIMIT, CapacityRule, Match, Rule

if TYPE_CHECKING:
    from services.planner.domain.plan import Plan
    from services.planner.domain.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class BusySeason(CapacityRule):
    """Costs the devices in inspection above `max_devices`, each working day of the season."""

    rule: ClassVar[str] = "busy_season"

    first: date
    last: date
    max_devices: int

    def day_limits(self, problem: "Problem") -> IntArray:
        return np.array(
            [self.max_devices if self.first <= day <= self.last else NO_LIMIT for day in problem.days], dtype=np.int64
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BusySeasonStarts(Rule):
    """Costs the devices sent in during the whole season above `max_devices`."""

    rule: ClassVar[str] = "busy_season"

    first: date
    last: date
    max_devices: int

    def season_days(self, problem: "Problem") -> BoolArray:
        """Return `(horizon_days,)`: which start days belong to the season."""
        inside = problem.days[: problem.horizon_days]
        return np.array([self.first <= day <= self.last for day in inside], dtype=np.bool_)

    def matches(self, problem: "Problem", plan: "Plan") -> Iterator[Match]:
        """Yield the one match of a season that takes too many, in the month it begins."""
        sent = np.flatnonzero(self.covered_devices(problem) & self.season_days(problem)[plan.start])
        excess = len(sent) - self.max_devices
        if excess > 0:
            begins = max(self.first, problem.horizon.start)
            yield self.match(
                problem,
                excess * HUNDREDTHS,
                month=begins.strftime("%Y-%m"),
                devices=tuple(problem.devices[device].id for device in sent),
            )
