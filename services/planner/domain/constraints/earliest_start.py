"""`earliest_start`: nothing begins before a day, such as the day a plan is made anew."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from services.planner.domain.arrays import IntArray
from services.planner.domain.rule import DeviceRule

if TYPE_CHECKING:
    from services.planner.domain.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class EarliestStart(DeviceRule):
    """Costs the calendar days of a start before `first`; a pinned device, which may have begun, costs nothing."""

    rule: ClassVar[str] = "earliest_start"

    first: date

    def base_days(self, problem: "Problem", start_day: IntArray) -> IntArray:
        first_day = (self.first - problem.horizon.start).days
        free = np.array([not device.pinned for device in problem.devices], dtype=np.int64)
        base: IntArray = np.maximum(0, first_day - start_day) * free
        return base
