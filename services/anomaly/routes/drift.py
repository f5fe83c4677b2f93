"""Whether what is scored still is what was trained on."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.anomaly.domain.catalogue import DetectorMissing
from services.anomaly.domain.drift import DriftDesk, NoReference
from services.anomaly.domain.streaming import StreamsUnavailable
from services.anomaly.domain.workbench import Overloaded
from services.anomaly.schemas.live import DriftResponse
from services.anomaly.schemas.requests import ASSET_PATTERN
from shared.http.dependencies import AssetOutOfReach, NotAllowed, check_asset, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/anomaly", tags=["detectors"])


@router.get(
    "/detectors/{name}/drift",
    responses=responses(NotAllowed, AssetOutOfReach, DetectorMissing, NoReference, StreamsUnavailable, Overloaded),
)
async def drift(
    name: str,
    desk: Annotated[DriftDesk, use(DriftDesk)],
    caller: Annotated[Principal, require(Permission.READ)],
    asset: Annotated[str | None, Query(pattern=ASSET_PATTERN, max_length=255)] = None,
) -> DriftResponse:
    """Compare the newest scored rows, of an asset or of all, with the training rows, sensor by sensor."""
    check_asset(caller, asset)
    detector, report = await desk.report(name, asset)
    return DriftResponse.of(detector, report, asset)
