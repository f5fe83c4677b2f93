"""`monthly_levelling`: every month sends in about as many devices of a type as the others."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from services.planner.domain.rule import Match, Rule

if TYPE_CHECKING:
    from services.planner.domain.plan import Plan
    from services.planner.domain.problem import Problem


def monthly_share_tenths(devices: int, months: int) -> int:
    """Return devices per month, rounded half up to one decimal [tenths].

    Examples
    --------
    >>> monthly_share_tenths(13, 12), monthly_share_tenths(1, 20)
    (11, 1)
    """
    return (20 * devices + months) // (2 * months)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyLevelling(Rule):
    """Costs, for each type and month, the square of (monthly share - devices that start in the month)."""

    rule: ClassVar[str] = "monthly_levelling"

    def matches(self, problem: "Problem", plan: "Plan") -> Iterator[Match]:
        """Yield one match for each type and month of the horizon off its share, empty months too."""
        months = len(problem.month_names)
        month_of_start = problem.month_of[plan.start]
        for type_index in np.flatnonzero(self.covered_types(problem)):
            members = problem.type_of == type_index
            share_tenths = monthly_share_tenths(int(members.sum()), months)
            for month, month_name in enumerate(problem.month_names):
                present = np.flatnonzero(members & (month_of_start == month))
                base_hundredths = (share_tenths - 10 * len(present)) ** 2
                if base_hundredths:
                    yield self.match(
                        problem,
                        base_hundredths,
                        month=month_name,
                        devices=tuple(problem.devices[device].id for device in present),
                    )
