"""Who sees and stops which job."""

from dataclasses import replace
from typing import Protocol

from services.gateway.domain.audit import Action, Event, Source
from services.gateway.domain.errors import NotAllowed
from services.gateway.domain.pages import Page
from services.gateway.domain.sessions import AuditTrail, Floors
from shared.clock import Clock
from shared.contracts.job import Job, JobMissing
from shared.principal import Permission, Principal


class JobBook(Protocol):
    """The jobs of all services."""

    async def get(self, job_id: str) -> Job:
        """Raise `JobMissing` if there is none."""
        ...

    async def page(self, *, owner: str | None, limit: int, cursor: str | None) -> Page[Job]:
        """Jobs of one owner or of all, newest first."""
        ...

    async def cancel(self, job_id: str) -> Job:
        """Stop a job; one that has ended stays as it is."""
        ...


class JobDesk:
    """What callers do with jobs: engineers and administrators with all, others with their own.

    Who is limited to some assets is among the others: a job under way does not tell which assets it is about.
    """

    def __init__(self, *, jobs: JobBook, floors: Floors, audit: AuditTrail, clock: Clock) -> None:
        self._jobs = jobs
        self._floors = floors
        self._audit = audit
        self._clock = clock

    async def page(self, caller: Principal, *, limit: int, cursor: str | None) -> Page[Job]:
        """List the jobs that the caller may see, newest first; a page may then hold fewer than `limit`."""
        owner = None if caller.may_see_work_of(None) else caller.subject
        page = await self._jobs.page(owner=owner, limit=limit, cursor=cursor)
        return replace(page, items=tuple(job for job in page.items if _in_reach(caller, job)))

    async def get(self, caller: Principal, job_id: str) -> Job:
        """Find a job.

        Raises
        ------
        JobMissing
            If there is none, or it is somebody else's and the caller does not see all, or tells of an asset that the
            caller is not to know of.
        """
        job = await self._jobs.get(job_id)
        if not may_see(caller, job):
            raise JobMissing(job_id)
        return job

    async def cancel(self, caller: Principal, job_id: str, source: Source) -> Job:
        """Stop a job.

        Raises
        ------
        JobMissing
            As for `get`.
        NotAllowed
            If the caller could not have started a job of this kind.
        """
        job = await self.get(caller, job_id)
        needs = _needs(job)
        if not caller.may(needs):
            raise NotAllowed(needs.value)
        await self._floors.require_reachable()
        event = Event(
            self._clock.now(), caller.subject, Action.JOB_CANCELLED.value, job_id, success=True, source=source
        )
        async with self._audit.together(event):
            return await self._jobs.cancel(job_id)


def may_see(caller: Principal, job: Job) -> bool:
    """Whether a job is the caller's to know of."""
    return caller.may_see_work_of(job.owner) and _in_reach(caller, job)


def _needs(job: Job) -> Permission:
    """What it takes to start such a job."""
    if job.kind == "anomaly.score":
        return Permission.SCORE
    return Permission.PLAN if job.kind.startswith("planner.") else Permission.TRAIN


def _in_reach(caller: Principal, job: Job) -> bool:
    if job.result is None or "asset" not in job.result:
        return True
    asset = job.result["asset"]
    return caller.may_reach(asset if isinstance(asset, str) else None)
