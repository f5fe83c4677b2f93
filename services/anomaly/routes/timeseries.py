"""How scores and health of an asset went, for dashboards."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query

from services.anomaly.schemas.requests import ASSET_PATTERN
from shared.errors import AppError, Fault, Kind
from shared.history import History, HistoryOff
from shared.http.dependencies import AssetOutOfReach, NotAllowed, check_asset, require, use
from shared.http.problems import responses
from shared.http.timeseries import AskedSpan, SpanInvalid, TimeSeries
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/anomaly", tags=["history"])


class ScoreMetric(StrEnum):
    """What there is a history of."""

    SCORE = "score"
    SEVERITY = "severity"
    HEALTH = "health"


class DetectorUnnamed(AppError):
    """A score comes from a detector; only health comes from all of them."""

    kind, code = Kind.INVALID, "anomaly.detector_unnamed"

    def __init__(self) -> None:
        super().__init__("name the detector of the score", faults=[Fault("/detector", "missing")])


@router.get("/timeseries", responses=responses(NotAllowed, AssetOutOfReach, HistoryOff, SpanInvalid, DetectorUnnamed))
async def timeseries(  # noqa: PLR0917 (FastAPI passes them by name)
    metric: ScoreMetric,
    asset: Annotated[str, Query(pattern=ASSET_PATTERN, max_length=255)],
    span: AskedSpan,
    history: Annotated[History, use(History)],
    caller: Annotated[Principal, require(Permission.READ)],
    detector: Annotated[str, Query(max_length=64, description="not needed for health")] = "",
) -> TimeSeries:
    """Tell how a score, its severity or an asset's health went: at most one point for each interval that is kept."""
    check_asset(caller, asset)
    return await span.read(history, metric=metric.value, subject=subject_of(metric, detector), asset=asset)


def subject_of(metric: ScoreMetric, detector: str) -> str:
    """Whose series it is.

    Raises
    ------
    DetectorUnnamed
        If that has to be said.
    """
    if metric is ScoreMetric.HEALTH:
        return ""
    if not detector:
        raise DetectorUnnamed
    return detector
