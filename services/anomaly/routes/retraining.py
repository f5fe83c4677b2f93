"""Newer versions of a detector: train the next one, and choose which one answers."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Response, status

from services.anomaly.domain.blocks import TooFewRows
from services.anomaly.domain.catalogue import Catalogue, DetectorMissing, PreviousMissing, VersionMissing
from services.anomaly.domain.options.reading import OptionsRefused
from services.anomaly.domain.own_work import OwnWork
from services.anomaly.domain.preparation import TimesMissing
from services.anomaly.domain.preparation_fit import TooFewUsableRows
from services.anomaly.domain.retraining import RetrainingDesk
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.thresholds import RuleRefused
from services.anomaly.domain.training_requests import UploadMissing
from services.anomaly.domain.workbench import Overloaded
from services.anomaly.schemas.requests import ActivationRequest, RetrainingBody
from services.anomaly.schemas.responses import DetectorResponse
from shared.clock import Clock
from shared.contracts.job import IdempotencyConflict, QueueUnavailable
from shared.http.dependencies import NotAllowed, require, use
from shared.http.jobs import JobResponse, accepted
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/anomaly", tags=["detectors"])

Trainer = Annotated[Principal, require(Permission.TRAIN)]


@router.post(
    "/detectors/{name}/retrain",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(
        NotAllowed,
        DetectorMissing,
        OptionsRefused,
        RuleRefused,
        RowsRefused,
        TooFewRows,
        TimesMissing,
        TooFewUsableRows,
        UploadMissing,
        IdempotencyConflict,
        QueueUnavailable,
        Overloaded,
    ),
)
async def retrain(
    name: str,
    body: RetrainingBody,
    response: Response,
    *,
    desk: Annotated[RetrainingDesk, use(RetrainingDesk)],
    work: Annotated[OwnWork, use(OwnWork)],
    caller: Trainer,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> JobResponse:
    """Train the next version like the one that serves, on newer normal rows, as a job.

    With `promote: auto` it serves as soon as it is published, unless it raises clearly more false alarms than the
    serving version on the later part of these rows, or a sensor that moved before stands still in them; with `manual`
    it waits until it is activated. Its card holds the comparison of the two.
    """
    await work.check_upload(caller, body.training.upload_id)
    job = await desk.request(name, body.to_domain(), owner=caller.subject, idempotency_key=idempotency_key)
    return accepted(job, response)


@router.post(
    "/detectors/{name}/activate",
    responses=responses(NotAllowed, DetectorMissing, VersionMissing, PreviousMissing),
)
async def activate(
    name: str,
    body: ActivationRequest,
    detectors: Annotated[Catalogue, use(Catalogue)],
    clock: Annotated[Clock, use(Clock)],
    caller: Trainer,
) -> DetectorResponse:
    """Let a version answer from now on: by its number, or with `{"previous": true}` the one that answered before."""
    entry = await to_thread.run_sync(lambda: detectors.activate(name, body.version, by=caller.subject, at=clock.now()))
    return DetectorResponse.of(entry)
