"""The short paths of a twin on its own: its health, its model, one prediction."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter

from services.twin.domain.predictor import Predictor
from services.twin.domain.registry import ModelMissing, ModelVersion
from services.twin.domain.serving import Requester
from services.twin.routes.direct_predictions import DirectPredictions
from services.twin.routes.predictions import WHY_NO_PREDICTION, Asset, Level, Model
from services.twin.schemas.base import DEFAULT_LEVEL, Inputs
from services.twin.schemas.predictions import PredictionResponse
from services.twin.schemas.standalone import HealthResponse, ModelInfoResponse, StandalonePrediction
from shared.clock import Clock, rfc3339
from shared.http.dependencies import request_id, require, use
from shared.http.direct import DirectHandler, DirectRequest
from shared.http.metrics import ServiceMetrics
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(tags=["stand-alone"])

# Asked by a watchdog that holds no key.
HEALTH_PATH = "/health"
Reader = Annotated[Principal, require(Permission.READ)]


@dataclass(frozen=True, slots=True)
class Station:
    """What this process is.

    Parameters
    ----------
    started_s
        Reading of the clock's monotonic time at the start [s].
    """

    version: ModelVersion
    metrics: ServiceMetrics
    clock: Clock
    started_s: float


Here = Annotated[Station, use(Station)]


@router.get(HEALTH_PATH)
async def health(here: Here) -> HealthResponse:
    """The twin answers; how long it has, and how often."""
    return HealthResponse(
        model_version=here.version.version,
        uptime_seconds=round(here.clock.monotonic_s() - here.started_s, 3),
        total_requests=here.metrics.total_requests(),
        timestamp=rfc3339(here.clock.now()),
    )


@router.get("/model/info")
async def model_info(here: Here, _caller: Reader) -> ModelInfoResponse:
    """Type, version, features and day of training of the model."""
    return ModelInfoResponse.of(here.version)


@router.post(
    "/predict",
    responses=responses(ModelMissing, *WHY_NO_PREDICTION),
)
async def predict(
    body: Inputs,
    predictor: Annotated[Predictor, use(Predictor)],
    caller: Annotated[Principal, require(Permission.PREDICT)],
    *,
    call_id: Annotated[str, request_id()],
    model: Model = None,
    asset: Asset = None,
    level: Level = DEFAULT_LEVEL,
) -> StandalonePrediction:
    """Predict one row from values by feature name, with a calibrated interval."""
    requester = Requester(caller.subject, asset, request_id=call_id)
    answer = await predictor.predict(model, body, level=level, requester=requester)
    result = PredictionResponse.of(answer, user=caller.subject, request_id=call_id)
    return StandalonePrediction(result=result, request_id=call_id)


def direct_handlers(predictor: Predictor) -> dict[str, DirectHandler]:
    """Those who answer the plain form of these requests without the framework, by path."""
    direct = DirectPredictions(predictor)

    async def wrapped(request: DirectRequest) -> bytes | None:
        result = await direct.predict(request)
        if result is None:
            return None
        # The result is JSON, and the id holds only characters that are safe in it.
        return b'{"success":true,"result":%b,"request_id":"%b"}' % (result, request.request_id.encode())

    return {"/predict": wrapped}
