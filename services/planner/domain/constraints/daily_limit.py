"""`daily_limit`: no working day has more devices in inspection than it takes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from services.planner.domain.arrays import IntArray
from services.planner.domain.rule import CapacityRule

if TYPE_CHECKING:
    from services.planner.domain.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyLimit(CapacityRule):
    """Costs the devices above `max_devices`, each working day."""

    rule: ClassVar[str] = "daily_limit"

    max_devices: int

    def day_limits(self, problem: "Problem") -> IntArray:
        return np.full(len(problem.days), self.max_devices, dtype=np.int64)
