"""Work longer than a request, of all services."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.gateway.domain.errors import NotAllowed, RedisAway
from services.gateway.domain.jobs import JobDesk
from services.gateway.domain.pages import DEFAULT_ITEMS, MAX_ITEMS
from services.gateway.routes.callers import Origin
from services.gateway.schemas.records import JobPage
from shared.contracts.job import CursorInvalid, JobMissing
from shared.http.dependencies import require, use
from shared.http.jobs import JobResponse
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

Caller = Annotated[Principal, require(Permission.READ)]
Desk = Annotated[JobDesk, use(JobDesk)]


@router.get("", responses=responses(CursorInvalid))
async def list_jobs(
    desk: Desk,
    caller: Caller,
    limit: Annotated[int, Query(ge=1, le=MAX_ITEMS)] = DEFAULT_ITEMS,
    cursor: str | None = None,
) -> JobPage:
    """List jobs, newest first: all for engineers and administrators, their own for others.

    Those that tell of assets out of the caller's reach are left out of the page.
    """
    return JobPage.of(await desk.page(caller, limit=limit, cursor=cursor))


@router.get("/{job_id}", responses=responses(JobMissing))
async def get_job(job_id: str, desk: Desk, caller: Caller) -> JobResponse:
    """Show a job."""
    return JobResponse.of(await desk.get(caller, job_id))


@router.post("/{job_id}/cancel", responses=responses(JobMissing, NotAllowed, RedisAway))
async def cancel_job(job_id: str, desk: Desk, caller: Caller, origin: Origin) -> JobResponse:
    """Stop a job; one that has ended stays as it is."""
    return JobResponse.of(await desk.cancel(caller, job_id, origin))
