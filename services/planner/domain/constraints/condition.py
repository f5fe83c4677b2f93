"""`condition`: a device is inspected by the date its condition asks for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from services.planner.domain.arrays import IntArray
from services.planner.domain.rule import DeviceRule

if TYPE_CHECKING:
    from services.planner.domain.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition(DeviceRule):
    """Costs the calendar days of the start after the condition due date; nothing for a device without one."""

    rule: ClassVar[str] = "condition"

    def base_days(self, problem: "Problem", start_day: IntArray) -> IntArray:
        base: IntArray = np.maximum(0, start_day - problem.condition_day)
        return base
