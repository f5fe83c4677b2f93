"""Who sees and stops which job."""

from typing import Protocol

from services.gateway.domain.audit import Action, Event, Source
from services.gateway.domain.errors import NotAllowed
from services.gateway.domain.pages import Page
from services.gateway.domain.sessions import AuditTrail, Floors
from shared.clock import Clock
from shared.contracts.job import Job, JobMissing
from shared.principal import Permission, Principal, Role

_SEE_ALL = frozenset({Role.ENGINEER, Role.ADMIN})


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
    """What callers do with jobs: engineers and administrators with all, others with their own."""

    def __init__(self, *, jobs: JobBook, floors: Floors, audit: AuditTrail, clock: Clock) -> None:
        self._jobs = jobs
        self._floors = floors
        self._audit = audit
        self._clock = clock

    async def page(self, caller: Principal, *, limit: int, cursor: str | None) -> Page[Job]:
        """List the jobs that the caller may see, newest first."""
        owner = None if caller.role in _SEE_ALL else caller.subject
        return await self._jobs.page(owner=owner, limit=limit, cursor=cursor)

    async def get(self, caller: Principal, job_id: str) -> Job:
        """Find a job.

        Raises
        ------
        JobMissing
            If there is none, or it is somebody else's and the caller does not see all.
        """
        job = await self._jobs.get(job_id)
        if caller.role not in _SEE_ALL and job.owner != caller.subject:
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
        needs = Permission.PLAN if job.kind.startswith("planner.") else Permission.TRAIN
        if not caller.may(needs):
            raise NotAllowed(needs.value)
        await self._floors.require_reachable()
        cancelled = await self._jobs.cancel(job_id)
        event = Event(
            self._clock.now(), caller.subject, Action.JOB_CANCELLED.value, job_id, success=True, source=source
        )
        await self._audit.record(event)
        return cancelled
