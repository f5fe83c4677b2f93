"""`disruption`: a new plan moves the devices of the running plan as little as asked."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from services.planner.domain.arrays import IntArray
from services.planner.domain.rule import DeviceRule

if TYPE_CHECKING:
    from services.planner.domain.problem import Problem


class DisruptionCount(StrEnum):
    """What a moved device costs: every calendar day, or the fact."""

    DAYS = "days"
    DEVICES = "devices"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disruption(DeviceRule):
    """Costs each device moved from its `start` in the problem; nothing for a device without one."""

    rule: ClassVar[str] = "disruption"

    count: DisruptionCount = DisruptionCount.DAYS

    def base_days(self, problem: "Problem", start_day: IntArray) -> IntArray:
        moved = np.where(problem.has_reference, np.abs(start_day - problem.reference_day), 0)
        return moved if self.count is DisruptionCount.DAYS else np.minimum(moved, 1)
