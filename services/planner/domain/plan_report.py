"""Everything a file about a plan shows, whatever its format."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from services.planner.domain.compare import Comparison
from services.planner.domain.explain import Explanation
from services.planner.domain.plan import Plan
from services.planner.domain.problem import Problem


class Language(StrEnum):
    """Language of sheet names, headers and pages."""

    JAPANESE = "ja"
    ENGLISH = "en"


class FileFormat(StrEnum):
    """What a plan can be written as."""

    XLSX = "xlsx"
    CSV = "csv"
    ICS = "ics"
    HTML = "html"


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


class History:
    """How a search came where it is, in so many entries that a chart can show them all."""

    LONGEST: ClassVar[int] = 400

    def __init__(self) -> None:
        self._entries: list[FoundAt] = []

    @property
    def entries(self) -> tuple[FoundAt, ...]:
        """The entries, oldest first; of a long search, early and late ones are equally far apart."""
        return tuple(self._entries)

    def add(self, entry: FoundAt) -> None:
        """Note where the search is now."""
        if len(self._entries) >= self.LONGEST:
            # The first stays: it is the plan the search began with.
            self._entries = self._entries[::2]
        self._entries.append(entry)


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
