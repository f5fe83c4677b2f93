"""Detectors: train, list, look at, forget, and set the limit of."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Response, status

from services.anomaly.domain.blocks import TooFewRows
from services.anomaly.domain.catalogue import Catalogue, CursorInvalid, DetectorMissing
from services.anomaly.domain.live_counts import LiveCounts, Promise
from services.anomaly.domain.options.kinds import AUTO, DetectorKind, KindUnknown
from services.anomaly.domain.options.reading import OptionsRefused
from services.anomaly.domain.own_work import OwnWork
from services.anomaly.domain.preparation import TimesMissing
from services.anomaly.domain.preparation_fit import TooFewUsableRows
from services.anomaly.domain.preparation_off import OffRuleRefused
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.scoring import TooManyRows
from services.anomaly.domain.threshold_desk import ThresholdDesk
from services.anomaly.domain.thresholds import RuleRefused
from services.anomaly.domain.training_requests import TrainingDesk, UploadMissing
from services.anomaly.domain.workbench import Overloaded
from services.anomaly.schemas.live import LiveResponse
from services.anomaly.schemas.requests import DetectorRequest, ThresholdRequest
from services.anomaly.schemas.responses import (
    DetectorList,
    DetectorResponse,
    StatusResponse,
    ThresholdResponse,
)
from shared.contracts.job import IdempotencyConflict, QueueUnavailable
from shared.http.dependencies import NotAllowed, require, use
from shared.http.jobs import JobResponse, accepted
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/anomaly", tags=["detectors"])

Reader = Annotated[Principal, require(Permission.READ)]
Trainer = Annotated[Principal, require(Permission.TRAIN)]
Detectors = Annotated[Catalogue, use(Catalogue)]


@router.get("/status", responses=responses(NotAllowed))
async def status_of_service(caller: Reader) -> StatusResponse:
    """Say that the service works, and what it can train."""
    return StatusResponse(status="ok", kinds=[AUTO, *DetectorKind], user=caller.subject)


@router.post(
    "/detectors",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(
        NotAllowed,
        KindUnknown,
        OptionsRefused,
        RuleRefused,
        OffRuleRefused,
        RowsRefused,
        TooFewRows,
        TooFewUsableRows,
        UploadMissing,
        IdempotencyConflict,
        QueueUnavailable,
        Overloaded,
    ),
)
async def train(
    body: DetectorRequest,
    response: Response,
    *,
    desk: Annotated[TrainingDesk, use(TrainingDesk)],
    work: Annotated[OwnWork, use(OwnWork)],
    caller: Trainer,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> JobResponse:
    """Train a detector on normal rows, as a job; an existing name gets its next version."""
    await work.check_upload(caller, body.training.upload_id)
    job = await desk.request(body.to_domain(), owner=caller.subject, idempotency_key=idempotency_key)
    return accepted(job, response)


@router.get("/detectors", responses=responses(NotAllowed, CursorInvalid))
async def list_detectors(
    detectors: Detectors,
    _caller: Reader,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=256)] = None,
) -> DetectorList:
    """List the detectors by name."""
    page = await to_thread.run_sync(lambda: detectors.page(limit=limit, cursor=cursor))
    return DetectorList.of(page)


@router.get("/detectors/{name}", responses=responses(NotAllowed, DetectorMissing))
async def get_detector(
    name: str, detectors: Detectors, live: Annotated[LiveCounts, use(LiveCounts)], caller: Reader
) -> DetectorResponse:
    """Show a detector's card, and whether its alarms keep what the card promises."""
    entry = await to_thread.run_sync(detectors.entry, name)
    counts = [count for count in await to_thread.run_sync(live.of, entry) if caller.may_reach(count.asset)]
    met = LiveResponse.of_all(counts, Promise.of(entry.threshold))
    return DetectorResponse.of(entry).model_copy(update={"live": met})


@router.delete(
    "/detectors/{name}", status_code=status.HTTP_204_NO_CONTENT, responses=responses(NotAllowed, DetectorMissing)
)
async def delete_detector(name: str, detectors: Detectors, _caller: Trainer) -> None:
    """Forget a detector with all its versions."""
    await to_thread.run_sync(detectors.delete, name)


@router.put(
    "/detectors/{name}/threshold",
    responses=responses(
        NotAllowed, DetectorMissing, RuleRefused, RowsRefused, TimesMissing, TooFewRows, TooManyRows, Overloaded
    ),
)
async def set_threshold(
    name: str,
    body: ThresholdRequest,
    desk: Annotated[ThresholdDesk, use(ThresholdDesk)],
    caller: Annotated[Principal, require(Permission.SET_THRESHOLD)],
) -> ThresholdResponse:
    """Set the limit anew: on the held-out rows of the training, or on labelled rows sent along."""
    threshold = await desk.set(name, body.rule(), given=body.labelled(), labels=body.labels, by=caller.subject)
    return ThresholdResponse.of(threshold)
