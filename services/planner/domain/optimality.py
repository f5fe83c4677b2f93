"""How far a plan can be from the best one."""

from dataclasses import dataclass
from decimal import Decimal

from services.planner.domain.score import exact_decimal


@dataclass(frozen=True, slots=True)
class Optimality:
    """What is proven about the last level of a plan's score.

    Parameters
    ----------
    decimals
        Decimal places of the costs.
    cost_units
        Cost of the plan on the last level, its points turned positive [10**-decimals points].
    bound_units
        Cost that no plan goes below among those with the best earlier levels [10**-decimals points]; `None` if
        nothing is proven.
    reason
        Why there is no bound; `None` if there is one.
    """

    decimals: int
    cost_units: int
    bound_units: int | None
    reason: str | None = None

    @property
    def bound(self) -> Decimal | None:
        """The bound in points."""
        return None if self.bound_units is None else exact_decimal(self.bound_units, self.decimals)

    @property
    def gap(self) -> float | None:
        """Part of the cost that a better plan could save at most, 0 to 1; 0 is proven optimal.

        Examples
        --------
        >>> Optimality(decimals=0, cost_units=8000, bound_units=7000).gap
        0.125
        """
        if self.bound_units is None:
            return None
        return 0.0 if self.cost_units == 0 else (self.cost_units - self.bound_units) / self.cost_units

    @property
    def proven(self) -> bool:
        """Whether no plan is better."""
        return self.bound_units is not None and self.bound_units >= self.cost_units
