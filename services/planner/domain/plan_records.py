"""Plans as they are kept: from the request to the best plan found for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.errors import JSON, AppError, Kind


class PlanMissing(AppError):
    """There is no plan of this id."""

    kind, code = Kind.MISSING, "planner.plan_missing"

    def __init__(self, plan_id: str) -> None:
        super().__init__(f"no plan {plan_id!r}", plan=plan_id)


class PlanNotFound(AppError):
    """The search for this plan has not found a first one."""

    kind, code = Kind.CONFLICT, "planner.no_plan_yet"

    def __init__(self, plan_id: str) -> None:
        super().__init__(f"plan {plan_id!r} has no assignments: its search has not begun, or failed", plan=plan_id)


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """A kept plan without its problem and assignments.

    Parameters
    ----------
    id
        The same as the id of the job that searches for it.
    assets
        Assets of the devices; `None` among them if some device names none.
    found
        Score, points by rule and how the search went, as the API shows them; `None` before the first plan.
    finished
        Whether the search has ended.
    """

    id: str
    name: str
    owner: str
    created_at: datetime
    updated_at: datetime
    assets: tuple[str | None, ...]
    found: Mapping[str, JSON] | None
    finished: bool


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A kept plan.

    Parameters
    ----------
    summary
        What a list shows of it.
    request
        The request it was made for, its calendar settled: `problem`, `solver`, `termination`.
    assignments
        The best plan so far, as the API shows it; `None` before the first one.
    """

    summary: PlanSummary
    request: Mapping[str, JSON]
    assignments: tuple[Mapping[str, JSON], ...] | None


@dataclass(frozen=True, slots=True)
class PlanPage:
    """A part of the list of plans, newest first; `next_cursor` is `None` on the last one."""

    items: tuple[PlanSummary, ...]
    next_cursor: str | None


class PlanStore(Protocol):
    """Where plans are kept."""

    def add(self, plan: PlanRecord) -> None:
        """Keep a plan that has only been asked for; one of this id that is there already stays as it is."""
        ...

    def get(self, plan_id: str) -> PlanRecord:
        """Return a plan, or raise `PlanMissing`."""
        ...

    def page(self, *, limit: int, cursor: str | None) -> PlanPage:
        """Return the plans that follow the cursor, or raise `CursorInvalid`."""
        ...

    def request_stop(self, plan_id: str) -> None:
        """Ask the search for a plan to end with what it has; raise `PlanMissing`."""
        ...
