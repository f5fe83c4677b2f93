"""Scores of rows."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Path, Query, Response
from starlette.responses import FileResponse, JSONResponse

from services.anomaly.domain.catalogue import DetectorMissing
from services.anomaly.domain.own_work import OwnWork
from services.anomaly.domain.preparation import TimesMissing
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.score_jobs import ScoreDoor, ScoresMissing
from services.anomaly.domain.scoring import TooManyRows
from services.anomaly.domain.training_requests import UploadMissing
from services.anomaly.domain.workbench import Overloaded
from services.anomaly.schemas.requests import ASSET_PATTERN, ScoreRequest
from services.anomaly.schemas.responses import ScoreResponse
from shared.contracts.job import IdempotencyConflict, Job, QueueUnavailable
from shared.http.dependencies import AssetOutOfReach, NotAllowed, check_asset, require, use
from shared.http.jobs import JobResponse
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/anomaly", tags=["scores"])


@router.post(
    "/detectors/{name}/score",
    response_model=ScoreResponse,
    responses={
        202: {"model": JobResponse, "description": "An accepted job; its result names where the scores will lie."},
        **responses(
            NotAllowed,
            AssetOutOfReach,
            DetectorMissing,
            RowsRefused,
            TimesMissing,
            TooManyRows,
            UploadMissing,
            IdempotencyConflict,
            QueueUnavailable,
            Overloaded,
        ),
    },
)
async def score(
    name: str,
    body: ScoreRequest,
    *,
    door: Annotated[ScoreDoor, use(ScoreDoor)],
    work: Annotated[OwnWork, use(OwnWork)],
    caller: Annotated[Principal, require(Permission.SCORE)],
    asset: Annotated[str | None, Query(pattern=ASSET_PATTERN, max_length=255)] = None,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Response:
    """Score rows, explain the anomalous ones, and raise an alert for each run of them.

    Rows of an upload, more rows than one call takes, and detectors that search for every score become a job (202).
    """
    check_asset(caller, asset)
    await work.check_upload(caller, body.upload_id)
    scored = await door.score(
        name, body.to_domain(), asset=asset, owner=caller.subject, idempotency_key=idempotency_key
    )
    if isinstance(scored, Job):
        return JSONResponse(
            JobResponse.of(scored).model_dump(mode="json"), 202, {"Location": f"/api/v1/jobs/{scored.id}"}
        )
    # In a thread: thousands of anomalous rows with many sensors take a while to write out.
    content = await to_thread.run_sync(lambda: ScoreResponse.of(scored, asset).model_dump_json())
    return Response(content, media_type="application/json")


@router.get(
    "/scores/{job_id}", response_model=ScoreResponse, responses=responses(NotAllowed, AssetOutOfReach, ScoresMissing)
)
async def get_scores(
    job_id: Annotated[str, Path(pattern=r"^[!-~]*$", max_length=64)],
    work: Annotated[OwnWork, use(OwnWork)],
    caller: Annotated[Principal, require(Permission.READ)],
) -> Response:
    """Give what a score job found, as the answer of a call would be: its owner's, and all to engineers."""
    kept = await to_thread.run_sync(work.scores, caller, job_id)
    check_asset(caller, kept.asset)
    return FileResponse(kept.path, media_type="application/json")
