"""An id is no right: uploads and scores are for whoever made them, and for those who look after everybody's work."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.anomaly.domain.own_work import OwnWork
from services.anomaly.domain.score_jobs import KeptScores, ScoresMissing
from services.anomaly.domain.training_requests import UploadMissing
from services.anomaly.domain.workbench import Workbench
from shared.principal import ROLE_PERMISSIONS, Principal, Role


class Shelf:
    """Keeps one upload and one result, both Ann's."""

    def upload_owner(self, upload_id: str) -> str | None:
        return "ann" if upload_id == "u" else None

    def find(self, job_id: str) -> KeptScores:
        return KeptScores(Path("scores.json"), None, {"j": "ann", "old": None}[job_id])


@pytest.fixture
def work() -> OwnWork:
    shelf = Shelf()
    return OwnWork(shelf, shelf, Workbench(ThreadPoolExecutor(1), places=4))


def caller(subject: str, role: Role, *assets: str) -> Principal:
    return Principal(subject, role, ROLE_PERMISSIONS[role], assets)


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        (caller("ann", Role.VIEWER), True),
        (caller("ann", Role.OPERATOR, "acme.osaka"), True),
        (caller("bob", Role.OPERATOR), False),
        (caller("bob", Role.VIEWER), False),
        (caller("bob", Role.ENGINEER), True),
        (caller("bob", Role.ADMIN), True),
        (caller("bob", Role.ENGINEER, "acme.osaka"), False),
        (caller("bob", Role.ADMIN, "acme.osaka"), False),
    ],
)
async def test_somebody_elses_upload_and_scores_are_as_if_they_were_not_there(
    work: OwnWork, who: Principal, *, sees: bool
):
    if sees:
        await work.check_upload(who, "u")
        assert work.scores(who, "j").owner == "ann"
        return
    with pytest.raises(UploadMissing):
        await work.check_upload(who, "u")
    with pytest.raises(ScoresMissing):
        work.scores(who, "j")


async def test_a_request_without_an_upload_asks_nobody(work: OwnWork):
    await work.check_upload(caller("bob", Role.OPERATOR), None)
    # Whether it is there at all, its use will tell.
    await work.check_upload(caller("bob", Role.OPERATOR), "nothing")


def test_scores_that_nobody_is_noted_for_are_for_those_who_see_all(work: OwnWork):
    assert work.scores(caller("bob", Role.ENGINEER), "old").owner is None
    with pytest.raises(ScoresMissing):
        work.scores(caller("ann", Role.OPERATOR), "old")
