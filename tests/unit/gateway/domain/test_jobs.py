"""Who sees and stops which job."""

from dataclasses import replace

import pytest

from services.gateway.domain.errors import NotAllowed
from services.gateway.domain.jobs import JobDesk
from services.gateway.domain.pages import Page
from shared.contracts.job import Job, JobMissing, JobState
from shared.principal import ROLE_PERMISSIONS, Principal, Role
from tests.unit.gateway.fakes import NOW, SOURCE, FakeAudit, FakeClock, FakeRedis


def job(kind: str, asset: str | None = None, state: JobState = JobState.SUCCEEDED) -> Job:
    result = {"asset": asset} if state is JobState.SUCCEEDED else None
    return Job(f"{kind}-{asset}", kind, state, None, NOW, NOW, NOW, 1, result, None, owner="ann")


class FakeJobs:
    def __init__(self, *jobs: Job) -> None:
        self.jobs = {job.id: job for job in jobs}

    async def get(self, job_id: str) -> Job:
        return self.jobs[job_id]

    async def page(self, *, owner: str | None, limit: int, cursor: str | None) -> Page[Job]:
        return Page(tuple(job for job in self.jobs.values() if owner in {None, job.owner})[:limit], None)

    async def cancel(self, job_id: str) -> Job:
        return replace(self.jobs[job_id], state=JobState.CANCELLED)


def desk(*jobs: Job) -> JobDesk:
    return JobDesk(jobs=FakeJobs(*jobs), floors=FakeRedis(), audit=FakeAudit(), clock=FakeClock())


def caller(role: Role, *assets: str) -> Principal:
    return Principal("ann", role, ROLE_PERMISSIONS[role], assets)


SCORED = [job("anomaly.score", "acme.osaka.r1"), job("anomaly.score", "acme.tokyo.r1"), job("anomaly.score")]


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ENGINEER])
async def test_results_of_an_asset_are_for_those_who_may_reach_it(role: Role):
    jobs = desk(*SCORED)
    limited = caller(role, "acme.osaka")
    assert (await jobs.page(limited, limit=50, cursor=None)).items == (SCORED[0],)
    assert await jobs.get(limited, SCORED[0].id) == SCORED[0]
    for hidden in SCORED[1:]:
        with pytest.raises(JobMissing):
            await jobs.get(limited, hidden.id)
        assert await jobs.get(caller(role), hidden.id) == hidden


@pytest.mark.parametrize(
    ("kind", "role", "stopped"),
    [
        ("anomaly.score", Role.OPERATOR, True),
        ("anomaly.score", Role.VIEWER, False),
        ("anomaly.train", Role.OPERATOR, False),
        ("anomaly.train", Role.ENGINEER, True),
        ("planner.solve", Role.OPERATOR, False),
    ],
)
async def test_job_is_stopped_by_those_who_could_have_started_it(kind: str, role: Role, stopped: bool):
    running = job(kind, state=JobState.RUNNING)
    if stopped:
        assert (await desk(running).cancel(caller(role), running.id, SOURCE)).state is JobState.CANCELLED
    else:
        with pytest.raises(NotAllowed):
            await desk(running).cancel(caller(role), running.id, SOURCE)


@pytest.mark.parametrize("role", [Role.ENGINEER, Role.ADMIN])
async def test_who_is_limited_to_assets_sees_and_stops_only_jobs_of_their_own(role: Role):
    # Nothing tells yet which assets a job under way is about.
    theirs = replace(job("planner.solve", state=JobState.RUNNING), owner="bob")
    jobs, limited = desk(theirs), caller(role, "acme.osaka")
    assert (await jobs.page(limited, limit=50, cursor=None)).items == ()
    assert (await jobs.page(caller(role), limit=50, cursor=None)).items == (theirs,)
    for act in (jobs.get(limited, theirs.id), jobs.cancel(limited, theirs.id, SOURCE)):
        with pytest.raises(JobMissing):
            await act
