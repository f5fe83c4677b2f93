"""`area_exclusive`: an area holds one device at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from services.planner.domain.rule import HUNDREDTHS, Match, Rule

if TYPE_CHECKING:
    from services.planner.domain.plan import Plan
    from services.planner.domain.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaExclusive(Rule):
    """Costs the devices above one, each area and working day."""

    rule: ClassVar[str] = "area_exclusive"

    def matches(self, problem: "Problem", plan: "Plan") -> Iterator[Match]:
        """Yield one match for each area and working day shared by several devices."""
        covered = self.covered_devices(problem)
        for index, area in enumerate(problem.areas):
            present = covered & (plan.area == index)
            count = plan.in_inspection(problem, present)
            for day in np.flatnonzero(count > 1):
                yield self.match(
                    problem,
                    int(count[day] - 1) * HUNDREDTHS,
                    month=problem.days[day].strftime("%Y-%m"),
                    devices=plan.devices_on(problem, int(day), present),
                    day=problem.days[day],
                    area=area.id,
                )
