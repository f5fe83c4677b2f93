"""`same_type_spacing`: devices of one type go in some days apart, so that one crew can follow."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from services.planner.domain.rule import HUNDREDTHS, Match, Rule

if TYPE_CHECKING:
    from services.planner.domain.plan import Plan
    from services.planner.domain.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class SameTypeSpacing(Rule):
    """Costs, for each pair of devices of one type, the calendar days their starts are closer than `days`."""

    rule: ClassVar[str] = "same_type_spacing"

    days: int

    def matches(self, problem: "Problem", plan: "Plan") -> Iterator[Match]:
        """Yield one match for each pair that is too close, on the start of the later one."""
        start_day = problem.calendar_day[plan.start]
        for type_index in np.flatnonzero(self.covered_types(problem)):
            members = np.flatnonzero(problem.type_of == type_index)
            in_order = members[np.argsort(start_day[members], kind="stable")]
            for position, later in enumerate(in_order):
                for earlier in in_order[:position][::-1]:
                    apart = int(start_day[later] - start_day[earlier])
                    if apart >= self.days:
                        break
                    yield self.match(
                        problem,
                        (self.days - apart) * HUNDREDTHS,
                        month=problem.month_names[problem.month_of[plan.start[later]]],
                        devices=(problem.devices[earlier].id, problem.devices[later].id),
                        day=problem.days[plan.start[later]],
                    )
