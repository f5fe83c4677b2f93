"""Whose uploads a caller may use, and whose scores it may read: ids are no rights (OWASP API1:2023)."""

from typing import Protocol

from services.anomaly.domain.score_jobs import KeptScores, ScoreShelf, ScoresMissing
from services.anomaly.domain.training_requests import UploadMissing
from services.anomaly.domain.workbench import Workbench
from shared.principal import Principal


class UploadOwners(Protocol):
    """Knows who sent an upload. Its call waits for a database: make it in a thread."""

    def upload_owner(self, upload_id: str) -> str | None:
        """Subject of the sender, `None` if there is no such upload."""
        ...


class OwnWork:
    """Looks after what one caller left here and another may name."""

    def __init__(self, uploads: UploadOwners, shelf: ScoreShelf, workbench: Workbench) -> None:
        self._uploads = uploads
        self._shelf = shelf
        self._workbench = workbench

    async def check_upload(self, caller: Principal, upload_id: str | None) -> None:
        """Refuse an upload that somebody else sent; whether there is one at all, its use will show.

        Raises
        ------
        UploadMissing
            If it is not the caller's to know of.
        Overloaded
            If too many calls are waiting.
        """
        if upload_id is None:
            return
        owner = await self._workbench.run(lambda: self._uploads.upload_owner(upload_id))
        if owner is not None and not caller.may_see_work_of(owner):
            raise UploadMissing(upload_id)

    def scores(self, caller: Principal, job_id: str) -> KeptScores:
        """The result of a score job. Waits for a disk: call it in a thread.

        Raises
        ------
        ScoresMissing
            If there is none, or it is of somebody else's job and not the caller's to know of.
        """
        kept = self._shelf.find(job_id)
        if not caller.may_see_work_of(kept.owner):
            raise ScoresMissing(job_id)
        return kept
