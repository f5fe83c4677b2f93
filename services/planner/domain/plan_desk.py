"""Asking for plans, looking at them, and telling a search that it may stop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.planner.domain.plan_records import PlanPage, PlanRecord, PlanStore, PlanSummary
from services.planner.domain.problem import Problem
from services.planner.domain.search_limits import check_search_limits
from shared.clock import Clock
from shared.contracts.job import Job, JobMissing, JobState
from shared.errors import JSON, AppError, Kind

SOLVE_JOB = "planner.solve"
# For the worker to take the job up, compile the search once, and write the plan down.
SPARE_TIME_S = 120.0


class SearchTooLong(AppError):
    """The request asks for a longer search than this installation allows."""

    kind, code = Kind.INVALID, "planner.search_too_long"

    def __init__(self, seconds: float, limit_s: float) -> None:
        super().__init__(
            f"a search may take {limit_s:g} s at most, {seconds:g} s were asked for", seconds=seconds, limit_s=limit_s
        )


class SolveQueue(Protocol):
    """What hands a request to the workers."""

    def submit(
        self, request: Mapping[str, JSON], *, owner: str, idempotency_key: str | None, time_limit_s: float
    ) -> Job:
        """Accept a request, or find the job that the same one made before."""
        ...


class JobLookup(Protocol):
    """What knows how a job stands."""

    def get(self, job_id: str) -> Job:
        """Return a job, or raise `JobMissing`."""
        ...


@dataclass(frozen=True, slots=True)
class PlanOrder:
    """A request for a plan, checked.

    Parameters
    ----------
    problem
        What to plan.
    assets
        Of each device.
    seconds
        Longest search [s].
    request
        The request as JSON, its calendar settled.
    open_ended
        Whether the search may go on after `seconds` for other limits.
    """

    problem: Problem
    assets: Sequence[str | None]
    seconds: float
    request: Mapping[str, JSON]
    open_ended: bool = False


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan, the state of the job that makes it, and its last word on how it goes."""

    plan: PlanRecord
    state: JobState
    progress: Mapping[str, JSON] | None = None


class PlanDesk:
    """The use cases of plans; every call blocks on the database."""

    def __init__(
        self, plans: PlanStore, queue: SolveQueue, jobs: JobLookup, *, clock: Clock, search_limit_s: float
    ) -> None:
        self._plans = plans
        self._queue = queue
        self._jobs = jobs
        self._clock = clock
        self._search_limit_s = search_limit_s

    def order(self, order: PlanOrder, *, owner: str, idempotency_key: str | None) -> Job:
        """Accept a request for a plan, which gets the id of the job.

        Raises
        ------
        SearchTooLong
            If it may take longer than is allowed here.
        ProblemTooLarge, WeightsTooLarge
            If the search cannot do it.
        IdempotencyConflict, QueueUnavailable
            As the job queue says.
        """
        if order.seconds > self._search_limit_s:
            raise SearchTooLong(order.seconds, self._search_limit_s)
        check_search_limits(order.problem)
        job = self._queue.submit(
            order.request,
            owner=owner,
            idempotency_key=idempotency_key,
            time_limit_s=(self._search_limit_s if order.open_ended else order.seconds) + SPARE_TIME_S,
        )
        # The worker adds the row too: whoever of the two comes second finds it there.
        self._plans.add(
            new_plan(job.id, order.problem, order.assets, order.request, owner=job.owner or owner, clock=self._clock)
        )
        return job

    def look(self, plan_id: str) -> PlanView:
        """Return a plan as it is now, or raise `PlanMissing`."""
        plan = self._plans.get(plan_id)
        if plan.summary.finished:
            return PlanView(plan, JobState.SUCCEEDED)
        try:
            job = self._jobs.get(plan_id)
        except JobMissing:
            return PlanView(plan, JobState.FAILED)
        return PlanView(plan, job.state, job.progress)

    def page(self, *, limit: int, cursor: str | None) -> PlanPage:
        """Return a part of the list of plans, or raise `CursorInvalid`."""
        return self._plans.page(limit=limit, cursor=cursor)

    def stop(self, plan_id: str) -> PlanView:
        """Ask a search to end with the best plan it has; a finished one stays as it is. Or raise `PlanMissing`."""
        self._plans.request_stop(plan_id)
        return self.look(plan_id)


def new_plan(
    plan_id: str,
    problem: Problem,
    assets: Sequence[str | None],
    request: Mapping[str, JSON],
    *,
    owner: str,
    clock: Clock,
) -> PlanRecord:
    """Return the record of a plan that has only been asked for."""
    now = clock.now()
    summary = PlanSummary(
        id=plan_id,
        name=problem.name,
        owner=owner,
        created_at=now,
        updated_at=now,
        assets=tuple(sorted(set(assets), key=lambda asset: asset or "")),
        found=None,
        finished=False,
    )
    return PlanRecord(summary, request, None)
