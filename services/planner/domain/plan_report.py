"""Everything a file about a plan shows, whatever its format."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.planner.domain.compare import Comparison
from services.planner.domain.explain import Explanation
from services.planner.domain.plan import Plan
from services.planner.domain.problem import Problem


class Language(StrEnum):
    """Language of sheet names, headers and pages."""

    JAPANESE = "ja"
    ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class FoundAt:
    """How far a search was at one moment.

    Parameters
    ----------
    seconds
        Time since it began [s].
    cost
        Points of the last level of the best plan, the sign turned.
    bound
        Cost no plan goes below, as far as was proven then.
    """

    seconds: float
    cost: float
    bound: float | None


@dataclass(frozen=True, slots=True, eq=False)
class PlanReport:
    """A plan, why it has its score, and how it was found.

    Parameters
    ----------
    id
        Of the plan; empty for one that is kept nowhere.
    problem, plan, explanation
        What was planned, how, and every reason for its points.
    bound, gap, bound_reason
        What is proven about the last level, in points and as a fraction; or why nothing is.
    iterations, seconds, stopped_because
        How the search went; `stopped_because` is `None` while it goes on, and for a plan made by hand.
    history
        How the search came there, oldest first.
    comparison
        With another plan, if one was asked for.
    """

    id: str
    problem: Problem
    plan: Plan
    explanation: Explanation
    bound: float | None = None
    gap: float | None = None
    bound_reason: str | None = None
    iterations: int = 0
    seconds: float = 0.0
    stopped_because: str | None = None
    history: Sequence[FoundAt] = ()
    comparison: Comparison | None = None
