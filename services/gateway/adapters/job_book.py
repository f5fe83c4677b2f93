"""The jobs of all services, as the gateway shows them."""

from functools import partial

from anyio import to_thread

from services.gateway.domain.pages import Page
from shared.contracts.job import Job
from shared.jobs.store import JobStore


class StoredJobs:
    """Implements `jobs.JobBook`."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    async def get(self, job_id: str) -> Job:
        return await to_thread.run_sync(self._store.get, job_id)

    async def page(self, *, owner: str | None, limit: int, cursor: str | None) -> Page[Job]:
        found = await to_thread.run_sync(partial(self._store.list, owner=owner, limit=limit, cursor=cursor))
        return Page(found.items, found.next_cursor)

    async def cancel(self, job_id: str) -> Job:
        return await to_thread.run_sync(self._store.cancel, job_id)
