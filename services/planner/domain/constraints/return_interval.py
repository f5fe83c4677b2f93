"""`return_interval`: a device comes back no earlier than it must, because inspections cost money."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from services.planner.domain.arrays import IntArray
from services.planner.domain.rule import DeviceRule

if TYPE_CHECKING:
    from services.planner.domain.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnInterval(DeviceRule):
    """Costs the calendar days the interval is shorter than `days`."""

    rule: ClassVar[str] = "return_interval"

    days: int

    def base_days(self, problem: "Problem", start_day: IntArray) -> IntArray:
        base: IntArray = np.maximum(0, self.days - (start_day - problem.previous_end_day))
        return base
