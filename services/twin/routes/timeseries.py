"""How predictions about an asset went, for dashboards."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query

from services.twin.schemas.base import ASSET_PATTERN
from shared.history import History, HistoryOff
from shared.http.dependencies import AssetOutOfReach, NotAllowed, check_asset, require, use
from shared.http.problems import responses
from shared.http.timeseries import AskedSpan, SpanInvalid, TimeSeries
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/twin", tags=["history"])


class PredictionMetric(StrEnum):
    """What there is a history of."""

    PREDICTION = "prediction"
    LOWER = "lower"
    UPPER = "upper"


@router.get("/timeseries", responses=responses(NotAllowed, AssetOutOfReach, HistoryOff, SpanInvalid))
async def timeseries(  # noqa: PLR0917 (FastAPI hands them by name)
    metric: PredictionMetric,
    model: Annotated[str, Query(min_length=1, max_length=64)],
    asset: Annotated[str, Query(pattern=ASSET_PATTERN, max_length=255)],
    span: AskedSpan,
    history: Annotated[History, use(History)],
    caller: Annotated[Principal, require(Permission.READ)],
) -> TimeSeries:
    """Tell how a prediction, or an end of its interval, went: at most one point for each interval that is kept."""
    check_asset(caller, asset)
    return await span.read(history, metric=metric.value, subject=model, asset=asset)
