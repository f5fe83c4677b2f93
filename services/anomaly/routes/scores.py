"""Scores of rows."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Response

from services.anomaly.domain.catalogue import DetectorMissing
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.scoring import ScoringDesk, TooManyRows
from services.anomaly.domain.workbench import Overloaded
from services.anomaly.schemas.requests import ASSET_PATTERN, ScoreRequest
from services.anomaly.schemas.responses import ScoreResponse
from shared.http.dependencies import AssetOutOfReach, NotAllowed, check_asset, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/anomaly", tags=["scores"])


@router.post(
    "/detectors/{name}/score",
    response_model=ScoreResponse,
    responses=responses(NotAllowed, AssetOutOfReach, DetectorMissing, RowsRefused, TooManyRows, Overloaded),
)
async def score(
    name: str,
    body: ScoreRequest,
    desk: Annotated[ScoringDesk, use(ScoringDesk)],
    caller: Annotated[Principal, require(Permission.SCORE)],
    asset: Annotated[str | None, Query(pattern=ASSET_PATTERN, max_length=255)] = None,
) -> Response:
    """Score rows, explain the anomalous ones, and raise an alert for each run of them."""
    check_asset(caller, asset)
    scored = await desk.score(name, body.to_domain(), asset=asset)
    # In a thread: thousands of anomalous rows with many sensors take a while to write out.
    content = await to_thread.run_sync(lambda: ScoreResponse.of(scored, asset).model_dump_json())
    return Response(content, media_type="application/json")
