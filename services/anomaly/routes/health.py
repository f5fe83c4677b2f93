"""The health of assets."""

from typing import Annotated

from fastapi import APIRouter, Path

from services.anomaly.domain.health import HealthDesk, HealthUnknown
from services.anomaly.schemas.health import HealthResponse
from services.anomaly.schemas.requests import ASSET_PATTERN
from shared.http.dependencies import AssetOutOfReach, NotAllowed, check_asset, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/anomaly", tags=["health"])


@router.get("/assets/{asset}/health", responses=responses(NotAllowed, AssetOutOfReach, HealthUnknown))
async def health(
    asset: Annotated[str, Path(pattern=ASSET_PATTERN, max_length=255)],
    desk: Annotated[HealthDesk, use(HealthDesk)],
    caller: Annotated[Principal, require(Permission.READ)],
) -> HealthResponse:
    """Tell how far from normal an asset is, from 0 to 100, where that leads, and when an inspection is due for it.

    50 is the detectors' limit. A finished inspection of the asset lets its health begin anew.
    """
    check_asset(caller, asset)
    return HealthResponse.of(await desk.health(asset))
