"""Scores of rows."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.anomaly.domain.catalogue import DetectorMissing
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.scoring import ScoringDesk, TooManyRows
from services.anomaly.domain.workbench import Overloaded
from services.anomaly.schemas import ASSET_PATTERN, ScoreRequest, ScoreResponse
from shared.http.dependencies import AssetOutOfReach, NotAllowed, check_asset, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/anomaly", tags=["scores"])


@router.post(
    "/detectors/{name}/score",
    responses=responses(NotAllowed, AssetOutOfReach, DetectorMissing, RowsRefused, TooManyRows, Overloaded),
)
async def score(
    name: str,
    body: ScoreRequest,
    desk: Annotated[ScoringDesk, use(ScoringDesk)],
    caller: Annotated[Principal, require(Permission.SCORE)],
    asset: Annotated[str | None, Query(pattern=ASSET_PATTERN, max_length=255)] = None,
) -> ScoreResponse:
    """Score rows, explain the anomalous ones, and raise an alert for each run of them."""
    check_asset(caller, asset)
    return ScoreResponse.of(await desk.score(name, body.to_domain(), asset=asset), asset)
