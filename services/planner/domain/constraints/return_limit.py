"""`return_limit`: a device comes back before so many days have passed since its last inspection."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from services.planner.domain.arrays import IntArray
from services.planner.domain.rule import DeviceRule

if TYPE_CHECKING:
    from services.planner.domain.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnLimit(DeviceRule):
    """Costs the calendar days from the previous end to the start above `days`."""

    rule: ClassVar[str] = "return_limit"

    days: int

    def base_days(self, problem: "Problem", start_day: IntArray) -> IntArray:
        base: IntArray = np.maximum(0, start_day - problem.previous_end_day - self.days)
        return base
